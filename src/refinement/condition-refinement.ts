import * as tf from '@tensorflow/tfjs';
import type { ConditionHook, ConditionStep } from '../models/conditions';
import { InvalidInputError } from '../runtime/errors';
import { adaptiveShare, groupDrift, meanDrift, partially, type StepDrift } from './adaptive';
import type { IdealConditions } from './ideal-conditions';
import { requireFilled, requireModel } from './ideal-file';
import type { InverseProcess } from './inverse-process';
import { type GroupTrace, type StepRecord, stepRecord } from './measure';
import { momentsFor } from './moments';
import { type StepRows, stepRedundancy } from './redundancy';
import type { Group, Iteration, Observation, Refined, Refiner, TimedPart } from './refiner';
import { eachPart, gathered, lawOf, otherMeansOf, scatter, type TransportUnit, type Unit, unitsOf } from './units';

export interface RefinementSettings {
  refiner: Refiner;
  /** The ideal law; must be of the sampled model. */
  ideal: IdealConditions;
  /** Fingerprint of the sampled model, compared with the buffer's. */
  fingerprint: string;
  /** T^-1, weighed by lambda, and the DDIM steps of the sampled prior that feeds it (default 4). */
  inverse?: { process: InverseProcess; priorSteps?: number };
  /** DDIM steps of the sampled prior, where it is wanted without an inverse process (cost in latent space); default 4. */
  priorSteps?: number;
  /**
   * How long a sampled prior is used: `iteration` (default), drawn anew whenever the conditions have moved; `step`: the one of the
   * first iteration serves all K of an AR step, an approximation that makes K iterations cost one prior.
   */
  priorReuse?: 'iteration' | 'step';
  /** Which AR steps are refined; default all. */
  steps?: (step: number, steps: number) => boolean;
  /** What is a point of the transport, see `TransportUnit`; default `token`. */
  unit?: TransportUnit;
  /** Groups with fewer rows are left alone, since a cloud is not seen in a few points; default 8. */
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

/** What a refinement did during one sampling run. */
export interface RefinementReport {
  /** Per group and refined AR step, in order: `rows` points of `tokens` conditions each; `kept` says why nothing, or not everything, was done. */
  groups: {
    step: number;
    group: string;
    rows: number;
    tokens: number;
    targets: number;
    iterations: Iteration[];
    kept?: string;
  }[];
  /** Adaptive: the share taken at each AR step and the drift that it follows from. */
  adaptive: ({ step: number; alpha: number } & Partial<StepDrift>)[];
  /** Filled when `measure` is set. */
  records: StepRecord[];
  rows: StepRows[];
  /** Milliseconds: in the refiner altogether, and of that in each part; the rest is everything else. */
  milliseconds: { refiner: number } & Record<TimedPart, number>;
  /** Sampled priors drawn, of how many rows together, and how often one could be used again. */
  priors: { drawn: number; rows: number; reused: number };
}

/**
 * Plugs a refiner between transformer and denoiser: rows of one group are refined together towards the group's ideal law.
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
  const { ideal, refiner, adaptive = false, measure = false, minimumRows = 8, unit: kind = 'token' } = settings;
  const { width } = ideal;
  const units = unitsOf(ideal, at, kind).map((unit) => {
    const conditions = gathered(rows, unit, width);
    return { unit, conditions, group: groupFor(at, { unit, conditions, settings, report }) };
  });
  const alpha = adaptive
    ? shareOf(
        at.step,
        units.flatMap(({ group }) => group ?? []),
        report,
      )
    : 1;
  const result = rows.slice();
  const traces: GroupTrace[] = [];
  for (const { unit, conditions, group } of units) {
    const trace: Float32Array[] = [];
    const tokens = unit.parts.length;
    const points = unit.parts[0].rows.length;
    const outcome = refined();
    scatter(outcome.conditions, unit, width, result);
    report.groups.push({
      step: at.step,
      group: unit.name,
      rows: points,
      tokens,
      targets: (group?.targets.length ?? 0) / (width * tokens),
      iterations: outcome.iterations,
      kept: outcome.kept,
    });
    if (!group) continue;
    const theory = outcome.iterations.map(({ rho }) => (alpha < 1 ? undefined : rho));
    traces.push({ group, path: trace, after: outcome.conditions, theory });

    function refined(): Refined {
      const keep = (kept: string): Refined => ({ conditions, iterations: [], kept });
      if (!group) return keep('the buffer has no conditions of this group');
      if (points < minimumRows) return keep(`fewer than ${minimumRows} rows`);
      if (alpha === 0) return keep('no drift above the floor');
      const observe = (seen: Observation) => {
        if (trace.length === 0) trace.push(seen.before);
        trace.push(seen.after);
        settings.observe?.({ ...seen, step: at.step, group: unit.name });
      };
      const observed = measure || settings.observe ? { ...group, observe } : group;
      return partially(group, refiner(observed), alpha);
    }
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
}

/** The share of the step that the drift of all its groups together warrants. */
function shareOf(step: number, groups: readonly Group[], report: RefinementReport): number {
  return timed(report, 'adapting', () => {
    const drift = meanDrift(groups.flatMap((group) => groupDrift(group) ?? []));
    const alpha = drift ? adaptiveShare(drift) : 0;
    report.adaptive.push({ step, alpha, ...drift });
    return alpha;
  });
}

interface GroupRequest {
  unit: Unit;
  conditions: Float32Array;
  settings: RefinementSettings;
  report: RefinementReport;
}

/** A group with all that refiners may ask for; undefined where the buffer has none of its rows. */
function groupFor(at: ConditionStep, { unit, conditions, settings, report }: GroupRequest): Group | undefined {
  const { ideal, inverse } = settings;
  const law = lawOf(ideal, unit);
  if (!law?.targets.length) return undefined;
  const { width, tokens } = ideal;
  const [{ name, rows }] = unit.parts;
  const alone = unit.parts.length === 1;
  const prior = reusable(at, rows.length * unit.parts.length, settings, report);
  return {
    conditions,
    targets: law.targets,
    width: width * unit.parts.length,
    step: at.step,
    samples: Int32Array.from(rows, (row) => at.samples[row]),
    ...(alone ? { positions: Int32Array.from(rows, (row) => at.positions[row]) } : {}),
    targetLatents: law.latents,
    ...(alone ? { moments: () => momentsFor(ideal, name) } : {}),
    otherMeans: otherMeansOf(ideal, unit),
    timed: (part, run) => timed(report, part, run),
    prior,
    ...(inverse
      ? {
          inverse: (current: Float32Array) => {
            const latents = prior(current);
            return timed(report, 'inverse', () =>
              eachPart(latents, unit, (part, name) => inverse.process.apply(part, name)),
            );
          },
        }
      : {}),
    ...(at.known && law.known && tokens
      ? {
          known: {
            conditions: gathered(at.known, { ...unit, parts: [unit.parts[0]] }, tokens),
            targets: law.known,
            tokens,
          },
        }
      : {}),
  };
}

/** The sampled prior of a group: drawn once for the same conditions (they are never written to), or once for the whole step. */
function reusable(at: ConditionStep, rows: number, settings: RefinementSettings, report: RefinementReport) {
  const { priorReuse = 'iteration', priorSteps = settings.inverse?.priorSteps ?? 4 } = settings;
  let last: { conditions: Float32Array; latents: Float32Array } | undefined;
  return (conditions: Float32Array): Float32Array => {
    if (last && (priorReuse === 'step' || last.conditions === conditions)) {
      report.priors.reused++;
      return last.latents;
    }
    const latents = timed(
      report,
      'prior',
      () =>
        tf.tidy(() =>
          at.shortSample(tf.tensor2d(conditions, [rows, conditions.length / rows]), priorSteps).dataSync(),
        ) as Float32Array,
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
 * @throws InvalidInputError naming the reasons why groups were kept.
 */
export function requireRefined({ groups, adaptive }: RefinementReport): void {
  if (groups.some(({ kept, iterations }) => kept === undefined || iterations.length > 0)) return;
  if (adaptive.some(({ groups: measured = 0 }) => measured > 0)) return;
  const reasons = [...new Set(groups.map(({ kept }) => kept))].join('; ');
  throw new InvalidInputError('Refinement', {
    given:
      groups.length === 0 ? 'no group of conditions' : `${groups.length} groups, all kept as they were: ${reasons}`,
    expected: 'at least one group that is refined',
    remedy: 'Generate more images per class (groups need `minimumRows`), or leave the refinement out.',
  });
}
