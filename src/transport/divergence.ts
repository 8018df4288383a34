import { InvalidInputError } from '../runtime/errors';
import type { NumberArray, Numbers } from './numbers';
import type { SinkhornOptions } from './options';
import { type PointProblem, total } from './problem';
import type { SinkhornResult } from './result';
import { sinkhorn } from './sinkhorn';

/** A cloud's transport to itself: the term that a divergence subtracts. Compute it once for a target that is used often. */
export interface SelfTerm {
  /** Dual value OT_epsilon(b, b). */
  value: number;
  /** <P, C> of the self plan. */
  cost: number;
  /** Regularisation that it was solved with, in the cost's unit. */
  epsilon: number;
  result: SinkhornResult;
}

/** The three solves of a divergence and what follows from them. */
export interface DivergenceResult {
  /**
   * Debiased Sinkhorn divergence (Feydy et al. 2019; for unequal masses a, b, Séjourné et al. 2019): dual values
   * xy - (xx + yy) / 2 + epsilon (a - b)^2 / 2; >= 0, and 0 only for equal clouds.
   */
  value: number;
  /** The same combination of transport costs <P, C> without the entropy (POT's `empirical_sinkhorn_divergence`); may be negative. */
  costValue: number;
  between: SinkhornResult;
  source: SelfTerm;
  target: SelfTerm;
}

/**
 * Self term of a cloud [m, dimension], to be passed as `targetSelf` to divergences that share target and epsilon.
 * @param options with `epsilon` in the cost's unit (of the problem between the clouds: a relative one would differ here).
 */
export function selfTerm(
  points: Numbers,
  dimension: number,
  weights: Numbers | undefined,
  options: SinkhornOptions & { epsilon: number },
): SelfTerm {
  const result = sinkhorn(
    { x: points, y: points, dimension, sourceWeights: weights, targetWeights: weights },
    { ...options, start: {} },
  );
  return {
    value: result.dualValue,
    epsilon: result.epsilon,
    result,
    get cost() {
      return result.cost;
    },
  };
}

/**
 * Debiased Sinkhorn divergence between two clouds under the squared Euclidean cost.
 * @throws InvalidInputError for wrong input, or a cached `targetSelf` that was solved with another epsilon.
 */
export function sinkhornDivergence(
  problem: PointProblem,
  options: SinkhornOptions = {},
  targetSelf?: SelfTerm,
): DivergenceResult {
  if (problem.metric && problem.metric !== 'squared-euclidean') {
    throw new InvalidInputError('Sinkhorn divergence, metric', {
      given: String(problem.metric),
      expected: "'squared-euclidean'",
      remedy: 'Combine three calls of sinkhorn for another cost.',
    });
  }
  const between = sinkhorn(problem, options);
  const { epsilon } = between;
  if (targetSelf && Math.abs(targetSelf.epsilon / epsilon - 1) > 1e-9) {
    throw new InvalidInputError('Cached self term of the target', {
      given: `epsilon = ${targetSelf.epsilon}`,
      expected: `epsilon = ${epsilon}, as between the clouds`,
      remedy: 'Use an absolute epsilon for both, or leave targetSelf out.',
    });
  }
  const fixed = { ...options, epsilon };
  const source = selfTerm(problem.x, problem.dimension, between.problem.a, fixed);
  const target = targetSelf ?? selfTerm(problem.y, problem.dimension, between.problem.b, fixed);
  // Of the masses of the references a b^T, a a^T and b b^T, -epsilon (a - b)^2 / 2 is left over in the dual values.
  const unequal = between.settings.reference === 'product' ? total(between.problem.a) - total(between.problem.b) : 0;
  return {
    value: between.dualValue - (source.value + target.value) / 2 + (epsilon * unequal ** 2) / 2,
    between,
    source,
    target,
    get costValue() {
      return between.cost - (source.cost + target.cost) / 2;
    },
  };
}

/**
 * Gradient of the divergence in the source positions [n, dimension], by the envelope theorem: the potentials need no
 * derivative. For the squared Euclidean cost d/dx_i = 2 a_i (T_xx(x_i) - T_xy(x_i)), T the barycentric projections.
 */
export function divergenceGradient({ between, source }: DivergenceResult, debiased = true): Float64Array {
  const { problem } = between;
  if (problem.source.kind !== 'points') {
    throw new InvalidInputError('Gradient of the divergence', {
      given: 'a cost matrix',
      expected: 'points x, y',
      remedy: 'Only positions have a gradient: pass a point problem.',
    });
  }
  const { x, y, dimension } = problem.source;
  const out = pull(between, x, y, dimension);
  if (!debiased) return out;
  // OT(x, x) depends on x through both arguments, symmetrically: half of the total derivative is one argument's.
  const rows = pull(source.result, x, x, dimension);
  for (let k = 0; k < out.length; k++) out[k] -= rows[k];
  return out;
}

/** 2 (r x - P y): the derivative of <P, C> in the source positions at fixed P, with r the plan's own row sums. */
function pull(result: SinkhornResult, x: NumberArray, y: NumberArray, dimension: number): Float64Array {
  const { rowSums: source, product: out } = result.apply(y, dimension);
  for (let i = 0; i < source.length; i++) {
    for (let k = i * dimension; k < (i + 1) * dimension; k++) out[k] = 2 * (source[i] * x[k] - out[k]);
  }
  return out;
}
