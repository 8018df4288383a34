import { InvalidInputError, NumericalError } from '../runtime/errors';
import type { SinkhornResult } from '../transport';

/** Parts of the cost of a refinement that are timed. */
export type TimedPart = 'coupling' | 'prior' | 'inverse' | 'adapting' | 'measuring';

/**
 * Conditions of one group (same class, position, step ...) and samples of the law that they should follow. Everything but the
 * first three fields is optional: a refiner that needs one of them says so when it is absent.
 */
export interface Group {
  /** `[count, width]` conditions that the model made, row-major. */
  conditions: Float32Array;
  /** `[targets, width]` samples of the ideal law of this group. */
  targets: Float32Array;
  width: number;
  /** The paper's T^-1 after a short denoising of given conditions: `[count, width]` to `[count, width]`. */
  inverse?: (conditions: Float32Array) => Float32Array;
  /** The sampled prior: token latents `[count, channels]` by a short DDIM from given conditions. */
  prior?: (conditions: Float32Array) => Float32Array;
  /** `[targets, channels]` real token latents that the targets speak of. */
  targetLatents?: Float32Array;
  /** Which tokens were known, 1 or 0: `[count, tokens]` of the conditions and `[targets, tokens]` of the targets. */
  known?: { conditions: Uint8Array; targets: Uint8Array; tokens: number };
  /** Covariances of conditions and latents within groups, pooled over the classes of a buffer; computed when called. */
  moments?: () => ConditionMoments;
  /** Means `[width]` of the other classes' targets, for the guard against a lost class. */
  otherMeans?: readonly Float64Array[];
  /** Where rows come from: AR step, and for each row its image and token position. */
  step?: number;
  samples?: Int32Array;
  positions?: Int32Array;
  /** Called after each iteration with what it did, for trajectories, plans and measured rates. */
  observe?: (at: Observation) => void;
  /** Times a part of the work and returns its result. */
  timed?: <T>(part: TimedPart, run: () => T) => T;
}

/** One iteration as it happened. */
export interface Observation {
  /** Iteration k, from 0. */
  iteration: number;
  /** `[count, width]` before and after it. */
  before: Float32Array;
  after: Float32Array;
  /** The coupling, where there was one; `coupling.plan` is `[count, targets]`. */
  coupling?: SinkhornResult;
}

/** Second moments within groups, in float64, row-major. */
export interface ConditionMoments {
  rows: number;
  width: number;
  channels: number;
  /** `[width, width]` covariance of conditions. */
  condition: Float64Array;
  /** `[width, channels]` and `[channels, channels]`; empty when the latents are not known. */
  cross: Float64Array;
  token: Float64Array;
}

/** One iteration k of a refinement, measured on its group. */
export interface Iteration {
  /** Mean squared displacement of a condition in this iteration. */
  displacement: number;
  /** Total variance of the conditions after the iteration over that of the targets. */
  spread: number;
  /** How the solver ended, and after how many iterations; absent where none ran. */
  solver?: string;
  solverIterations?: number;
  /** Factor by which W2 to the ideal law shrinks in this iteration by theory (lambda = 0, exact transport); absent where none holds. */
  rho?: number;
}

/** What became of a group. `kept` says why nothing, or not everything, was done. */
export interface Refined {
  conditions: Float32Array;
  iterations: Iteration[];
  kept?: string;
}

/** Any way to change a group of conditions: the paper's, or one of its rivals. Pure: never writes to its input. */
export type Refiner = (group: Group) => Refined;

/** Targets that were found sound: samples of a law are never written to. */
const sound = new WeakSet<Float32Array>();

/** Throws unless the group's arrays are whole rows of finite numbers. */
export function checkGroup({ conditions, targets, width }: Group): void {
  for (const [name, values] of [
    ['conditions', conditions],
    ['targets', targets],
  ] as const) {
    if (sound.has(values)) continue;
    if (values.length === 0 || values.length % width !== 0) {
      throw new InvalidInputError(`Refinement, ${name}`, {
        given: `${values.length} numbers for width ${width}`,
        expected: 'a positive whole number of rows',
        remedy: 'Fill the buffer of ideal conditions with conditions of this model before sampling.',
      });
    }
    let bad = -1;
    for (let i = 0; i < values.length && bad < 0; i++) if (!Number.isFinite(values[i])) bad = i;
    if (bad >= 0) {
      throw new NumericalError(`Refinement, ${name}`, {
        given: `${values[bad]} in row ${Math.floor(bad / width)}`,
        expected: 'finite numbers',
        remedy: 'The model or its weights diverged: sample without refinement to see where.',
      });
    }
  }
  sound.add(targets);
}

/** Mean `[width]` of rows. */
export function rowMean(rows: Float32Array, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (let at = 0; at < rows.length; at += width) for (let k = 0; k < width; k++) mean[k] += rows[at + k];
  return mean.map((sum) => (sum * width) / rows.length);
}

const means = new WeakMap<Float32Array, Float64Array>();

/** The mean of the samples of a law, which are never written to: computed once. */
export function lawMean(targets: Float32Array, width: number): Float64Array {
  const mean = means.get(targets) ?? rowMean(targets, width);
  means.set(targets, mean);
  return mean;
}

const variances = new WeakMap<Float32Array, number>();

/** The total variance of the samples of a law, which are never written to: computed once. */
export function lawVariance(targets: Float32Array, width: number): number {
  const variance = variances.get(targets) ?? totalVariance(targets, width);
  variances.set(targets, variance);
  return variance;
}

/** Total variance of rows: the mean squared distance to their mean. */
export function totalVariance(rows: Float32Array, width: number, mean = rowMean(rows, width)): number {
  let sum = 0;
  for (let at = 0; at < rows.length; at += width) {
    for (let k = 0; k < width; k++) {
      const difference = rows[at + k] - mean[k];
      sum += difference * difference;
    }
  }
  return (sum * width) / rows.length;
}

/** Rows scaled about their mean to a total variance; one point stays one point. */
export function rescaled(rows: Float32Array, width: number, variance: number): Float32Array {
  const mean = rowMean(rows, width);
  const factor = Math.sqrt(variance / Math.max(totalVariance(rows, width, mean), Number.MIN_VALUE));
  const out = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += width) {
    for (let k = 0; k < width; k++) out[at + k] = mean[k] + factor * (rows[at + k] - mean[k]);
  }
  return out;
}

/** Mean squared distance between matching rows. */
export function meanSquaredDistance(a: Float32Array, b: Float32Array, width: number): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = a[i] - b[i];
    sum += difference * difference;
  }
  return (sum * width) / a.length;
}
