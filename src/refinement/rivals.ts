import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { checkGroup, type Group, type Refined, type Refiner, rowMean, totalVariance } from './refiner';

/** Rivals of the optimal-transport refinement, behind the same interface, so that each can stand beside it at equal cost. */
export const RIVALS: Readonly<Record<string, Refiner>> = {
  none: ({ conditions }) => ({ conditions, iterations: [], kept: 'no refinement asked for' }),
  'shrink to the mean': shrink(0.9),
  'coordinate moments': coordinateMoments,
  'Gaussian moments': gaussianMoments,
  'nearest neighbour': nearestNeighbour,
};

/** Moves every condition towards the cloud's own mean: c <- mean + keep (c - mean). Knows nothing of the ideal law. */
export function shrink(keep: number): Refiner {
  return (group) => {
    checkGroup(group);
    const mean = rowMean(group.conditions, group.width);
    return done(group, (value, i) => mean[i % group.width] + keep * (value - mean[i % group.width]));
  };
}

/** Gives each coordinate the mean and standard deviation that it has under the ideal law. */
export function coordinateMoments(group: Group): Refined {
  checkGroup(group);
  const { conditions, targets, width } = group;
  const from = moments(conditions, width);
  const to = moments(targets, width);
  return done(group, (value, i) => {
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
  const { conditions, targets, width } = group;
  const source = covariance(conditions, width, floor);
  const target = covariance(targets, width, floor);
  const root = power(source, 0.5);
  const inverseRoot = power(source, -0.5);
  const map = inverseRoot.mmul(power(root.mmul(target).mmul(root), 0.5)).mmul(inverseRoot);
  const from = rowMean(conditions, width);
  const to = rowMean(targets, width);
  return done(group, (_, i) => {
    const row = Math.floor(i / width) * width;
    let sum = to[i % width];
    for (let k = 0; k < width; k++) sum += map.get(i % width, k) * (conditions[row + k] - from[k]);
    return sum;
  });
}

/** Replaces every condition by the nearest sample of the ideal law: pure retrieval. */
export function nearestNeighbour(group: Group): Refined {
  checkGroup(group);
  const { conditions, targets, width } = group;
  const nearest = Array.from({ length: conditions.length / width }, (_, i) => {
    let best = 0;
    let smallest = Infinity;
    for (let j = 0; j < targets.length / width; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (conditions[i * width + k] - targets[j * width + k]) ** 2;
      if (sum < smallest) {
        smallest = sum;
        best = j;
      }
    }
    return best;
  });
  return done(group, (_, i) => targets[nearest[Math.floor(i / width)] * width + (i % width)]);
}

function done({ conditions, targets, width }: Group, change: (value: number, i: number) => number): Refined {
  const next = conditions.map(change);
  let displacement = 0;
  for (let i = 0; i < next.length; i++) displacement += (next[i] - conditions[i]) ** 2;
  displacement *= width / next.length;
  const spread = totalVariance(next, width) / totalVariance(targets, width);
  return { conditions: next, iterations: [{ transportCost: displacement, displacement, spread }] };
}

function moments(rows: Float32Array, width: number) {
  const mean = rowMean(rows, width);
  const variance = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) variance[i % width] += ((rows[i] - mean[i % width]) ** 2 * width) / rows.length;
  return { mean, deviation: variance.map(Math.sqrt) };
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
