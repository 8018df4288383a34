import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { pivotedCholesky } from './cholesky';
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

/** Mean and covariance, of features or from a file. */
export type Gaussian = Pick<FeatureStatistics, 'mean' | 'covariance' | 'dimension'>;

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
export function frechetDistance(first: Gaussian, second: Gaussian): FrechetDistance {
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
  const covarianceTerm = traces - 2 * traceOfRoot(first, second);
  return { distance: meanTerm + covarianceTerm, meanTerm, covarianceTerm };
}

/** tr (S1 S2)^(1/2), the sum of the singular values of A1^T A2. */
function traceOfRoot(first: Gaussian, second: Gaussian): number {
  const [a, b] = [first, second].map(({ covariance, dimension }) => pivotedCholesky(covariance, dimension));
  const [many, few] = a.length < b.length ? [b, a] : [a, b];
  if (few.length === 0) return 0;
  const product = Matrix.from1DArray(
    many.length,
    few.length,
    many.flatMap((x) => few.map((y) => dot(x, y))),
  );
  const svd = new SingularValueDecomposition(product, {
    computeLeftSingularVectors: false,
    computeRightSingularVectors: false,
  });
  return svd.diagonal.reduce((sum, x) => sum + x, 0);
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i];
  return sum;
}
