import { CerError } from '../runtime/errors';
import type { ParityRow } from './comparison';
import { diffusionHeadCases } from './diffusion-head';
import { marForward } from './mar-cases';
import { marSampling } from './mar-sampling';
import { marTraining } from './mar-training';
import { metricCases } from './metric-cases';
import { findCases, type ReferenceCase } from './reference';
import { type Runner, runCase } from './runner';
import { diffusionTables, learningRates, masking, timestepMaps } from './schedules';
import { transportClouds } from './transport-cases';
import { transportSmall } from './transport-small';
import { patchifyCases, vaeCases } from './vae-cases';
import { halfPrecision, oddCheckpoints, torchCheckpoints, weightFiles } from './weight-files';

export type { ParityRow } from './comparison';

/** Every family that can be recomputed; the first that recognises a case runs it. */
export const runners: readonly Runner[] = [
  diffusionTables,
  timestepMaps,
  learningRates,
  masking,
  halfPrecision,
  weightFiles,
  diffusionHeadCases,
  marForward,
  marTraining,
  marSampling,
  vaeCases,
  patchifyCases,
  torchCheckpoints,
  oddCheckpoints,
  transportClouds,
  transportSmall,
  metricCases,
];

/** A case and the family that recomputes it. */
export interface PlannedCase {
  given: ReferenceCase;
  /** Undefined when no family recognises it. */
  runner: Runner | undefined;
  /** Why its tensor file cannot be read. */
  problem?: string;
}

/** The cases below a folder, and the files that are not cases. */
export function planParity(folder: string): { planned: PlannedCase[]; other: string[] } {
  const { cases, other } = findCases(folder);
  return { planned: cases.map(plan), other };
}

function plan(given: ReferenceCase): PlannedCase {
  try {
    return { given, runner: runners.find((runner) => runner.matches(given)) };
  } catch (error) {
    if (!(error instanceof CerError)) throw error;
    return { given, runner: undefined, problem: error.message };
  }
}

/** Runs one planned case; one that no family recognises, or that cannot be read, is a row that does not hold. */
export async function runPlanned({ given, runner, problem = 'no runner' }: PlannedCase): Promise<ParityRow[]> {
  if (runner) return runCase(runner, given);
  return [{ case: given.name, tensor: problem, error: Number.POSITIVE_INFINITY, tolerance: 0, holds: false }];
}
