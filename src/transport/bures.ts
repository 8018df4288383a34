import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError, NumericalError } from '../runtime/errors';
import { finiteNumbers, type Numbers, requirePositiveInteger, shown } from './numbers';
import { massesOf, pointsOf, total } from './problem';

/** A normal law: mean [d] and symmetric positive semi-definite covariance [d, d], row-major, float64. */
export interface Gaussian {
  mean: Float64Array;
  covariance: Float64Array;
}

/** The same as a caller may give it, in any arrays of numbers. */
export interface GaussianGiven {
  mean: Numbers;
  covariance: Numbers;
}

/** The optimal map x -> matrix x + offset between two Gaussians. */
export interface AffineMap {
  /** [d, d] row-major, symmetric positive definite. */
  matrix: Float64Array;
  /** [d] */
  offset: Float64Array;
}

/**
 * Squared Wasserstein distance of two Gaussians: |mean difference|^2 + Bures term
 * tr(A + B - 2 (A^1/2 B A^1/2)^1/2) (Dowson and Landau 1982).
 */
export function gaussianDistance(p: GaussianGiven, q: GaussianGiven): { squared: number; bures: number } {
  const [{ mean: from, covariance: A }, { mean: to, covariance: B }] = laws(p, q);
  const root = power(A, 0.5);
  const cross = power(root.mmul(B).mmul(root), 0.5);
  const bures = Math.max(0, A.trace() + B.trace() - 2 * cross.trace());
  return { squared: bures + squaredDistance(from, to), bures };
}

/**
 * The optimal (Monge) map from p to q: A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 about the means.
 * @throws NumericalError when the covariance of p is singular: there is then no map to a law of higher rank.
 */
export function gaussianMap(p: GaussianGiven, q: GaussianGiven): AffineMap {
  const [{ mean: from, covariance: A }, { mean: to, covariance: B }] = laws(p, q);
  const root = power(A, 0.5);
  const inverse = power(A, -0.5);
  const T = symmetrised(inverse.mmul(power(root.mmul(B).mmul(root), 0.5)).mmul(inverse));
  const moved = T.mmul(Matrix.columnVector(Array.from(from))).to1DArray();
  return { matrix: Float64Array.from(T.to1DArray()), offset: to.map((value, k) => value - moved[k]) };
}

/**
 * The point at `t` of the Wasserstein geodesic from p (t = 0) to q (t = 1): the law of (1 - t) x + t T(x). Values of t
 * outside [0, 1] extend the line as long as the map stays monotone.
 */
export function gaussianGeodesic(p: GaussianGiven, q: GaussianGiven, t: number): Gaussian {
  const [{ mean: from, covariance: A }, { mean: to }] = laws(p, q);
  if (!Number.isFinite(t)) {
    throw new InvalidInputError('Geodesic of Gaussians, t', {
      given: shown(t),
      expected: 'a finite number',
      remedy: 'Use 0 for the first law, 1 for the second, numbers between them for what lies between.',
    });
  }
  const d = from.length;
  const T = matrixOf(gaussianMap(p, q).matrix, d);
  const step = Matrix.eye(d)
    .mul(1 - t)
    .add(T.mul(t));
  return {
    mean: from.map((value, k) => (1 - t) * value + t * to[k]),
    covariance: flat(symmetrised(step.mmul(A).mmul(step))),
  };
}

/**
 * Wasserstein barycentre of Gaussians with weights >= 0 (normalised here), by the fixed point of Alvarez-Esteban et al. 2016.
 * @throws InvalidInputError for no laws or weights that do not fit; NumericalError for singular covariances.
 */
export function gaussianBarycentre(given: GaussianGiven[], weights?: Numbers, tolerance = 1e-13): Gaussian {
  if (!Array.isArray(given) || given.length === 0) {
    throw new InvalidInputError('Barycentre of Gaussians', {
      given: Array.isArray(given) ? 'no laws' : shown(given),
      expected: 'an array of at least one law',
      remedy: 'Pass the laws in an array, and one weight for each or none.',
    });
  }
  const all = laws(...given);
  const masses = massesOf('laws', weights, undefined, all.length);
  const share = masses.map((mass) => mass / total(masses));
  const d = all[0].mean.length;
  const mean = new Float64Array(d);
  all.forEach((law, k) => law.mean.forEach((value, i) => (mean[i] += share[k] * value)));
  let S = all.reduce<Matrix>((sum, { covariance: C }, k) => sum.add(Matrix.mul(C, share[k])), Matrix.zeros(d, d));
  for (let iteration = 0; iteration < 500; iteration++) {
    const root = power(S, 0.5);
    const inverse = power(S, -0.5);
    const sum = all.reduce<Matrix>(
      (joint, { covariance: C }, k) => joint.add(power(root.mmul(C).mmul(root), 0.5).mul(share[k])),
      Matrix.zeros(d, d),
    );
    const next = symmetrised(inverse.mmul(sum).mmul(sum).mmul(inverse));
    const change = Matrix.sub(next, S).norm() / S.norm();
    S = next;
    if (change < tolerance) break;
  }
  return { mean, covariance: flat(S) };
}

/**
 * Entropic transport between two Gaussians in closed form (Janati et al. 2020; Mallasto et al. 2021), for the squared Euclidean
 * cost and epsilon KL(P | p x q): its value and the cross-covariance E[(x - mean_p)(y - mean_q)^T] of its plan.
 */
export function gaussianSinkhorn(
  p: GaussianGiven,
  q: GaussianGiven,
  epsilon: number,
): { value: number; crossCovariance: Float64Array } {
  const [{ mean: from, covariance: A }, { mean: to, covariance: B }] = laws(p, q);
  if (!(Number.isFinite(epsilon) && epsilon > 0)) {
    throw new InvalidInputError('Entropic transport of Gaussians, epsilon', {
      given: shown(epsilon),
      expected: 'a finite number > 0',
      remedy: 'For epsilon = 0 use gaussianDistance.',
    });
  }
  const d = from.length;
  const s = epsilon / 2;
  const root = power(A, 0.5);
  const inverse = power(A, -0.5);
  const inner = root
    .mmul(B)
    .mmul(root)
    .mul(4)
    .add(Matrix.eye(d).mul(s * s));
  const D = power(inner, 0.5);
  const logDeterminant = decompose(Matrix.add(D, Matrix.eye(d).mul(s))).values.reduce((sum, x) => sum + Math.log(x), 0);
  const value =
    squaredDistance(from, to) + A.trace() + B.trace() - D.trace() + d * s * (1 - Math.log(2 * s)) + s * logDeterminant;
  const cross = root
    .mmul(D)
    .mmul(inverse)
    .mul(0.5)
    .sub(Matrix.eye(d).mul(s / 2));
  return { value, crossCovariance: flat(cross) };
}

/**
 * Mean and covariance (divisor n) of weighted points [n, d].
 * @throws InvalidInputError for empty or non-finite points, shapes that do not fit, wrong weights.
 */
export function gaussianOfPoints(given: Numbers, dimension: number, weights?: Numbers): Gaussian {
  requirePositiveInteger('Gaussian of points, dimension', dimension);
  const points = pointsOf('of a Gaussian', given, dimension);
  const n = points.length / dimension;
  const masses = massesOf('points', weights, undefined, n);
  const mass = total(masses);
  const mean = new Float64Array(dimension);
  const covariance = new Float64Array(dimension * dimension);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < dimension; k++) mean[k] += (masses[i] / mass) * points[i * dimension + k];
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < dimension; k++) {
      const centred = (masses[i] / mass) * (points[i * dimension + k] - mean[k]);
      for (let l = 0; l < dimension; l++)
        covariance[k * dimension + l] += centred * (points[i * dimension + l] - mean[l]);
    }
  }
  return { mean, covariance };
}

/** Laws with means in float64 and covariances as matrices, checked: finite, of one dimension, symmetric. */
function laws(...given: GaussianGiven[]): { mean: Float64Array; covariance: Matrix }[] {
  let d: number | undefined;
  return given.map((law) => {
    const mean = Float64Array.from(finiteNumbers('Gaussian, mean', law?.mean));
    const covariance = finiteNumbers('Gaussian, covariance', law.covariance);
    d ??= mean.length;
    if (d === 0 || mean.length !== d || covariance.length !== d * d) {
      throw new InvalidInputError('Gaussian', {
        given: `mean of ${mean.length}, covariance of ${covariance.length} numbers`,
        expected: `${d || 'd'} and ${d ? d * d : 'd x d'} numbers, as the first law`,
        remedy: 'Give every law the same dimension d, the covariance row-major [d, d].',
      });
    }
    const C = matrixOf(covariance, d);
    if (Matrix.sub(C, C.transpose()).norm() > 1e-8 * (C.norm() + 1e-300)) {
      throw new InvalidInputError('Covariance of a Gaussian', {
        given: 'a matrix that is not symmetric',
        expected: 'a symmetric positive semi-definite matrix',
        remedy: 'Average it with its transpose if the difference is rounding.',
      });
    }
    return { mean, covariance: symmetrised(C) };
  });
}

function decompose(symmetric: Matrix): { values: number[]; vectors: Matrix } {
  const decomposition = new EigenvalueDecomposition(symmetrised(symmetric), { assumeSymmetric: true });
  return { values: decomposition.realEigenvalues, vectors: decomposition.eigenvectorMatrix };
}

/** A power of a symmetric positive semi-definite matrix; rounding below zero counts as zero. */
function power(symmetric: Matrix, exponent: number): Matrix {
  const { values, vectors } = decompose(symmetric);
  const largest = Math.max(0, ...values);
  const smallest = Math.min(...values);
  if (smallest < -1e-8 * largest || (exponent < 0 && smallest <= 1e-14 * largest)) {
    throw new NumericalError('Covariance of a Gaussian', {
      given: `eigenvalues from ${smallest} to ${largest}`,
      expected: exponent < 0 ? 'a positive definite matrix' : 'a positive semi-definite matrix',
      remedy: 'Add a small multiple of the identity to the covariance.',
    });
  }
  const scaled = vectors.clone();
  values.forEach((value, k) => scaled.mulColumn(k, Math.max(0, value) ** exponent));
  return scaled.mmul(vectors.transpose());
}

function symmetrised(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).mul(0.5);
}

function matrixOf(values: Numbers, d: number): Matrix {
  return Matrix.from1DArray(d, d, Array.from(values));
}

function flat(matrix: Matrix): Float64Array {
  return Float64Array.from(matrix.to1DArray());
}

function squaredDistance(x: Float64Array, y: Float64Array): number {
  return x.reduce((sum, value, k) => sum + (value - y[k]) ** 2, 0);
}
