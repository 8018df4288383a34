import { strict as assert } from 'node:assert';
import {
  coordinateMoments,
  gaussianMoments,
  nearestNeighbour,
  nearestRespacing,
  shrink,
} from '../../src/refinement/baselines';
import { meanSquaredDistance, rowMean, totalVariance } from '../../src/refinement/rows';
import { key, normal } from '../../src/runtime/random';
import { group as made } from '../support/group';

const width = 4;
const conditions = Float32Array.from(normal(key(1), 50 * width), (x, i) => (1 + (i % width)) * x);
const targets = Float32Array.from(normal(key(2), 70 * width), (x, i) => 3 - (i % width) + (0.5 + (i % 2)) * x);
const group = made({ conditions, targets, width });
const variances = (rows: Float32Array) => {
  const mean = rowMean(rows, width);
  return Array.from({ length: width }, (_, k) => {
    const column = rows.filter((_, i) => i % width === k);
    return column.reduce((sum, x) => sum + (x - mean[k]) ** 2, 0) / column.length;
  });
};
const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) =>
  Array.from(a).forEach((value, i) =>
    assert.ok(Math.abs(value - b[i]) <= tolerance, `[${i}] ${value} against ${b[i]}`),
  );

describe('refinement/baselines', () => {
  it('the nearest step counts that a stride gives exactly', () => {
    assert.deepEqual([1, 30, 50, 600, 2000].map(nearestRespacing), [
      'ddim2',
      'ddim30',
      'ddim50',
      'ddim500',
      'ddim1000',
    ]);
  });

  it('shrink scales the variance by keep^2 and leaves the mean', () => {
    const { conditions: refined } = shrink(0.9)(group);
    close(rowMean(refined, width), rowMean(conditions, width), 1e-5);
    assert.ok(Math.abs(totalVariance(refined, width) / totalVariance(conditions, width) - 0.81) < 1e-5);
  });

  it('coordinate moments takes over mean and variance of each coordinate', () => {
    const { conditions: refined, iterations } = coordinateMoments(group);
    close(rowMean(refined, width), rowMean(targets, width), 1e-5);
    close(variances(refined), variances(targets), 1e-4);
    assert.ok(Math.abs(iterations[0].spread - 1) < 1e-5);
  });

  it('Gaussian moments takes over the mean and, without a floor, every covariance', () => {
    const { conditions: refined } = gaussianMoments(group, 1e-9);
    close(rowMean(refined, width), rowMean(targets, width), 1e-5);
    const covariance = (rows: Float32Array, a: number, b: number) => {
      const mean = rowMean(rows, width);
      let sum = 0;
      for (let i = 0; i < rows.length; i += width) sum += (rows[i + a] - mean[a]) * (rows[i + b] - mean[b]);
      return (sum * width) / rows.length;
    };
    for (let a = 0; a < width; a++) {
      for (let b = 0; b < width; b++) {
        assert.ok(Math.abs(covariance(refined, a, b) - covariance(targets, a, b)) < 1e-4, `covariance ${a} ${b}`);
      }
    }
  });

  it('nearest neighbour returns rows of the buffer, never farther than any other row', () => {
    const { conditions: refined } = nearestNeighbour(group);
    const distance = meanSquaredDistance(conditions, refined, width);
    for (let j = 0; j < 5; j++) {
      const other = conditions.map((_, i) => targets[j * width + (i % width)]);
      assert.ok(distance <= meanSquaredDistance(conditions, other, width));
    }
    const rows = new Set(Array.from({ length: 70 }, (_, j) => targets.subarray(j * width, (j + 1) * width).join()));
    for (let i = 0; i < 50; i++) assert.ok(rows.has(refined.subarray(i * width, (i + 1) * width).join()));
  });
});
