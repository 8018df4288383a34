import * as tf from '@tensorflow/tfjs';
import type { ConditionHook, ConditionStep } from '../models/conditions';
import { InvalidInputError } from '../runtime/errors';
import { groupOf, type IdealConditions, targetsOf } from './ideal-conditions';
import type { InverseProcess } from './inverse-process';
import type { Iteration, Refined, Refiner } from './refiner';

export interface RefinementSettings {
  refiner: Refiner;
  /** The ideal law; must be of the sampled model. */
  ideal: IdealConditions;
  /** Fingerprint of the sampled model, compared with the buffer's. */
  fingerprint: string;
  /** T^-1 and the DDIM steps of the sampled prior that feeds it (default 4); leave out for lambda = 0. */
  inverse?: { process: InverseProcess; priorSteps?: number };
  /** Which AR steps are refined; default all. */
  steps?: (step: number, steps: number) => boolean;
  /** Groups with fewer rows are left alone, since a cloud is not seen in a few points; default 8. */
  minimumRows?: number;
}

/** What a refinement did during one sampling run. */
export interface RefinementReport {
  /** Per refined group and AR step, in order. */
  groups: { step: number; group: string; rows: number; iterations: Iteration[]; kept?: string }[];
  /** Milliseconds: in the refiner, and of that in the sampled prior. */
  milliseconds: { refiner: number; prior: number };
}

/**
 * Plugs a refiner between transformer and denoiser: rows of one group are refined together towards the group's ideal law.
 * @throws InvalidInputError when the buffer was made by another model.
 */
export function conditionRefinement(settings: RefinementSettings): { hook: ConditionHook; report: RefinementReport } {
  const { refiner, ideal, fingerprint, inverse, steps = () => true, minimumRows = 8 } = settings;
  if (ideal.fingerprint !== fingerprint) {
    throw new InvalidInputError('Refinement, buffer of ideal conditions', {
      given: `a buffer of model ${ideal.fingerprint}`,
      expected: `a buffer of the sampled model, ${fingerprint}`,
      remedy: 'Collect the ideal conditions again with these weights.',
    });
  }
  const report: RefinementReport = { groups: [], milliseconds: { refiner: 0, prior: 0 } };
  const hook: ConditionHook = async (at) => {
    if (!steps(at.step, at.steps)) return at.conditions.clone();
    const started = performance.now();
    const width = at.conditions.shape[1];
    const rows = (await at.conditions.data()) as Float32Array;
    const result = rows.slice();
    for (const [group, indices] of rowsByGroup(ideal, at)) {
      const targets = targetsOf(ideal, group);
      const outcome = refineGroup(at, { rows, indices, targets, width, minimumRows, refiner, inverse, report });
      report.groups.push({
        step: at.step,
        group,
        rows: indices.length,
        iterations: outcome.iterations,
        kept: outcome.kept,
      });
      indices.forEach((row, i) => {
        result.set(outcome.conditions.subarray(i * width, (i + 1) * width), row * width);
      });
    }
    report.milliseconds.refiner += performance.now() - started;
    return tf.tensor2d(result, [result.length / width, width]);
  };
  return { hook, report };
}

/**
 * Throws where a refinement was asked for and changed nothing at all, so that "refined" is never another word for "baseline".
 * @throws InvalidInputError naming the reasons why groups were kept.
 */
export function requireRefined({ groups }: RefinementReport): void {
  if (groups.some(({ kept, iterations }) => kept === undefined || iterations.length > 0)) return;
  const reasons = [...new Set(groups.map(({ kept }) => kept))].join('; ');
  throw new InvalidInputError('Refinement', {
    given:
      groups.length === 0 ? 'no group of conditions' : `${groups.length} groups, all kept as they were: ${reasons}`,
    expected: 'at least one group that is refined',
    remedy: 'Generate more images per class (groups need `minimumRows`), or leave the refinement out.',
  });
}

function rowsByGroup(ideal: IdealConditions, { classes, positions, step }: ConditionStep): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  classes.forEach((label, row) => {
    const name = groupOf(ideal.grouping, { class: label, position: positions[row], step });
    const members = groups.get(name);
    if (members) members.push(row);
    else groups.set(name, [row]);
  });
  return groups;
}

interface GroupRequest extends Pick<RefinementSettings, 'refiner' | 'inverse'> {
  rows: Float32Array;
  indices: number[];
  targets: Float32Array | undefined;
  width: number;
  minimumRows: number;
  report: RefinementReport;
}

function refineGroup(at: ConditionStep, request: GroupRequest): Refined {
  const { rows, indices, targets, width, minimumRows, refiner, inverse, report } = request;
  const conditions = new Float32Array(indices.length * width);
  indices.forEach((row, i) => {
    conditions.set(rows.subarray(row * width, (row + 1) * width), i * width);
  });
  if (!targets?.length) return { conditions, iterations: [], kept: 'the buffer has no conditions of this group' };
  if (indices.length < minimumRows) return { conditions, iterations: [], kept: `fewer than ${minimumRows} rows` };
  const prior = inverse && {
    inverse: (current: Float32Array) => {
      const started = performance.now();
      const latents = tf.tidy(() =>
        at.shortSample(tf.tensor2d(current, [indices.length, width]), inverse.priorSteps ?? 4).dataSync(),
      ) as Float32Array;
      report.milliseconds.prior += performance.now() - started;
      return inverse.process.apply(latents);
    },
  };
  return refiner({ conditions, targets, width, ...prior });
}
