import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { gaussianMap, gaussianOfPoints } from '../transport/core';
import { chiSquaredSurvival } from './special-functions';
import { centredStep, type Trajectories } from './trajectories';

/** Covariances of a condition c and the token x that it is to predict. */
export interface JointCovariance {
  /** Cov(c), `[width, width]`. */
  condition: Matrix;
  /** Cov(c, x), `[width, tokenWidth]`. */
  cross: Matrix;
  /** Cov(x), `[tokenWidth, tokenWidth]`. */
  token: Matrix;
}

/** The operational I* of Lemma 6: the leading canonical directions of the condition with its token. */
export interface PredictiveSubspace {
  /** All canonical correlations, falling. */
  correlations: number[];
  /** Linear predictive information -1/2 sum log(1 - r^2) of all directions, in nats. */
  information: number;
  /** Number of directions kept. */
  dimension: number;
  /** Share of the information that they keep, 0 .. 1. */
  share: number;
  /** c* = projection c: what the kept functionals of c say about c (the best linear reconstruction), `[width, width]`. */
  projection: Matrix;
}

/** Options of `predictiveSubspace`. */
export interface SubspaceOptions {
  /** Share of the linear predictive information to keep; default 0.99. */
  share?: number;
  /** Sample size behind the covariances: directions that Bartlett's test calls noise are dropped. Default: exact. */
  samples?: number;
  /** Level of that test; default 0.01. */
  level?: number;
}

/**
 * Finds the smallest leading set of canonical directions that keeps `share` of the linear predictive information, and the
 * projection on it. The residual eta = c - c* is uncorrelated with c*, and with x as far as the kept share goes.
 * @throws InvalidInputError for a share outside (0, 1] or covariances that do not fit together.
 */
export function predictiveSubspace(joint: JointCovariance, options: SubspaceOptions = {}): PredictiveSubspace {
  const { share = 0.99, samples, level = 0.01 } = options;
  const { condition, cross, token } = joint;
  if (!(share > 0 && share <= 1) || cross.rows !== condition.rows || cross.columns !== token.rows) {
    throw new InvalidInputError('Predictive subspace', {
      given: `share ${share}, covariances ${condition.rows}x${condition.columns}, ${cross.rows}x${cross.columns}, ${token.rows}x${token.columns}`,
      expected: '0 < share <= 1 and shapes [D, D], [D, d], [d, d]',
      remedy: 'Pass Cov(c), Cov(c, x) and Cov(x) of the same step.',
    });
  }
  const whiten = inverseRoot(condition);
  const svd = new SingularValueDecomposition(whiten.mmul(cross).mmul(inverseRoot(token)), { autoTranspose: true });
  const rank = Math.min(condition.rows, token.rows);
  const correlations = svd.diagonal.slice(0, rank).map((r) => Math.min(r, 1 - 1e-12));
  const parts = correlations.map((r) => -0.5 * Math.log1p(-(r * r)));
  const information = parts.reduce((sum, part) => sum + part, 0);
  const real = samples === undefined ? rank : significantDirections(parts, condition.rows, token.rows, samples, level);
  const reachable = parts.slice(0, real).reduce((sum, part) => sum + part, 0);
  let dimension = 0;
  let kept = 0;
  while (dimension < real && kept < share * reachable * (1 - 1e-12)) kept += parts[dimension++];
  const functionals =
    dimension === 0
      ? Matrix.zeros(condition.rows, 0)
      : whiten.mmul(svd.leftSingularVectors.subMatrix(0, condition.rows - 1, 0, dimension - 1));
  const projection =
    dimension === 0
      ? Matrix.zeros(condition.rows, condition.rows)
      : condition.mmul(functionals).mmul(functionals.transpose());
  return { correlations, information, dimension, share: information > 0 ? kept / information : 1, projection };
}

/** Bartlett's sequential test: how many canonical correlations differ from zero. */
function significantDirections(parts: number[], width: number, tokenWidth: number, samples: number, level: number) {
  const scale = samples - 1 - (width + tokenWidth + 1) / 2;
  for (let k = 0; k < parts.length; k++) {
    const statistic = 2 * scale * parts.slice(k).reduce((sum, part) => sum + part, 0);
    if (chiSquaredSurvival(statistic, (width - k) * (tokenWidth - k)) > level) return k;
  }
  return parts.length;
}

/** Symmetric inverse square root of a covariance; directions without variance (relative 1e-10) are left out. */
export function inverseRoot(covariance: Matrix): Matrix {
  const eigen = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const largest = Math.max(...eigen.realEigenvalues, 0);
  const vectors = eigen.eigenvectorMatrix;
  const scaled = vectors.clone();
  eigen.realEigenvalues.forEach((value, k) => {
    scaled.mulColumn(k, value > 1e-10 * largest ? 1 / Math.sqrt(value) : 0);
  });
  return scaled.mmul(vectors.transpose());
}

/** What is left of the inconsistency of a set of conditions when their law has gone part of the way to that of c*. */
export interface MatchedLaw {
  /** 0: the conditions as they are; 1: their law (to second order) is that of the ideal parts. */
  fraction: number;
  /** Mean energy outside I*. */
  outside: number;
  /** Mean squared distance of each condition to its own c*. */
  toOwnIdeal: number;
}

/**
 * Moves the conditions of one step along the optimal map from law(c) to law(c*), both taken as Gaussian, and compares what the
 * law sees with what each single condition has gained: matching laws cannot know which c* belongs to which c.
 */
export function matchLaws(
  conditions: Trajectories,
  tokens: Trajectories,
  step: number,
  fractions: readonly number[],
  share = 0.99,
): MatchedLaw[] {
  const c = centredStep(conditions, step);
  const x = centredStep(tokens, step);
  const joint = { condition: c.transpose().mmul(c), cross: c.transpose().mmul(x), token: x.transpose().mmul(x) };
  const { projection } = predictiveSubspace(joint, { share });
  const ideal = c.mmul(projection.transpose());
  const law = (points: Matrix) => gaussianOfPoints(points.to1DArray(), points.columns);
  const map = gaussianMap(law(c), law(ideal));
  const moved = c.mmul(Matrix.from1DArray(c.columns, c.columns, Array.from(map.matrix)).transpose());
  const energy = (points: Matrix) => points.norm('frobenius') ** 2 / c.rows;
  return fractions.map((fraction) => {
    const points = Matrix.mul(c, 1 - fraction).add(Matrix.mul(moved, fraction));
    return {
      fraction,
      outside: energy(Matrix.sub(points, points.mmul(projection.transpose()))),
      toOwnIdeal: energy(Matrix.sub(points, ideal)),
    };
  });
}
