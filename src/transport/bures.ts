import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError, NumericalError } from '../runtime/errors';

/** A normal law: mean [d] and symmetric positive semi-definite covariance [d, d], row-major, float64. */
export interface Gaussian {
  mean: Float64Array;
  covariance: Float64Array;
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
export function gaussianDistance(p: Gaussian, q: Gaussian): { squared: number; bures: number } {
  const [A, B] = covariances(p, q);
  const root = power(A, 0.5);
  const cross = power(root.mmul(B).mmul(root), 0.5);
  const bures = Math.max(0, A.trace() + B.trace() - 2 * cross.trace());
  return { squared: bures + squaredDistance(p.mean, q.mean), bures };
}

/**
 * The optimal (Monge) map from p to q: A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 about the means.
 * @throws NumericalError when the covariance of p is singular: there is then no map to a law of higher rank.
 */
export function gaussianMap(p: Gaussian, q: Gaussian): AffineMap {
  const [A, B] = covariances(p, q);
  const root = power(A, 0.5);
  const inverse = power(A, -0.5);
  const T = symmetrised(inverse.mmul(power(root.mmul(B).mmul(root), 0.5)).mmul(inverse));
  const moved = T.mmul(Matrix.columnVector(Array.from(p.mean))).to1DArray();
  return { matrix: Float64Array.from(T.to1DArray()), offset: q.mean.map((value, k) => value - moved[k]) };
}

/**
 * The point at `t` of the Wasserstein geodesic from p (t = 0) to q (t = 1): the law of (1 - t) x + t T(x). Values of t
 * outside [0, 1] extend the line as long as the map stays monotone.
 */
export function gaussianGeodesic(p: Gaussian, q: Gaussian, t: number): Gaussian {
  const d = p.mean.length;
  const T = matrixOf(gaussianMap(p, q).matrix, d);
  const step = Matrix.eye(d)
    .mul(1 - t)
    .add(T.mul(t));
  return {
    mean: p.mean.map((value, k) => (1 - t) * value + t * q.mean[k]),
    covariance: flat(symmetrised(step.mmul(matrixOf(p.covariance, d)).mmul(step))),
  };
}

/**
 * Wasserstein barycentre of Gaussians with weights >= 0 (normalised here), by the fixed point of Alvarez-Esteban et al. 2016.
 * @throws InvalidInputError for no laws or weights that do not fit; NumericalError for singular covariances.
 */
export function gaussianBarycentre(laws: Gaussian[], weights?: number[], tolerance = 1e-13): Gaussian {
  const mass = (weights ?? laws.map(() => 1)).reduce((sum, w) => sum + w, 0);
  if (
    laws.length === 0 ||
    (weights && weights.length !== laws.length) ||
    !(mass > 0) ||
    weights?.some((w) => !(w >= 0))
  ) {
    throw new InvalidInputError('Barycentre of Gaussians', {
      given: `${laws.length} laws, weights ${JSON.stringify(weights)}`,
      expected: 'at least one law, and one weight >= 0 for each with a positive sum',
      remedy: 'Give one weight per law or leave the weights out.',
    });
  }
  const share = (weights ?? laws.map(() => 1)).map((w) => w / mass);
  const d = laws[0].mean.length;
  const all = covariances(...laws);
  const mean = new Float64Array(d);
  laws.forEach((law, k) => law.mean.forEach((value, i) => (mean[i] += share[k] * value)));
  let S = all.reduce((sum, C, k) => sum.add(Matrix.mul(C, share[k])), Matrix.zeros(d, d));
  for (let iteration = 0; iteration < 500; iteration++) {
    const root = power(S, 0.5);
    const inverse = power(S, -0.5);
    const sum = all.reduce(
      (total, C, k) => total.add(power(root.mmul(C).mmul(root), 0.5).mul(share[k])),
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
  p: Gaussian,
  q: Gaussian,
  epsilon: number,
): { value: number; crossCovariance: Float64Array } {
  const [A, B] = covariances(p, q);
  const d = p.mean.length;
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
    squaredDistance(p.mean, q.mean) +
    A.trace() +
    B.trace() -
    D.trace() +
    d * s * (1 - Math.log(2 * s)) +
    s * logDeterminant;
  const cross = root
    .mmul(D)
    .mmul(inverse)
    .mul(0.5)
    .sub(Matrix.eye(d).mul(s / 2));
  return { value, crossCovariance: flat(cross) };
}

/** Mean and covariance (divisor n) of weighted points [n, d]. */
export function gaussianOfPoints(points: ArrayLike<number>, dimension: number, weights?: ArrayLike<number>): Gaussian {
  const n = points.length / dimension;
  let mass = 0;
  for (let i = 0; i < n; i++) mass += weights ? weights[i] : 1;
  const mean = new Float64Array(dimension);
  const covariance = new Float64Array(dimension * dimension);
  for (let i = 0; i < n; i++) {
    const share = (weights ? weights[i] : 1) / mass;
    for (let k = 0; k < dimension; k++) mean[k] += share * points[i * dimension + k];
  }
  for (let i = 0; i < n; i++) {
    const share = (weights ? weights[i] : 1) / mass;
    for (let k = 0; k < dimension; k++) {
      const centred = share * (points[i * dimension + k] - mean[k]);
      for (let l = 0; l < dimension; l++)
        covariance[k * dimension + l] += centred * (points[i * dimension + l] - mean[l]);
    }
  }
  return { mean, covariance };
}

function covariances(...laws: Gaussian[]): Matrix[] {
  const d = laws[0].mean.length;
  return laws.map(({ mean, covariance }) => {
    if (mean.length !== d || covariance.length !== d * d || ![...mean, ...covariance].every(Number.isFinite)) {
      throw new InvalidInputError('Gaussian', {
        given: `mean of ${mean.length}, covariance of ${covariance.length} numbers`,
        expected: `finite numbers: ${d} and ${d * d}, as the first law`,
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
    return symmetrised(C);
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

function matrixOf(values: Float64Array, d: number): Matrix {
  return Matrix.from1DArray(d, d, Array.from(values));
}

function flat(matrix: Matrix): Float64Array {
  return Float64Array.from(matrix.to1DArray());
}

function squaredDistance(x: Float64Array, y: Float64Array): number {
  return x.reduce((sum, value, k) => sum + (value - y[k]) ** 2, 0);
}
