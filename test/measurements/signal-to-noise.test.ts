import { strict as assert } from 'node:assert';
import type { CurveRun } from '../../src/measurements/signal-to-noise';
import { bands, curveRows, differences, lateSteps, summaryRows } from '../../src/measurements/signal-to-noise';

/** Ten steps; refinement adds `snr` dB and `noise` at every step, with a little noise over seeds. */
const runs = (snr: number, noise: number): CurveRun[] =>
  [0, 1, 2, 3].map((seed) => {
    const wobble = 0.01 * Math.cos(5 * seed);
    const curve = (add: number, length: number) => Array.from({ length }, (_, step) => step + seed + add);
    return {
      model: 'AR',
      seed,
      baseline: { signalToNoise: curve(0, 9), noiseIntensity: curve(0, 10) },
      refined: { signalToNoise: curve(snr + wobble, 9), noiseIntensity: curve(noise + wobble, 10) },
    };
  });

describe('measurements/signal-to-noise report', () => {
  it('means over seeds with their standard error', () => {
    const [baseline] = bands(runs(1, 0), 'signalToNoise');
    assert.equal(baseline.name, 'AR, baseline');
    assert.deepEqual(baseline.x.slice(0, 2), [1, 2]);
    assert.equal(baseline.y[0], 1.5);
    // seeds 0 .. 3: standard deviation sqrt(5/3), over sqrt(4)
    assert.ok(Math.abs(baseline.error[0] - Math.sqrt(5 / 3) / 2) < 1e-12);
  });

  it('differences are paired: the spread between seeds cancels', () => {
    const [difference] = differences(runs(1, 0), 'signalToNoise');
    assert.ok(Math.abs(difference.y[3] - 1) < 0.02);
    assert.ok(difference.error[3] < 0.03);
  });

  for (const [snr, noise, first, second] of [
    [1, -1, 'holds', 'holds'],
    [-1, 1, 'fails', 'fails'],
    [0, 0, 'undecided', 'undecided'],
  ] as const) {
    it(`SNR ${snr} dB and noise ${noise} by refinement: ${first}`, () => {
      const late = lateSteps(runs(snr, noise));
      assert.deepEqual(
        late.map(({ verdict }) => verdict),
        [first, second],
      );
      assert.deepEqual(
        summaryRows(late).map(({ verdict }) => verdict),
        [first, second],
      );
    });
  }

  it('rows hold every point, without an SNR for the final image', () => {
    const rows = curveRows(runs(1, 0));
    assert.equal(rows.length, 4 * 2 * 10);
    assert.equal(rows.filter(({ signalToNoise }) => signalToNoise === null).length, 4 * 2);
  });
});
