import { EigenvalueDecomposition, Matrix, SingularValueDecomposition } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { checkFeatures, checkSameDimension, type Features } from './features';
import { type FeatureStatistics, featureStatistics } from './statistics';

/** The Fréchet distance with the parts that it is made of: `distance = meanTerm + covarianceTerm`. */
export interface FrechetDistance {
  distance: number;
  /** |m1 - m2|^2 */
  meanTerm: number;
  /** tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) */
  covarianceTerm: number;
}

/**
 * Fréchet inception distance of two feature sets (Heusel et al. 2017), in float64. It is biased upwards with few images:
 * compare only values of equal counts.
 * @throws InvalidInputError for fewer than two rows, unequal widths or numbers that are not finite.
 */
export function fid(a: Features, b: Features): number {
  checkFeatures('First features', a, 2);
  checkFeatures('Second features', b, 2);
  checkSameDimension(a, b);
  return frechetDistance(featureStatistics(a), featureStatistics(b)).distance;
}

/**
 * Fréchet distance |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) of two normal laws.
 *
 * With S = A A^T the last trace is the sum of the singular values of A1^T A2. That needs no matrix square root of a
 * product and is right also for singular covariances (fewer images than dimensions), where `sqrtm` loses half the digits.
 */
export function frechetDistance(first: FeatureStatistics, second: FeatureStatistics): FrechetDistance {
  if (first.dimension !== second.dimension) {
    throw new InvalidInputError('Statistics', {
      given: `dimensions ${first.dimension} and ${second.dimension}`,
      expected: 'equal dimensions',
      remedy: 'Take both statistics from the same feature extractor.',
    });
  }
  const d = first.dimension;
  let meanTerm = 0;
  let traces = 0;
  for (let j = 0; j < d; j++) {
    meanTerm += (first.mean[j] - second.mean[j]) ** 2;
    traces += first.covariance[j * d + j] + second.covariance[j * d + j];
  }
  const a = factor(first);
  const b = factor(second);
  let nuclear = 0;
  if (a.columns > 0 && b.columns > 0) {
    const product = a.transpose().mmul(b);
    const wide = product.rows < product.columns ? product.transpose() : product;
    const svd = new SingularValueDecomposition(wide, {
      computeLeftSingularVectors: false,
      computeRightSingularVectors: false,
    });
    nuclear = svd.diagonal.reduce((sum, x) => sum + x, 0);
  }
  const covarianceTerm = traces - 2 * nuclear;
  return { distance: meanTerm + covarianceTerm, meanTerm, covarianceTerm };
}

/** A with A A^T = covariance, `[dimension, rank]`; directions below rounding error are left out. */
function factor({ covariance, dimension: d }: FeatureStatistics): Matrix {
  const symmetric = Matrix.from1DArray(d, d, covariance);
  const { realEigenvalues: values, eigenvectorMatrix: vectors } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  const threshold = d * Number.EPSILON * Math.max(...values, 0);
  const kept = values.map((_, j) => j).filter((j) => values[j] > threshold);
  const out = Matrix.zeros(d, kept.length);
  kept.forEach((j, column) => {
    const scale = Math.sqrt(values[j]);
    for (let i = 0; i < d; i++) out.set(i, column, scale * vectors.get(i, j));
  });
  return out;
}
