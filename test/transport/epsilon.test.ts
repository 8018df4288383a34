import { strict as assert } from 'node:assert';
import { type SinkhornOptions, sinkhorn } from '../../src/transport';
import type { TransportProblem } from '../../src/transport/problem';
import { cloud, largestDifference } from './clouds';

/** Points [count, 2] with one more at (100, 100) put in at `index`. */
function withFarPoint(points: Float64Array, index: number): Float64Array {
  return Float64Array.of(...points.subarray(0, 2 * index), 100, 100, ...points.subarray(2 * index));
}

describe('an epsilon relative to the cost', () => {
  const x = Float64Array.of(0, 0, 1, 0, 0, 1);
  const y = Float64Array.of(3, 3, 4, 3, 3, 5);
  const third = (absent: number) => Float64Array.from({ length: 4 }, (_, i) => (i === absent ? 0 : 1 / 3));
  const kept = (absent: number) => Uint8Array.from({ length: 4 }, (_, i) => (i === absent ? 0 : 1));
  const costs = (from: Float64Array, to: Float64Array) =>
    Float64Array.from({ length: (from.length * to.length) / 4 }, (_, k) => {
      const [i, j] = [Math.floor(k / (to.length / 2)), k % (to.length / 2)];
      return (from[2 * i] - to[2 * j]) ** 2 + (from[2 * i + 1] - to[2 * j + 1]) ** 2;
    });

  // [how it is called, the statistic of the nine costs 18 25 25, 13 18 20, 13 20 ... below, worked out by hand]
  const all = [...costs(x, y)].sort((p, q) => p - q);
  const statistics = { mean: all.reduce((sum, c) => sum + c, 0) / 9, median: all[4], max: all[8] };

  it('the default is a twentieth of the mean of all pairs', () => {
    const result = sinkhorn({ x, y, dimension: 2 });
    assert.ok(Math.abs(result.epsilon - 13 / 12) < 1e-12);
    assert.ok(Math.abs(result.cost - 20.755118) < 1e-5, `${result.cost}`);
  });

  for (const relativeTo of ['mean', 'median', 'max'] as const) {
    for (const [index, far] of [0, 1, 3].entries()) {
      it(`${relativeTo}: points without mass and masked points do not count, at place ${far}`, () => {
        const other = [3, 0, 2][index];
        const [farX, farY] = [withFarPoint(x, far), withFarPoint(y, other)];
        const shape = { rows: 4, columns: 4 };
        const weights = { sourceWeights: third(far), targetWeights: third(other) };
        const masks = { sourceMask: kept(far), targetMask: kept(other) };
        const problems: TransportProblem[] = [
          { x: farX, y: farY, dimension: 2, ...weights },
          { x: farX, y: farY, dimension: 2, ...masks },
          { x: farX, y: farY, dimension: 2, sourceWeights: third(far), targetMask: kept(other) },
          { cost: costs(farX, farY), ...shape, ...weights },
          { cost: costs(farX, farY), ...shape, ...masks },
          { x: Float32Array.from(farX), y: Float32Array.from(farY), dimension: 2, ...masks },
        ];
        for (const anneal of [undefined, {}]) {
          for (const [engine, slack] of [
            ['float64', 1e-12],
            ['float32', 1e-5],
          ] as const) {
            const epsilon = { value: 0.05, relativeTo, ...(anneal ? { anneal } : {}) };
            const options: SinkhornOptions = { epsilon, engine, tolerance: engine === 'float64' ? 1e-13 : 1e-6 };
            const alone = sinkhorn({ x, y, dimension: 2 }, options);
            assert.ok(Math.abs(alone.epsilon - 0.05 * statistics[relativeTo]) < 1e-12);
            for (const problem of problems) {
              const result = sinkhorn(problem, options);
              // Every stage of the annealing, from its start at the mean cost.
              assert.equal(result.settings.epsilons.length, alone.settings.epsilons.length);
              assert.ok(largestDifference(result.settings.epsilons, alone.settings.epsilons) < 1e-10);
              assert.ok(Math.abs(result.cost - alone.cost) < slack * alone.cost, `${result.cost} ${alone.cost}`);
            }
          }
        }
      });
    }
  }

  it('does not depend on how mass is shared among the points that have some', () => {
    const weights = { sourceWeights: Float64Array.of(0.1, 0.2, 0.7), targetWeights: Float64Array.of(1e-9, 0.5, 0.5) };
    for (const relativeTo of ['mean', 'median', 'max'] as const) {
      const epsilon = { value: 1, relativeTo };
      const { epsilon: got } = sinkhorn({ x, y, dimension: 2, ...weights }, { epsilon, maxIterations: 1 });
      assert.ok(Math.abs(got - statistics[relativeTo]) < 1e-12);
    }
  });

  it('the median of many pairs, taken over a sample of rows, leaves out rows without mass', () => {
    const [n, m] = [1500, 1400];
    const [from, to] = [cloud(1, n, 2), cloud(2, m, 2)];
    const epsilon = { value: 1, relativeTo: 'median' } as const;
    const alone = sinkhorn({ x: from, y: to, dimension: 2 }, { epsilon, maxIterations: 1 }).epsilon;
    // Every second row is far away and without mass: as many as the sample would take.
    const spread = Float32Array.from({ length: 4 * n }, (_, k) =>
      k % 4 < 2 ? 100 : from[2 * Math.floor(k / 4) + (k % 2)],
    );
    const sourceMask = Uint8Array.from({ length: 2 * n }, (_, i) => i % 2);
    const masked = sinkhorn({ x: spread, y: to, dimension: 2, sourceMask }, { epsilon, maxIterations: 1 }).epsilon;
    assert.equal(masked, alone);
  });
});
