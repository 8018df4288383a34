import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { checkGroup, type Group, type Refined } from '../refiner';
import { coordinateVariance, rowMean } from '../rows';
import { changed } from './changed';

/** Gives each coordinate the mean and standard deviation that it has under the ideal law. */
export function coordinateMoments(group: Group): Refined {
  checkGroup(group);
  const { conditions, law } = group;
  const { targets, width } = law;
  const from = moments(conditions, width);
  const to = moments(targets, width);
  return changed(group, (value, i) => {
    const k = i % width;
    return to.mean[k] + (from.deviation[k] > 0 ? to.deviation[k] / from.deviation[k] : 0) * (value - from.mean[k]);
  });
}

/**
 * The optimal map between the Gaussians fitted to both clouds, with `floor` times the mean variance added to both
 * covariances, since a group has fewer rows than dimensions.
 */
export function gaussianMoments(group: Group, floor = 0.05): Refined {
  checkGroup(group);
  const { conditions, law } = group;
  const { targets, width } = law;
  const source = covariance(conditions, width, floor);
  const target = covariance(targets, width, floor);
  const root = power(source, 0.5);
  const inverseRoot = power(source, -0.5);
  const map = inverseRoot.mmul(power(root.mmul(target).mmul(root), 0.5)).mmul(inverseRoot);
  const from = rowMean(conditions, width);
  const to = law.mean;
  return changed(group, (_, i) => {
    const row = Math.floor(i / width) * width;
    let sum = to[i % width];
    for (let k = 0; k < width; k++) sum += map.get(i % width, k) * (conditions[row + k] - from[k]);
    return sum;
  });
}

function moments(rows: Float32Array, width: number) {
  const mean = rowMean(rows, width);
  return { mean, deviation: coordinateVariance(rows, width, mean).map(Math.sqrt) };
}

function covariance(rows: Float32Array, width: number, floor: number): Matrix {
  const mean = rowMean(rows, width);
  const count = rows.length / width;
  const centred = new Matrix(count, width);
  for (let i = 0; i < rows.length; i++) centred.set(Math.floor(i / width), i % width, rows[i] - mean[i % width]);
  const result = centred.transpose().mmul(centred).div(count);
  const ridge = (floor * result.trace()) / width + Number.MIN_VALUE;
  return result.add(Matrix.eye(width, width, ridge));
}

function power(symmetric: Matrix, exponent: number): Matrix {
  const { eigenvectorMatrix: vectors, realEigenvalues } = new EigenvalueDecomposition(symmetric, {
    assumeSymmetric: true,
  });
  return vectors
    .mmul(Matrix.diag(realEigenvalues.map((v) => Math.max(v, 1e-300) ** exponent)))
    .mmul(vectors.transpose());
}
