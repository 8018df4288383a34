import { type SelfTerm, selfTerm, sinkhorn } from '../transport';
import { type Group, meanSquaredDistance, type Refined, rescaled, totalVariance } from './refiner';

/** How far a group is from its ideal law, in units of the law's total variance. */
export interface GroupDrift {
  /** Debiased Sinkhorn divergence to one half of the targets, minus the floor. */
  excess: number;
  /** The same from the other half, at the same number of rows: what two samples of one law are apart. */
  floor: number;
  /** Total variance over the targets'. */
  spread: number;
}

/** Epsilon over the mean cost between the halves. */
const EPSILON = 0.05;
/** Fewer rows show no law. */
const LEAST_ROWS = 4;

interface Halves {
  first: Float32Array;
  second: Float32Array;
  variance: number;
  epsilon: number;
  self: SelfTerm;
  floors: Map<number, number>;
}

const halvesMade = new WeakMap<Float32Array, Halves>();

/**
 * Measures the drift of a group against the halves of its targets, both with the same number of rows; undefined where there
 * are too few rows on either side, or the law is one point. What concerns the targets alone is computed once.
 */
export function groupDrift({ conditions, targets, width }: Pick<Group, 'conditions' | 'targets' | 'width'>) {
  const halves = halvesOf(targets, width);
  const rows = Math.min(conditions.length / width, halves.second.length / width);
  if (rows < LEAST_ROWS || !(halves.variance > 1e-10)) return undefined;
  const { first, second, variance, floors } = halves;
  const floor = floors.get(rows) ?? distance(second.subarray(0, rows * width), halves, width);
  floors.set(rows, floor);
  const own = distance(conditions.subarray(0, rows * width), halves, width);
  const drift: GroupDrift = {
    excess: (own - floor) / variance,
    floor: floor / variance,
    spread: totalVariance(conditions, width) / variance,
  };
  return first.length > 0 ? drift : undefined;
}

function halvesOf(targets: Float32Array, width: number): Halves {
  const kept = halvesMade.get(targets);
  if (kept) return kept;
  const half = Math.floor(targets.length / width / 2) * width;
  const [first, second] = [targets.subarray(0, half), targets.subarray(half, 2 * half)];
  const variance = totalVariance(targets, width);
  const epsilon = EPSILON * 2 * Math.max(variance, Number.MIN_VALUE);
  const self =
    half > 0 && variance > 0 ? selfTerm(first, width, undefined, { epsilon, tolerance: TOLERANCE }) : undefined;
  const made = { first, second, variance, epsilon, self: self as SelfTerm, floors: new Map<number, number>() };
  halvesMade.set(targets, made);
  return made;
}

const TOLERANCE = 1e-3;

/** Debiased divergence between rows and the first half, at one epsilon for all, so that the self term of the half is shared. */
function distance(rows: Float32Array, { first, epsilon, self }: Halves, width: number): number {
  const options = { epsilon, tolerance: TOLERANCE };
  const between = sinkhorn({ x: rows, y: first, dimension: width }, options);
  return between.dualValue - (selfTerm(rows, width, undefined, options).value + self.value) / 2;
}

/** What the groups of one AR step say together: a single group's excess is mostly noise. */
export interface StepDrift {
  excess: number;
  floor: number;
  /** Standard error of the excess over groups; absent for one group. */
  error?: number;
  groups: number;
}

/** The mean over groups. */
export function meanDrift(drifts: readonly GroupDrift[]): StepDrift | undefined {
  if (drifts.length === 0) return undefined;
  const mean = (of: (drift: GroupDrift) => number) => drifts.reduce((sum, d) => sum + of(d), 0) / drifts.length;
  const excess = mean((d) => d.excess);
  const variance = mean((d) => (d.excess - excess) ** 2) / (drifts.length - 1);
  return {
    excess,
    floor: mean((d) => d.floor),
    ...(drifts.length > 1 ? { error: Math.sqrt(variance) } : {}),
    groups: drifts.length,
  };
}

/**
 * The share of a step that drift warrants, alpha = excess / (excess + floor), 0 where the excess is not positive. It is Wiener's
 * share: excess is the energy of what is to be repaired, floor that of the error with which the buffer knows where to.
 */
export function adaptiveShare({ excess, floor }: Pick<StepDrift, 'excess' | 'floor'>): number {
  if (!(excess > 0)) return 0;
  return floor > 0 ? excess / (excess + floor) : 1;
}

/**
 * The share alpha of what a refiner did: c + alpha (c' - c), rescaled about its mean to the spread that the W2 geodesic between
 * c and c' has there, since the mean of two rows that are not alike is nearer to the middle than either.
 */
export function partially(
  { conditions, width }: Pick<Group, 'conditions' | 'width'>,
  refined: Refined,
  alpha: number,
): Refined {
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
