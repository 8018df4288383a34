import { z } from 'zod';
import { surviveClosedOutput } from '../runtime/closed-output';
import { CerError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { type Task, validatedTask } from './task';
import { experimentNamed, type Registry, type Run, type Values } from './types';

/** What a process of a sweep answers; `code` is that of the project's own errors. */
export type Outcome = { values: Values; seconds: number } | { error: string; code?: string; seconds: number };

const seconds = z.number().min(0);
const schema = z.union([
  z.strictObject({ values: z.record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.null()])), seconds }),
  z.strictObject({ error: z.string(), code: z.string().optional(), seconds }),
]);

/** An outcome that came through a queue. @throws InvalidInputError for anything else. */
export function validatedOutcome(given: unknown): Outcome {
  return parseOptions('the outcome of a row', schema, given);
}

/** Serves rows of a registry's experiments to the parent process, one after the other, until it ends or goes away. */
export function serve(registry: Registry): void {
  const opened = new Map<string, Promise<Run>>();
  surviveClosedOutput(() => {});
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, task }: { id: number; task: unknown }) => {
    process.send?.({ id, outcome: await runTask(task, registry, opened) });
  });
}

/** Makes one row in this process. What runs share is loaded at the first row of an experiment and stays in `opened`. */
export async function runTask(given: unknown, registry: Registry, opened: Map<string, Promise<Run>>): Promise<Outcome> {
  let started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  try {
    const task: Task = validatedTask(given, registry);
    const experiment = experimentNamed(registry, task.experiment);
    const run = opened.get(experiment.name) ?? experiment.open();
    opened.set(experiment.name, run);
    const ready = await run;
    started = performance.now();
    return { values: await ready(task.configuration, task.seed), seconds: seconds() };
  } catch (error) {
    return failure(error, seconds());
  }
}

/** The outcome of a row that ended in an error. */
export function failure(error: unknown, seconds: number): Outcome {
  const { message } = error as Error;
  return { error: message, seconds, ...(error instanceof CerError ? { code: error.code } : {}) };
}
