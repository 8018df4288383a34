import { barycentricProjection, type SinkhornOptions, type SinkhornResult, sinkhorn } from '../transport';
import { type IdealLaw, present } from './law';
import type { CostSpace, OptimalTransportSettings } from './options';
import type { Group } from './refiner';
import { coordinateVariance, rescaled, rowMean, totalVariance } from './rows';

/** Where a coupling sends each condition. */
export interface Coupled {
  /** `[count, width]` */
  goal: Float32Array;
  coupling: SinkhornResult;
}

/**
 * Couples the conditions of a group with samples of its law and projects barycentrically; undefined when no direction of the
 * conditions predicts their tokens (cost `predictive`).
 * @param annealing factor of epsilon in this iteration
 */
export function couple(group: Group, options: OptimalTransportSettings, annealing: number): Coupled | undefined {
  const { conditions, law, context } = group;
  const { width } = law;
  const points = costPoints(group, options);
  if (!points) return undefined;
  return context.timed('coupling', () => {
    const solver = solverOptions(options, points.meanCost, annealing);
    const coupling = sinkhorn(points, solver);
    const average = new Float32Array(barycentricProjection(coupling, law.targets, width));
    if (options.projection === 'plain' || options.projection === 'geodesic') return { goal: average, coupling };
    if (options.projection === 'restored') return { goal: rescaled(average, width, law.variance), coupling };
    const { x, dimension } = points;
    const self = options.projection === 'debiased' ? withoutSelf(x, dimension) : { x, y: x, dimension };
    const own = barycentricProjection(sinkhorn(self, solver), conditions, width);
    return { goal: average.map((value, i) => value + conditions[i] - own[i]), coupling };
  });
}

function solverOptions(options: OptimalTransportSettings, meanCost: number, annealing: number): SinkhornOptions {
  const scale = meanCost > 0 ? meanCost : 1; // all points equal: any positive epsilon gives the same plan
  return {
    epsilon: options.epsilon * annealing * scale,
    maxIterations: options.sinkhornIterations,
    tolerance: options.tolerance,
    ...(options.marginalPenalty === Infinity ? {} : { unbalanced: { penalty: options.marginalPenalty * scale } }),
  };
}

/** The two clouds between which the coupling is sought; costs are their squared distances. */
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
export function costPoints(
  group: Group,
  options: Pick<OptimalTransportSettings, 'cost' | 'predictiveShare' | 'maskWeight'>,
): CostPoints | undefined {
  const { law } = group;
  const points = SPACES[options.cost](group, options.predictiveShare);
  if (!points) return undefined;
  const meanCost = meanSquaredDistanceOfPairs(points, law);
  if (options.maskWeight === 0) return { ...points, meanCost };
  // The Hamming distance of masks is the squared distance of their bits, so this too is a cost between points.
  const [rows, columns] = [group.context.visibleTokens(), present(law.visibleTokens, 'which tokens were visible')];
  const tokens = columns.length / law.count;
  const scale = Math.sqrt((options.maskWeight * meanCost) / tokens);
  return {
    x: withBits(points.x, points.dimension, rows, tokens, scale),
    y: withBits(points.y, points.dimension, columns, tokens, scale),
    dimension: points.dimension + tokens,
    meanCost,
  };
}

type Points = Omit<CostPoints, 'meanCost'>;

/** Maps of both sides to points whose squared distances are the costs. */
const SPACES: Record<CostSpace, (group: Group, share: number) => Points | undefined> = {
  condition: ({ conditions, law }) => ({ x: conditions, y: law.targets, dimension: law.width }),
  standardised: ({ conditions, law: { targets, width } }) => {
    const scale = inverseDeviation(targets, width);
    const by = (rows: Float32Array) => rows.map((value, i) => value * scale[i % width]);
    return { x: by(conditions), y: by(targets), dimension: width };
  },
  latent: ({ conditions, law, context }) => {
    const x = context.prior(conditions);
    const y = present(law.latents, "cost 'latent': the latents of the law's targets");
    return { x, y, dimension: y.length / law.count };
  },
  whitened: (group) => mapped(group, group.law.moments.whitening),
  predictive: (group, share) => {
    const { dimension, projection } = group.law.moments.subspace(share);
    return dimension > 0 ? mapped(group, Float64Array.from(projection.to1DArray())) : undefined;
  },
};

/** Both sides times a matrix `[width, width]`. */
function mapped({ conditions, law: { targets, width } }: Group, map: Float64Array): Points {
  const by = (rows: Float32Array) => {
    const out = new Float32Array(rows.length);
    for (let row = 0; row < rows.length; row += width) {
      for (let a = 0; a < width; a++) {
        let sum = 0;
        for (let b = 0; b < width; b++) sum += map[a * width + b] * rows[row + b];
        out[row + a] = sum;
      }
    }
    return out;
  };
  return { x: by(conditions), y: by(targets), dimension: width };
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
function meanSquaredDistanceOfPairs({ x, y, dimension }: Points, law: IdealLaw): number {
  const from = rowMean(x, dimension);
  const to = y === law.targets ? law.mean : rowMean(y, dimension);
  const between = from.reduce((sum, value, k) => sum + (value - to[k]) ** 2, 0);
  const scatter = y === law.targets ? law.variance : totalVariance(y, dimension, to);
  return between + totalVariance(x, dimension, from) + scatter;
}

function inverseDeviation(rows: Float32Array, width: number): Float64Array {
  const variance = coordinateVariance(rows, width);
  const floor = variance.reduce((sum, v) => sum + v, 0) * 1e-6; // a constant coordinate says nothing and must not explode
  return variance.map((v) => 1 / Math.sqrt(v + floor));
}

/** The cloud against itself, a point's match with itself forbidden by a cost far above all others. */
function withoutSelf(x: Float32Array, dimension: number) {
  const count = x.length / dimension;
  const cost = new Float64Array(count * count);
  let largest = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      let sum = 0;
      for (let k = 0; k < dimension; k++) sum += (x[i * dimension + k] - x[j * dimension + k]) ** 2;
      cost[i * count + j] = sum;
      if (sum > largest) largest = sum;
    }
  }
  for (let i = 0; i < count; i++) cost[i * (count + 1)] = 4 * largest;
  return { cost, rows: count, columns: count };
}
