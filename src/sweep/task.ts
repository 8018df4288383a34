import { z } from 'zod';
import { pathInside } from '../io/path-inside';
import { InvalidInputError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { type Configuration, canonicalJson, type Json, leaves, refuseUnknown, stableHash } from './configuration';
import { experimentNamed, type Registry, type SweepExperiment } from './types';

/** One row to be made. */
export interface Task {
  key: string;
  experiment: string;
  version: number;
  inputs: string;
  configuration: Configuration;
  seed: number;
}

const schema = z.strictObject({
  key: z.string(),
  experiment: z.string(),
  version: z.number().int(),
  inputs: z.string(),
  configuration: z.record(z.string(), z.json() as z.ZodType<Json>),
  seed: z.number().int().min(0),
});

/** A row to be made, with its key: experiment, version, inputs, configuration in effect and seed decide it. */
export function makeTask(experiment: SweepExperiment, configuration: Configuration, seed: number): Task {
  const { name, version } = experiment;
  const identity = { experiment: name, version, inputs: experiment.inputs(configuration), configuration, seed };
  return { key: keyOf(identity), ...identity };
}

/** The key of a row, from what decides it. */
export function keyOf({ experiment, version, inputs, configuration, seed }: Omit<Task, 'key'>): string {
  return stableHash({ experiment, version, inputs, configuration, seed });
}

/**
 * A task that came from elsewhere, validated field by field: its configuration is one that the experiment itself writes, its version and
 * inputs (hashes of weights) are those found here, and its key is computed again.
 * @param folder every path in the configuration must be inside it; without it, paths are free (the task came from this process's parent)
 * @throws InvalidInputError, or FileFormatError for a path that leads out of the folder.
 */
export function validatedTask(given: unknown, registry: Registry, folder?: string): Task {
  const task = parseOptions('a row of a sweep', schema, given);
  const experiment = experimentNamed(registry, task.experiment);
  const configuration = effective(experiment, task.configuration);
  if (folder !== undefined) {
    for (const path of experiment.paths?.(configuration) ?? []) pathInside(folder, path, `Row of ${experiment.name}`);
  }
  const own = makeTask(experiment, configuration, task.seed);
  if (own.version !== task.version || own.inputs !== task.inputs) {
    throw new InvalidInputError(`Row of ${task.experiment}`, {
      given: `version ${own.version} and inputs ${own.inputs || 'none'} here`,
      expected: `version ${task.version} and inputs ${task.inputs || 'none'}, as the sweep was planned with`,
      remedy: 'Give every worker the same code and the same weight files.',
    });
  }
  if (own.key === task.key) return own;
  throw new InvalidInputError(`Row of ${task.experiment}`, {
    given: `the key ${task.key}`,
    expected: `${own.key}, which is the key of its configuration and seed`,
    remedy: 'Start the sweep again, with the same code as the worker.',
  });
}

/**
 * The configuration in effect, as a file would hold it: what is undefined is absent, Infinity is a word.
 * @throws InvalidInputError for a knob that the experiment does not have (with the nearest name) and for values out of range.
 */
export function effective(experiment: SweepExperiment, asked: Configuration): Configuration {
  const what = `Knobs of the experiment ${experiment.name}`;
  let configuration: Configuration;
  try {
    configuration = experiment.parse(asked);
  } catch (error) {
    // A name that no configuration has explains the error better than what the parser makes of the rest.
    const known = [...leaves(experiment.parse({})).keys(), ...(experiment.knobs?.() ?? [])];
    refuseUnknown(what, asked, known);
    throw error;
  }
  refuseUnknown(what, asked, [...leaves(configuration).keys()]);
  return JSON.parse(canonicalJson(configuration));
}
