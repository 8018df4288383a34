import { strict as assert } from 'node:assert';
import { InvalidInputError } from '../../src/runtime/errors';
import { foldIn, key, normal } from '../../src/runtime/random';
import { simulateChain } from '../../src/theory/autoregression';
import { influenceDecay } from '../../src/theory/influence';

describe('theory/influence', () => {
  it('is 1 at lag 0 and has no floor for unrelated conditions, even with more numbers than samples', () => {
    const shape = { samples: 40, steps: 5, width: 100 };
    const { correlation, errors } = influenceDecay({ data: normal(key(0), 40 * 5 * 100), ...shape }, { resamples: 40 });
    assert.ok(Math.abs(correlation[0] - 1) < 1e-12);
    // The biased vector correlation would be about sqrt(100 / (100 + 40)) = 0.85; the signed root spreads like n^(-1/2).
    for (let lag = 1; lag < 5; lag++)
      assert.ok(Math.abs(correlation[lag]) < 0.45, `${correlation[lag]} +- ${errors[lag]}`);
  });

  it('does not depend on where the conditions lie: adding a constant vector at each step changes nothing', () => {
    const shape = { samples: 30, steps: 4, width: 3 };
    const data = normal(key(12), 30 * 4 * 3);
    for (let at = 3; at < data.length; at++)
      if (Math.floor(at / 3) % 4 > 0) data[at] = 0.6 * data[at - 3] + 0.8 * data[at];
    const moved = data.map((value, at) => value + 2 * (at % 12));
    const run = (given: Float64Array) => influenceDecay({ data: given, ...shape }, { resamples: 4 }).correlation;
    const [here, there] = [run(data), run(moved)];
    for (let lag = 0; lag < 4; lag++) assert.ok(Math.abs(here[lag] - there[lag]) < 1e-9, `${here[lag]} ${there[lag]}`);
  });

  it('covers the factor of a chain with its interval, about as often as it says', () => {
    const factor = 0.7;
    const chain = { coefficients: [factor], noise: Math.sqrt(1 - factor ** 2), start: [0, 0, 0, 0] };
    let covered = 0;
    for (let run = 0; run < 20; run++) {
      const paths = simulateChain(chain, 120, 28, foldIn(key(5), run));
      const data = Float64Array.from({ length: 120 * 8 * 4 }, (_, at) => {
        const sample = Math.floor(at / 32);
        return paths[sample * 28 * 4 + 20 * 4 + (at % 32)];
      });
      const { beta } = influenceDecay({ data, samples: 120, steps: 8, width: 4 }, { resamples: 60, source: key(run) });
      if (beta.low <= factor && factor <= beta.high) covered++;
    }
    // Binomial(20, 0.95) is below 15 with probability 3e-4.
    assert.ok(covered >= 15, `covered ${covered} of 20`);
  });

  it('finds no decay in a condition that is the same at every step', () => {
    const held = normal(key(9), 64 * 3);
    const data = Float64Array.from({ length: 64 * 6 * 3 }, (_, at) => held[Math.floor(at / 18) * 3 + (at % 3)]);
    const { beta } = influenceDecay({ data, samples: 64, steps: 6, width: 3 }, { resamples: 20 });
    assert.ok(Math.abs(beta.value - 1) < 1e-6 && beta.low > 0.999);
  });

  it('refuses too few samples and wrong shapes', () => {
    assert.throws(
      () => influenceDecay({ data: new Float64Array(24), samples: 4, steps: 3, width: 2 }),
      InvalidInputError,
    );
    assert.throws(
      () => influenceDecay({ data: new Float64Array(5), samples: 32, steps: 3, width: 2 }),
      InvalidInputError,
    );
  });
});
