import * as tf from '@tensorflow/tfjs';
import type { ConditionHook, ConditionStep } from '../models/conditions';
import { InvalidInputError } from '../runtime/errors';
import { adaptiveShare, groupDrift, type MeanDrift, meanDrift, partially } from './drift';
import type { IdealConditions } from './ideal-conditions';
import { requireFilled, requireModel } from './ideal-file';
import type { InverseKind } from './inverse-process';
import { type GroupTrace, type StepRecord, stepRecord } from './measure';
import type { TransportUnit } from './options';
import { type StepRows, stepRedundancy } from './redundancy';
import {
  createGroup,
  type Group,
  type Iteration,
  type Observation,
  type Refined,
  type Refiner,
  type TimedPart,
} from './refiner';
import { putRows, takeRows } from './rows';
import { rowNumbers, type Unit, unitsOf } from './units';

export interface RefinementSettings {
  refiner: Refiner;
  /** The ideal law; must be of the sampled model. */
  ideal: IdealConditions;
  /** Fingerprint of the sampled model, compared with the buffer's. */
  fingerprint: string;
  /** T^-1, which is fitted to the buffer where lambda > 0; default `ridge`. */
  inverse?: InverseKind;
  /** DDIM steps of the sampled prior; default 4. */
  priorSteps?: number;
  /** Which AR steps are refined; default all. */
  steps?: (step: number, steps: number) => boolean;
  /** What is a point of the transport; default `token`. */
  unit?: TransportUnit;
  /** Groups with fewer rows are left unchanged, since a few points do not show a cloud; default 8. */
  minimumRows?: number;
  /**
   * Takes only the share alpha = excess / (excess + floor) of each step, from the drift of all groups of the AR step together;
   * default false. A buffer with fewer than 4 rows a half cannot tell and stops the step.
   */
  adaptive?: boolean;
  /** Records what each step did (see `StepRecord`) and all rows before and after; default false. About doubles the cost. */
  measure?: boolean;
  /** Called at each iteration of each group, for pictures of trajectories and plans. */
  observe?: (at: Observation & { step: number; group: string }) => void;
}

/** What a refinement did to one group of one AR step: `rows` points of `tokens` conditions each. */
export interface GroupReport {
  step: number;
  group: string;
  rows: number;
  tokens: number;
  targets: number;
  iterations: Iteration[];
  /** Why the group was left, wholly or in part, unchanged. */
  skipReason?: string;
}

/** What a refinement did during one sampling run. */
export interface RefinementReport {
  /** In order of AR steps. */
  groups: GroupReport[];
  /** Adaptive: the share taken at each AR step and the drift that it follows from. */
  adaptive: ({ step: number; alpha: number } & Partial<MeanDrift>)[];
  /** Filled when `measure` is set. */
  records: StepRecord[];
  rows: StepRows[];
  /** Milliseconds: in the refiner altogether, and of that in each part; the rest is everything else. */
  milliseconds: { refiner: number } & Record<TimedPart, number>;
  /** Sampled priors drawn, of how many rows together, and how often one could be used again. */
  priors: { drawn: number; rows: number; reused: number };
}

/**
 * A hook between transformer and denoiser: rows of one group are refined together towards the group's ideal law.
 * @throws InvalidInputError when the buffer was made by another model, or is empty.
 */
export function conditionRefinement(settings: RefinementSettings): { hook: ConditionHook; report: RefinementReport } {
  const { ideal, fingerprint, steps = () => true } = settings;
  requireModel(ideal, fingerprint);
  requireFilled(ideal);
  const report: RefinementReport = {
    groups: [],
    adaptive: [],
    records: [],
    rows: [],
    milliseconds: { refiner: 0, coupling: 0, prior: 0, inverse: 0, adapting: 0, measuring: 0 },
    priors: { drawn: 0, rows: 0, reused: 0 },
  };
  const hook: ConditionHook = async (at) => {
    if (!steps(at.step, at.steps)) return at.conditions.clone();
    const started = performance.now();
    const rows = (await at.conditions.data()) as Float32Array;
    requireWidth(ideal, at.conditions.shape[1]);
    const result = refineStep(at, rows, settings, report);
    report.milliseconds.refiner += performance.now() - started;
    return tf.tensor2d(result, [result.length / ideal.width, ideal.width]);
  };
  return { hook, report };
}

/** Refines the rows of one AR step. */
function refineStep(at: ConditionStep, rows: Float32Array, settings: RefinementSettings, report: RefinementReport) {
  const { ideal, refiner, adaptive = false, measure = false, minimumRows = 8 } = settings;
  const { width } = ideal;
  const units = unitsOf(at, ideal.grouping, settings.unit ?? 'token').map((unit) => {
    const numbers = rowNumbers(unit);
    const trace: Float32Array[] = [];
    return {
      unit,
      numbers,
      trace,
      group: groupFor(at, takeRows(rows, numbers, width), { unit, trace, settings, report }),
    };
  });
  const groups = units.flatMap(({ group }) => group ?? []);
  const alpha = adaptive ? shareOf(at.step, groups, report) : 1;
  const result = rows.slice();
  const traces: GroupTrace[] = [];
  for (const { unit, numbers, trace, group } of units) {
    const points = unit.parts[0].rows.length;
    const refined = refinedGroup(group, points);
    if (group) {
      putRows(refined.conditions, numbers, width, result);
      const theory = refined.iterations.map(({ rho }) => (alpha < 1 ? undefined : rho));
      traces.push({ group, path: trace, after: refined.conditions, theory });
    }
    report.groups.push({
      step: at.step,
      group: unit.name,
      rows: points,
      tokens: unit.parts.length,
      targets: group?.law.count ?? 0,
      iterations: refined.iterations,
      skipReason: refined.skipReason,
    });
  }
  if (measure) {
    timed(report, 'measuring', () => {
      const { step, samples, classes, positions } = at;
      const now: StepRows = { step, samples, classes, positions, before: rows.slice(), after: result.slice() };
      const redundancy = stepRedundancy(ideal, report.rows[report.rows.length - 1], now);
      report.records.push({ ...stepRecord(step, traces), ...(redundancy ? { redundancy } : {}) });
      report.rows.push(now);
    });
  }
  return result;

  function refinedGroup(group: Group | undefined, points: number): Refined {
    const skip = (skipReason: string) => ({
      conditions: group?.conditions ?? new Float32Array(),
      iterations: [],
      skipReason,
    });
    if (!group) return skip('the buffer has no conditions of this group');
    if (points < minimumRows) return skip(`fewer than ${minimumRows} rows`);
    if (alpha === 0) return skip('no drift above the floor');
    return partially(group, refiner(group), alpha);
  }
}

/** The share of the step that the drift of all its groups together warrants. */
function shareOf(step: number, groups: readonly Group[], report: RefinementReport): number {
  return timed(report, 'adapting', () => {
    const drift = meanDrift(groups.flatMap(({ conditions, law }) => groupDrift(conditions, law) ?? []));
    const alpha = drift ? adaptiveShare(drift) : 0;
    report.adaptive.push({ step, alpha, ...drift });
    return alpha;
  });
}

interface GroupRequest {
  unit: Unit;
  /** Takes the clouds of all iterations. */
  trace: Float32Array[];
  settings: RefinementSettings;
  report: RefinementReport;
}

/** A group with all that refiners may ask for; undefined where the buffer has none of its rows. */
function groupFor(at: ConditionStep, conditions: Float32Array, { unit, trace, settings, report }: GroupRequest) {
  const { ideal, inverse = 'ridge', priorSteps = 4 } = settings;
  const names = unit.parts.map(({ name }) => name);
  const [{ rows }] = unit.parts;
  const law = ideal.law(...names);
  if (!law) return undefined;
  const prior = sampledPrior(at, rows.length * names.length, priorSteps, report);
  return createGroup(conditions, law, {
    origin: () => ({ step: at.step, samples: Int32Array.from(rows, (row) => at.samples[row]) }),
    ...(at.known ? { visibleTokens: visibleTo(rows, at.known, at.samples.length) } : {}),
    prior,
    inverse: (current) => {
      const latents = prior(current);
      return timed(report, 'inverse', () => ideal.inverse(inverse).apply(latents));
    },
    otherMeans: ideal.otherMeans(...names),
    observe: (seen) => {
      if (!settings.measure && !settings.observe) return;
      if (trace.length === 0) trace.push(seen.before);
      trace.push(seen.after);
      settings.observe?.({ ...seen, step: at.step, group: unit.name });
    },
    timed: (part, run) => timed(report, part, run),
  });
}

function visibleTo(rows: readonly number[], flags: Uint8Array, count: number): () => Uint8Array {
  const tokens = flags.length / count;
  return () => {
    const own = new Uint8Array(rows.length * tokens);
    rows.forEach((row, i) => {
      own.set(flags.subarray(row * tokens, (row + 1) * tokens), i * tokens);
    });
    return own;
  };
}

/** The sampled prior of a group, drawn once for the same conditions (they are never written to). */
function sampledPrior(at: ConditionStep, rows: number, steps: number, report: RefinementReport) {
  let last: { conditions: Float32Array; latents: Float32Array } | undefined;
  return (conditions: Float32Array): Float32Array => {
    if (last?.conditions === conditions) {
      report.priors.reused++;
      return last.latents;
    }
    const latents = timed(report, 'prior', () =>
      tf.tidy(
        () =>
          at.shortSample(tf.tensor2d(conditions, [rows, conditions.length / rows]), steps).dataSync() as Float32Array,
      ),
    );
    report.priors.drawn++;
    report.priors.rows += rows;
    last = { conditions, latents };
    return latents;
  };
}

function timed<T>(report: RefinementReport, part: TimedPart, run: () => T): T {
  const started = performance.now();
  const result = run();
  report.milliseconds[part] += performance.now() - started;
  return result;
}

function requireWidth({ width }: IdealConditions, given: number): void {
  if (width === given) return;
  throw new InvalidInputError('Refinement, buffer of ideal conditions', {
    given: `a buffer of width ${width}`,
    expected: `the width of the sampled conditions, ${given}`,
    remedy: 'Collect the ideal conditions again with this model.',
  });
}

/**
 * Throws where a refinement was asked for and changed nothing at all, so that "refined" is never another word for "baseline". An
 * adaptive refinement that found no drift anywhere has done what it was asked for.
 * @throws InvalidInputError naming the reasons why groups were left unchanged.
 */
export function requireRefined({ groups, adaptive }: RefinementReport): void {
  if (groups.some(({ skipReason, iterations }) => skipReason === undefined || iterations.length > 0)) return;
  if (adaptive.some(({ groups: measured = 0 }) => measured > 0)) return;
  const reasons = [...new Set(groups.map(({ skipReason }) => skipReason))].join('; ');
  throw new InvalidInputError('Refinement', {
    given: groups.length === 0 ? 'no group of conditions' : `${groups.length} groups, all left unchanged: ${reasons}`,
    expected: 'at least one group that is refined',
    remedy: 'Generate more images per class (groups need `minimumRows`), or leave the refinement out.',
  });
}
