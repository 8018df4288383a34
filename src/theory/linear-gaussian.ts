import { CholeskyDecomposition, EigenvalueDecomposition, Matrix, solve } from 'ml-matrix';
import { type Key, normal } from '../runtime/random';
import { gaussianDistance } from '../transport/bures';
import { normalCdf } from './special-functions';

/** A normal law; the mean is a column `[size, 1]`. */
export interface NormalLaw {
  mean: Matrix;
  covariance: Matrix;
}

/** A linear Markov kernel on conditions: c' = transition c + shift + N(0, noise). */
export interface LinearKernel {
  transition: Matrix;
  /** Default none. */
  shift?: Matrix;
  noise: Matrix;
}

/** The law after one step of a kernel. */
export function applyKernel({ transition, shift, noise }: LinearKernel, law: NormalLaw): NormalLaw {
  return {
    mean: shift ? Matrix.add(transition.mmul(law.mean), shift) : transition.mmul(law.mean),
    covariance: symmetric(Matrix.add(transition.mmul(law.covariance).mmul(transition.transpose()), noise)),
  };
}

/** Kullback-Leibler divergence KL(law || reference) of two normal laws, in nats. */
export function normalDivergence(law: NormalLaw, reference: NormalLaw): number {
  const apart = Matrix.sub(law.mean, reference.mean);
  const ratio = solve(reference.covariance, law.covariance);
  const distance = apart.transpose().mmul(solve(reference.covariance, apart)).get(0, 0);
  return (
    0.5 *
    (ratio.trace() - law.mean.rows + distance - logDeterminant(law.covariance) + logDeterminant(reference.covariance))
  );
}

/** 2-Wasserstein distance of two normal laws. */
export function normalWasserstein(a: NormalLaw, b: NormalLaw): number {
  return Math.sqrt(gaussianDistance(flat(a), flat(b)).squared);
}

function flat({ mean, covariance }: NormalLaw) {
  return { mean: Float64Array.from(mean.to1DArray()), covariance: Float64Array.from(covariance.to1DArray()) };
}

/** Total variation distance of two normal laws with one covariance: 2 Phi(distance / 2) - 1 in whitened distance. */
export function shiftedTotalVariation(apart: Matrix, covariance: Matrix): number {
  return 2 * normalCdf(symmetricPower(covariance, -0.5).mmul(apart).norm() / 2) - 1;
}

/** `count` draws from N(0, covariance) as columns, `[size, count]`. */
export function gaussianMatrix(source: Key, covariance: Matrix, count: number): Matrix {
  const white = Matrix.from1DArray(covariance.rows, count, normal(source, covariance.rows * count));
  return new CholeskyDecomposition(covariance).lowerTriangularMatrix.mmul(white);
}

/** `matrix` raised to a real power through its eigenvalues; symmetric positive (semi)definite matrices only. */
export function symmetricPower(matrix: Matrix, power: number): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = new EigenvalueDecomposition(symmetric(matrix), {
    assumeSymmetric: true,
  });
  const values = realEigenvalues.map((value) => Math.max(value, 0) ** power);
  return eigenvectorMatrix.mmul(Matrix.diag(values)).mmul(eigenvectorMatrix.transpose());
}

/** (M + M') / 2, which removes the asymmetry of rounding. */
export function symmetric(matrix: Matrix): Matrix {
  return Matrix.add(matrix, matrix.transpose()).mul(0.5);
}

/** Largest singular value. */
export function spectralNorm(matrix: Matrix): number {
  const gram = matrix.transpose().mmul(matrix);
  return Math.sqrt(Math.max(...new EigenvalueDecomposition(gram, { assumeSymmetric: true }).realEigenvalues));
}

function logDeterminant(matrix: Matrix): number {
  const lower = new CholeskyDecomposition(matrix).lowerTriangularMatrix;
  return 2 * lower.diagonal().reduce((sum, value) => sum + Math.log(value), 0);
}
