import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { predictiveSubspace } from '../theory/predictive-subspace';
import { pooledMoments } from './moments';
import { type ConditionMoments, type Group, lawMean, lawVariance, rowMean, totalVariance } from './refiner';

/**
 * Where distances are measured. Every space is a map of both sides to points whose squared distances are the costs:
 * - `condition`: the conditions themselves;
 * - `standardised`: each coordinate over its standard deviation under the ideal law;
 * - `whitened`: by the full covariance within groups, with `WHITENING_FLOOR` times its mean variance added;
 * - `predictive`: projected on I* of Lemma 6, the leading canonical directions of conditions with their tokens;
 * - `latent`: the sampled prior against the real tokens of the targets.
 */
export type CostSpace = 'condition' | 'standardised' | 'whitened' | 'predictive' | 'latent';
export const COST_SPACES = ['condition', 'standardised', 'whitened', 'predictive', 'latent'] as const;

/** Share of the mean variance that is added to every direction before whitening, since small variances are poorly known. */
export const WHITENING_FLOOR = 0.05;

export interface CostOptions {
  cost: CostSpace;
  /** Share of the predictive information that `predictive` keeps. */
  predictiveShare: number;
  /**
   * Weight tau of what is known: tau times the mean cost, times the share of tokens that are known on one side only, is added. The
   * Hamming distance of masks is the squared distance of their bits, so that this too is a cost between points.
   */
  maskWeight: number;
}

/** The two clouds between which the coupling is sought. */
export interface CostPoints {
  x: Float32Array;
  y: Float32Array;
  dimension: number;
  /** Mean cost of all pairs without the part of the masks: what epsilon and marginal penalties are relative to. */
  meanCost: number;
}

/**
 * Points of the conditions and of the targets in the space of the cost; undefined when no direction of the conditions predicts
 * their tokens.
 * @throws InvalidInputError naming what the group lacks for the space that was asked for.
 */
export function costPoints(group: Group, options: CostOptions): CostPoints | undefined {
  const points = spacePoints(group, options);
  if (!points) return undefined;
  const meanCost = meanSquaredDistanceOfPairs(points.x, points.y, points.dimension);
  if (options.maskWeight === 0) return { ...points, meanCost };
  const known = required(group.known, 'maskWeight', 'which tokens are known, of both sides');
  const scale = Math.sqrt((options.maskWeight * meanCost) / known.tokens);
  return {
    x: withBits(points.x, points.dimension, known.conditions, known.tokens, scale),
    y: withBits(points.y, points.dimension, known.targets, known.tokens, scale),
    dimension: points.dimension + known.tokens,
    meanCost,
  };
}

function spacePoints(group: Group, { cost, predictiveShare }: CostOptions) {
  const { conditions, targets, width } = group;
  if (cost === 'condition') return { x: conditions, y: targets, dimension: width };
  if (cost === 'standardised') {
    const scale = inverseDeviation(targets, width);
    const by = (rows: Float32Array) => rows.map((value, i) => value * scale[i % width]);
    return { x: by(conditions), y: by(targets), dimension: width };
  }
  if (cost === 'latent') {
    const prior = required(group.prior, "cost: 'latent'", 'the sampled prior');
    const latents = required(group.targetLatents, "cost: 'latent'", 'the latents of its targets');
    return { x: prior(conditions), y: latents, dimension: latents.length / (targets.length / width) };
  }
  const moments = group.moments?.() ?? pooledMoments([{ targets, latents: group.targetLatents }], width);
  const map = cost === 'whitened' ? whitening(moments) : predictive(moments, predictiveShare);
  return map && { x: applied(conditions, map, width), y: applied(targets, map, width), dimension: width };
}

const whitenings = new WeakMap<ConditionMoments, Float64Array>();

/** `[width, width]` diag(variance + floor)^(-1/2) V^T. */
function whitening(moments: ConditionMoments): Float64Array {
  const { width, condition } = moments;
  const kept = whitenings.get(moments);
  if (kept) return kept;
  const eigen = new EigenvalueDecomposition(Matrix.from1DArray(width, width, condition), { assumeSymmetric: true });
  const mean = eigen.realEigenvalues.reduce((sum, value) => sum + Math.max(0, value), 0) / width;
  const map = new Float64Array(width * width);
  for (let a = 0; a < width; a++) {
    const variance = Math.max(0, eigen.realEigenvalues[a]) + WHITENING_FLOOR * mean;
    for (let b = 0; b < width; b++) map[a * width + b] = eigen.eigenvectorMatrix.get(b, a) / Math.sqrt(variance);
  }
  whitenings.set(moments, map);
  return map;
}

const projections = new WeakMap<ConditionMoments, Map<number, Float64Array | undefined>>();

/** `[width, width]` projection on I*, c* = P c; undefined when I* is empty. */
function predictive(moments: ConditionMoments, share: number): Float64Array | undefined {
  const kept = projections.get(moments) ?? new Map<number, Float64Array | undefined>();
  projections.set(moments, kept);
  if (kept.has(share)) return kept.get(share);
  const { width, channels, condition, cross, token } = moments;
  required(channels || undefined, "cost: 'predictive'", 'the latents of its targets');
  const subspace = predictiveSubspace(
    {
      condition: Matrix.from1DArray(width, width, condition),
      cross: Matrix.from1DArray(width, channels, cross),
      token: Matrix.from1DArray(channels, channels, token),
    },
    { share, samples: moments.rows },
  );
  const map = subspace.dimension > 0 ? Float64Array.from(subspace.projection.to1DArray()) : undefined;
  kept.set(share, map);
  return map;
}

function applied(rows: Float32Array, map: Float64Array, width: number): Float32Array {
  const out = new Float32Array(rows.length);
  for (let row = 0; row < rows.length; row += width) {
    for (let a = 0; a < width; a++) {
      let sum = 0;
      for (let b = 0; b < width; b++) sum += map[a * width + b] * rows[row + b];
      out[row + a] = sum;
    }
  }
  return out;
}

function withBits(rows: Float32Array, width: number, flags: Uint8Array, tokens: number, scale: number): Float32Array {
  const wide = width + tokens;
  return Float32Array.from({ length: (rows.length / width) * wide }, (_, i) => {
    const row = Math.floor(i / wide);
    const at = i % wide;
    return at < width ? rows[row * width + at] : scale * flags[row * tokens + at - width];
  });
}

/** Mean of |x_i - y_j|^2 over all pairs: scatter of both clouds plus the squared distance of their means. */
function meanSquaredDistanceOfPairs(x: Float32Array, y: Float32Array, width: number): number {
  const [from, to] = [rowMean(x, width), lawMean(y, width)];
  const between = from.reduce((sum, value, k) => sum + (value - to[k]) ** 2, 0);
  return between + totalVariance(x, width, from) + lawVariance(y, width);
}

function inverseDeviation(rows: Float32Array, width: number): Float64Array {
  const mean = rowMean(rows, width);
  const variance = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) variance[i % width] += ((rows[i] - mean[i % width]) ** 2 * width) / rows.length;
  const floor = variance.reduce((sum, v) => sum + v, 0) * 1e-6; // a constant coordinate says nothing and must not explode
  return variance.map((v) => 1 / Math.sqrt(v + floor));
}

function required<T>(value: T | undefined, option: string, what: string): T {
  if (value !== undefined) return value;
  throw new InvalidInputError(`Refinement, ${option}`, {
    given: 'a group without them',
    expected: `a group that has ${what}`,
    remedy: 'Use a buffer that keeps latents and masks (`learnIdealLaw` does), or leave the option out.',
  });
}
