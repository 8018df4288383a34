import { surviveClosedOutput } from '../runtime/closed-output';
import { CerError, InvalidInputError } from '../runtime/errors';
import { experimentNamed, type Run, type Values } from '../study/experiments';
import type { Task } from './plan';

/** What a process of a sweep answers; `code` is that of the project's own errors. */
export type Outcome = { values: Values; seconds: number } | { error: string; code?: string; seconds: number };

const opened = new Map<string, Promise<Run>>();

/** Makes one row in this process. What runs share is loaded at the first row of an experiment. */
export async function runTask(task: Task): Promise<Outcome> {
  let started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  try {
    const experiment = experimentNamed(task.experiment);
    checkSame(task, experiment.version, experiment.inputs(task.configuration));
    if (!opened.has(experiment.name)) opened.set(experiment.name, experiment.open());
    const run = await opened.get(experiment.name)!;
    started = performance.now();
    const values = await run(task.configuration, task.seed);
    return { values, seconds: seconds() };
  } catch (error) {
    const { message } = error as Error;
    return { error: message, seconds: seconds(), ...(error instanceof CerError ? { code: error.code } : {}) };
  }
}

/** A worker with other weights or other code would make rows that only look comparable. */
function checkSame(task: Task, version: number, inputs: string): void {
  if (task.version === version && task.inputs === inputs) return;
  throw new InvalidInputError(`Row of ${task.experiment}`, {
    given: `version ${version} and inputs ${inputs || 'none'} here`,
    expected: `version ${task.version} and inputs ${task.inputs || 'none'}, as the sweep was planned with`,
    remedy: 'Give every worker the same code and the same weight files.',
  });
}

/** Serves rows to the parent process, one after the other, until it ends or goes away. */
export function serve(): void {
  surviveClosedOutput(() => {});
  process.on('disconnect', () => process.exit());
  process.on('message', async ({ id, task }: { id: number; task: Task }) => {
    process.send?.({ id, outcome: await runTask(task) });
  });
}
