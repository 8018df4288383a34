import type * as tf from '@tensorflow/tfjs';
import { proximity } from '../metrics/retrieval';
import type { ConditionHook, ConditionStep } from '../models/conditions';
import { selfTerm, sinkhorn } from '../transport';
import { groupOf, groupRows } from './grouping';
import type { IdealConditions } from './ideal-conditions';
import { DRIFT_TOLERANCE, type IdealLaw, type Reference } from './law';
import type { Group, Refined } from './refiner';
import { meanSquaredDistance, rescaled, takeRows, totalVariance } from './rows';

/** How far a group is from its ideal law, in units of the law's total variance. */
export interface GroupDrift {
  /** Debiased Sinkhorn divergence to one half of the targets, minus the floor: 0 where the conditions follow the law. */
  excess: number;
  /** The same from the other half, at the same number of rows: what two samples of one law are apart. */
  floor: number;
  /** Total variance over the targets'. */
  spread: number;
}

/** Fewer rows show no law. */
const LEAST_ROWS = 4;
/** A law of less variance is one point, as at the first step of a class. */
const ONE_POINT = 1e-10;

/**
 * Measures the drift of conditions against the halves of a law, both with the same number of rows; undefined where there
 * are too few rows on either side, or the law is one point. The definition of drift everywhere: one absolute epsilon for the
 * excess and the floor (see `IdealLaw.epsilon`).
 */
export function groupDrift(conditions: Float32Array, law: IdealLaw): GroupDrift | undefined {
  const { width, variance } = law;
  const rows = Math.min(conditions.length / width, Math.floor(law.count / 2));
  if (rows < LEAST_ROWS || !(variance > ONE_POINT)) return undefined;
  const { first, second, floors } = law.halves;
  const leading = (of: Float32Array) => of.subarray(0, rows * width);
  const floor = floors.get(rows) ?? divergence(leading(second), first, law);
  floors.set(rows, floor);
  return {
    excess: (divergence(leading(conditions), first, law) - floor) / variance,
    floor: floor / variance,
    spread: totalVariance(conditions, width) / variance,
  };
}

/** Debiased Sinkhorn divergence between rows and samples of a law, at the law's epsilon. */
export function divergence(rows: Float32Array, { samples, self }: Reference, { width, epsilon }: IdealLaw): number {
  const options = { epsilon, tolerance: DRIFT_TOLERANCE };
  const between = sinkhorn({ x: rows, y: samples, dimension: width }, options);
  return between.dualValue - (selfTerm(rows, width, undefined, options).value + self.value) / 2;
}

/** What several groups say together: a single group's excess is mostly noise. */
export interface MeanDrift extends GroupDrift {
  /** Standard error of the excess over groups; absent for one group. */
  error?: number;
  groups: number;
}

/** The mean over groups; undefined for none. */
export function meanDrift(drifts: readonly GroupDrift[]): MeanDrift | undefined {
  if (drifts.length === 0) return undefined;
  const mean = (of: (drift: GroupDrift) => number) => drifts.reduce((sum, d) => sum + of(d), 0) / drifts.length;
  const excess = mean((d) => d.excess);
  const variance = mean((d) => (d.excess - excess) ** 2) / (drifts.length - 1);
  return {
    excess,
    floor: mean((d) => d.floor),
    spread: mean((d) => d.spread),
    ...(drifts.length > 1 ? { error: Math.sqrt(variance) } : {}),
    groups: drifts.length,
  };
}

/**
 * The share of a step that drift warrants, alpha = excess / (excess + floor), 0 where the excess is not positive. It is Wiener's
 * share: excess is the energy of what is to be repaired, floor that of the error with which the buffer knows where to.
 */
export function adaptiveShare({ excess, floor }: Pick<GroupDrift, 'excess' | 'floor'>): number {
  if (!(excess > 0)) return 0;
  return floor > 0 ? excess / (excess + floor) : 1;
}

/**
 * The share alpha of what a refiner did: c + alpha (c' - c), rescaled about its mean to the spread that the W2 geodesic between
 * c and c' has there, since the mean of two rows that are not alike is nearer to the middle than either.
 */
export function partially({ conditions, law: { width } }: Group, refined: Refined, alpha: number): Refined {
  if (alpha >= 1 || refined.iterations.length === 0) return refined;
  if (alpha <= 0) return { ...refined, conditions };
  const [from, to] = [conditions, refined.conditions].map((rows) => Math.sqrt(totalVariance(rows, width)));
  const mixed = conditions.map((value, i) => value + alpha * (refined.conditions[i] - value));
  const next = rescaled(mixed, width, ((1 - alpha) * from + alpha * to) ** 2);
  const last = refined.iterations[refined.iterations.length - 1];
  const scale = to > 0 ? last.spread / to ** 2 : 0;
  const iteration = {
    ...last,
    displacement: meanSquaredDistance(conditions, next, width),
    spread: totalVariance(next, width) * scale,
  };
  return { ...refined, conditions: next, iterations: [...refined.iterations.slice(0, -1), iteration] };
}

/** What a probe finds on one side of a hook. */
export interface ProbeSide {
  /** The mean over all groups; undefined where none could be measured. */
  drift(): MeanDrift | undefined;
  /** The mean over the groups of each AR step that has some, in order. */
  steps(): ({ step: number } & MeanDrift)[];
  /** Distance to the nearest row of a buffer over the buffer's own: 0 = copies, about 1 = fresh draws of one law. */
  bufferDistance(): number;
}

/** Measures the conditions of a generation before and after a hook. `milliseconds` is what that took, the hook not counted. */
export interface DriftProbe {
  hook: ConditionHook;
  before: ProbeSide;
  after: ProbeSide;
  milliseconds(): number;
}

/**
 * Stands between a generation and its hook, if there is one, and measures the rows that go in and come out.
 * @param held ideal conditions of images that neither the model nor the buffer has seen, grouped by class and position at least
 * @param buffer what the refinement uses
 */
export function driftProbe(held: IdealConditions, buffer: IdealConditions, inner?: ConditionHook): DriftProbe {
  const [before, after] = [probeSide(held, buffer), probeSide(held, buffer)];
  let spent = 0;
  const hook: ConditionHook = async (at) => {
    const rows = (await at.conditions.data()) as Float32Array;
    const refined = inner ? await inner(at) : (at.conditions.clone() as tf.Tensor2D);
    const started = performance.now();
    before.measure(at, rows);
    after.measure(at, inner ? ((await refined.data()) as Float32Array) : rows);
    spent += performance.now() - started;
    return refined;
  };
  return { hook, before, after, milliseconds: () => spent };
}

function probeSide(held: IdealConditions, buffer: IdealConditions) {
  const drifts: { step: number; drift: GroupDrift }[] = [];
  const distances: number[] = [];
  return {
    measure(at: ConditionStep, rows: Float32Array): void {
      const { width } = held;
      for (const [name, members] of groupRows(at, held.grouping)) {
        const law = held.law(name);
        if (!law) continue;
        const conditions = takeRows(rows, members, width);
        const drift = groupDrift(conditions, law);
        if (!drift) continue;
        drifts.push({ step: at.step, drift });
        const [row] = members;
        const origin = { class: at.classes[row], position: at.positions[row], step: at.step };
        const bank = buffer.law(groupOf(buffer.grouping, origin));
        if (!bank || bank.count < 2) continue;
        const features = (data: Float32Array) => ({ data, count: data.length / width, dimension: width });
        distances.push(proximity(features(conditions), features(bank.targets)).ratio);
      }
    },
    drift: () => meanDrift(drifts.map(({ drift }) => drift)),
    steps: () =>
      [...new Set(drifts.map(({ step }) => step))]
        .sort((a, b) => a - b)
        .flatMap((step) => {
          const mean = meanDrift(drifts.flatMap((each) => (each.step === step ? each.drift : [])));
          return mean ? [{ step, ...mean }] : [];
        }),
    bufferDistance: () => distances.reduce((sum, distance) => sum + distance, 0) / distances.length,
  };
}
