import { Matrix } from 'ml-matrix';
import type { Measurement } from '../metrics/confidence';
import { symmetricPower } from './linear-gaussian';

/** One variable as `[1, samples]`. */
export function rowsOf(...variables: ArrayLike<number>[]): Matrix {
  return new Matrix(variables.map((values) => Array.from(values)));
}

/**
 * Partial correlation of `later` and `earlier` given `between` (each `[variables, samples]`), along one scalar of each:
 * the first row of `later` against the first of `earlier`, after linear regression of both on all rows of `between` (the plain
 * correlation without it).
 * @returns the correlation with its standard error under independence, 1 / sqrt(samples - variables).
 */
export function partialCorrelation(later: Matrix, earlier: Matrix, between?: Matrix): Measurement {
  const residual = (target: Matrix) => {
    const first = target.subMatrixRow([0]);
    const centred = centre(first);
    if (!between) return centred;
    const given = centre(between);
    const slope = centred.mmul(given.transpose()).mmul(symmetricPower(given.mmul(given.transpose()), -1));
    return Matrix.sub(centred, slope.mmul(given));
  };
  const [a, b] = [residual(later), residual(earlier)];
  const value = a.mmul(b.transpose()).get(0, 0) / (a.norm() * b.norm());
  return { value, error: 1 / Math.sqrt(later.columns - (between?.rows ?? 0) - 1) };
}

function centre(matrix: Matrix): Matrix {
  const means = matrix.mean('row');
  return matrix.clone().subColumnVector(means);
}
