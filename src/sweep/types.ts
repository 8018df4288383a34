import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import type { Configuration } from './configuration';

/** What a run measures, by name. */
export type Values = Record<string, number | string | boolean | null>;

/** One run, once everything that runs share is loaded: the same configuration and seed give the same values. */
export type Run = (configuration: Configuration, seed: number) => Promise<Values>;

/** Something that a sweep runs many times: a function from a configuration and a seed to measured numbers. */
export interface SweepExperiment {
  name: string;
  description: string;
  /** Raised when the same configuration comes to mean another computation, so that old rows are not taken for new ones. */
  version: number;
  /** The value to compare rows by, and which way is better; `cost` is the value that it is bought with. */
  objective: { name: string; better: 'lower' | 'higher'; label: string };
  cost: { name: string; label: string };
  /** The configuration in effect: validated, every default filled in, plain JSON. @throws InvalidInputError */
  parse(given: Configuration): Configuration;
  /** Dotted names of all knobs, where those of `parse({})` are not all. */
  knobs?(): readonly string[];
  /** Folders and files that a configuration names: a worker accepts only such as are inside the folder in which it was started. */
  paths?(configuration: Configuration): readonly string[];
  /** What decides the numbers beside configuration and seed (hashes of weight files): a part of each row's key. */
  inputs(configuration: Configuration): string;
  /** Seconds that a run takes on one core, as measured once; leave out where nothing is known. */
  seconds?(configuration: Configuration): number;
  /** Most memory of a process that makes rows, in MiB, as measured once; leave out where nothing is known. */
  megabytes?(configuration: Configuration): number;
  /** Loads what all runs share; called once per process. */
  open(): Promise<Run>;
}

/** The experiments that a sweep file can name. */
export interface Registry {
  experiments: readonly SweepExperiment[];
  /** Path of the script that calls `serve` with this registry: the entry of the processes that make rows. */
  processEntry: string;
}

/** The experiment of a name. @throws InvalidInputError with the nearest name. */
export function experimentNamed({ experiments }: Registry, name: string): SweepExperiment {
  const found = experiments.find((experiment) => experiment.name === name);
  if (found) return found;
  const names = experiments.map((experiment) => experiment.name);
  const near = closest(name, names);
  throw new InvalidInputError('Experiment of a sweep', {
    given: JSON.stringify(name),
    expected: `${near ? `perhaps ${near}; ` : ''}one of ${names.join(', ')}`,
    remedy: 'Correct the name, or add the experiment to src/study/experiments.ts.',
  });
}
