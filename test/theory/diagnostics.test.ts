import { strict as assert } from 'node:assert';
import { InvalidInputError } from '../../src/runtime/errors';
import { foldIn, key, normal, uniform } from '../../src/runtime/random';
import { coefficientsFromRoots, simulateChain } from '../../src/theory/autoregression';
import { gaussianityTests, localLipschitz, markovTest } from '../../src/theory/diagnostics';

/** Share of 40 independent runs whose test rejects at 10 %. */
const rejections = (run: (source: ReturnType<typeof key>) => { probability: number }) =>
  Array.from({ length: 40 }, (_, r) => run(foldIn(key(77), r)).probability < 0.1).filter(Boolean).length / 40;

describe('theory/diagnostics', () => {
  // Binomial(40, 0.1): more than 12 rejections (30 %) has probability 1e-4.
  const calibrated = 0.3;

  it('Gaussianity: rejects as often as its level on normal data, always on uniform and on skewed data', () => {
    const shape = { samples: 300, steps: 1, width: 3 };
    const test = (which: number, draw: (source: ReturnType<typeof key>) => Float64Array) =>
      rejections((source) => gaussianityTests({ data: draw(source), ...shape }, 0)[which]);
    const gaussian = (source: ReturnType<typeof key>) => normal(source, 900);
    assert.ok(test(0, gaussian) <= calibrated);
    assert.ok(test(1, gaussian) <= calibrated);
    assert.equal(
      test(1, (source) => uniform(source, 900)),
      1,
    );
    assert.equal(
      test(0, (source) => normal(source, 900).map(Math.exp)),
      1,
    );
  });

  it('Gaussianity is unmoved by an affine map', () => {
    const data = normal(key(3), 600);
    const mapped = data.map((value, at) => (at % 2 === 0 ? 3 * value + 1 : value + 0.7 * data[at - 1]));
    const [a] = gaussianityTests({ data, samples: 300, steps: 1, width: 2 }, 0);
    const [b] = gaussianityTests({ data: mapped, samples: 300, steps: 1, width: 2 }, 0);
    assert.ok(Math.abs(a.statistic - b.statistic) < 1e-8);
  });

  it('Markov: keeps AR(1) at its level and rejects AR(2)', () => {
    const run = (coefficients: number[]) =>
      rejections((source) => {
        const start = [0, 0, 0];
        const data = simulateChain({ coefficients, noise: 1, start }, 200, 8, source);
        return markovTest({ data, samples: 200, steps: 8, width: 3 }, 7);
      });
    assert.ok(run([0.8]) <= calibrated);
    assert.equal(run(coefficientsFromRoots([0.8, 0.5])), 1);
    assert.throws(
      () => markovTest({ data: normal(key(0), 300 * 3), samples: 300, steps: 3, width: 1 }, 1),
      InvalidInputError,
    );
  });

  it('Lipschitz: brackets the spectral norm of a linear map and follows a non-linear one', async () => {
    // f(c) = (3 c_0, c_1): constant 3, Frobenius norm sqrt(10).
    const linear = (points: Float64Array) => points.map((value, at) => (at % 2 === 0 ? 3 * value : value));
    const found = await localLipschitz(linear, normal(key(1), 40), 2, { directions: 200, source: key(2) });
    for (let p = 0; p < 20; p++) {
      assert.ok(found.lower[p] <= 3 + 1e-6 && found.lower[p] > 2.9, `${found.lower[p]}`);
      assert.ok(Math.abs(found.upper[p] - Math.sqrt(10)) < 0.6); // 200 directions: 5 standard errors of a mean squared gain
    }
    const square = (points: Float64Array) => points.map((value) => value * value);
    const local = await localLipschitz(square, Float64Array.from([1, 2, 5]), 1, { source: key(2), radius: 1e-5 });
    assert.ok(Math.abs(local.largest - 10) < 1e-3 && Math.abs(local.median - 4) < 1e-3);
  });
});
