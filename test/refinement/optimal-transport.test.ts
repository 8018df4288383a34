import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { optimalTransportOptions, optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { meanSquaredDistance, rowMean, totalVariance } from '../../src/refinement/rows';
import { key, normal } from '../../src/runtime/random';
import { group } from '../support/group';

const width = 3;
/** A well separated cloud on a grid, so that at a small epsilon the optimal coupling to a small translate is the identity. */
const cloud = Float32Array.from({ length: 27 * width }, (_, i) => 10 * (Math.floor(i / width / 3 ** (i % width)) % 3));
const translate = (rows: Float32Array, by: number[]) => rows.map((value, i) => value + by[i % width]);
const shift = [1, -0.5, 0.25];
const squaredShift = 1 + 0.25 + 0.0625;
const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) =>
  Array.from(a).forEach((value, i) =>
    assert.ok(Math.abs(value - b[i]) <= tolerance, `[${i}] ${value} against ${b[i]}`),
  );

describe('refinement/optimal-transport', () => {
  const targets = translate(cloud, shift);
  const sharp = { epsilon: 1e-3, sinkhornIterations: 500 };

  for (const projection of ['plain', 'restored', 'debiased'] as const) {
    it(`${projection}: alpha = 1 maps a cloud onto its translate`, () => {
      // debiased leaves each point's self-match out: with a sharp plan its own average is the nearest *other* points,
      // whose mean differs from the point by at most a grid step at the border, so only its cloud mean is exact.
      const { conditions } = optimalTransportRefiner({ ...sharp, projection })(
        group({ conditions: cloud, targets, width }),
      );
      if (projection === 'debiased') close(rowMean(conditions, width), rowMean(targets, width), 0.5);
      else close(conditions, targets, 1e-3); // float32 kernels at numbers up to 21
    });
  }

  it('a finite eta moves by the fraction alpha = 2 eta / (1 + 2 eta) along the geodesic, K times', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.05, max: 5, noNaN: true }), fc.integer({ min: 1, max: 4 }), (eta, iterations) => {
        const refined = optimalTransportRefiner({ ...sharp, projection: 'plain', eta, iterations })(
          group({ conditions: cloud, targets, width }),
        );
        // Theorem 3 with lambda = 0: what is left of the distance is rho^K, rho = 1 / (1 + 2 eta)
        const left = (1 + 2 * eta) ** (-2 * iterations) * squaredShift;
        assert.ok(Math.abs(meanSquaredDistance(refined.conditions, targets, width) - left) < 1e-3);
        assert.equal(refined.iterations.length, iterations);
      }),
      { numRuns: 20 },
    );
  });

  it('lambda pulls towards the inverse process with its weight in the proximal step', () => {
    const prior = cloud.map(() => 7);
    const { conditions } = optimalTransportRefiner({
      ...sharp,
      projection: 'plain',
      lambda: 0.5,
      eta: 1,
      minimumSpread: 0,
    })(group({ conditions: cloud, targets, width, inverse: () => prior }));
    close(
      conditions,
      cloud.map((c, i) => (targets[i] + 0.5 * 7 + 0.5 * c) / 2),
      1e-3,
    );
  });

  it('restored keeps the variance of the target where plain shrinks', () => {
    const conditions = Float32Array.from(normal(key(1), 60 * width));
    const others = Float32Array.from(normal(key(2), 60 * width), (x) => 2 * x + 1);
    const spread = (projection: 'plain' | 'restored') =>
      totalVariance(
        optimalTransportRefiner({ epsilon: 0.3, projection })(group({ conditions, targets: others, width })).conditions,
        width,
      ) / totalVariance(others, width);
    assert.ok(spread('plain') < 0.8);
    assert.ok(Math.abs(spread('restored') - 1) < 1e-4); // float32 sums of 180 terms
  });

  it('does not change its input and gives the same numbers twice', () => {
    const before = cloud.slice();
    const refine = optimalTransportRefiner();
    assert.deepEqual(
      refine(group({ conditions: cloud, targets, width })),
      refine(group({ conditions: cloud, targets, width })),
    );
    assert.deepEqual(cloud, before);
  });

  it('stops before a collapse and leaves a one-point group alone, and says so', () => {
    const collapse = optimalTransportRefiner({ projection: 'plain', epsilon: 50, minimumSpread: 0.25 })(
      group({ conditions: cloud, targets, width }),
    );
    assert.match(collapse.skipReason ?? '', /spread would fall to/);
    assert.deepEqual(collapse.conditions, cloud);
    const point = optimalTransportRefiner()(group({ conditions: new Float32Array(9), targets, width }));
    assert.equal(point.skipReason, 'all conditions are one point');
    assert.ok(point.conditions.every((value) => value === 0));
  });

  it('names what is wrong', () => {
    assert.throws(() => optimalTransportRefiner({ epsilon: -1 }), /epsilon = -1/);
    assert.throws(
      () => optimalTransportRefiner()(group({ conditions: new Float32Array([NaN, 0, 0]), targets, width })),
      /NaN in row 0/,
    );
    assert.throws(
      () => optimalTransportRefiner()(group({ conditions: cloud, targets: new Float32Array(0), width })),
      /0 numbers for width 3/,
    );
  });

  it('states its defaults', () => {
    assert.equal(optimalTransportOptions().epsilon, 0.05);
    assert.equal(optimalTransportOptions().eta, Infinity);
  });
});
