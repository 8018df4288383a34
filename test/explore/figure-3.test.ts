import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkpointHashes, FIGURE_3_FILE, type Figure3Data, figure3Data } from '../../src/explore/figure-3-data';
import { figure3Controls, figure3Presets } from '../../src/explore/page/figure-3/settings';
import { chosenPair, describeFigure3 } from '../../src/explore/page/figure-3/words';
import { initialValues } from '../../src/explore/page/state';
import { staleNote } from '../../src/explore/run';
import type { CurveRun } from '../../src/measurements/signal-to-noise';
import { curveRows } from '../../src/measurements/signal-to-noise';
import { FileFormatError } from '../../src/runtime/errors';

const root = join(__dirname, '..', '..');

describe('the curves on the page', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-explore-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const write = (content: object) => {
    const file = join(folder, 'figure-3.json');
    writeFileSync(file, JSON.stringify(content));
    return file;
  };

  it('means, errors and verdicts come from the rows that notebook 10 records', () => {
    // Refined is baseline + 1 dB, give or take 0.1 with the seed; noise the other way round. Ten steps, five seeds.
    const side = (shift: number, seed: number) => ({
      signalToNoise: Array.from({ length: 9 }, (_, t) => 2 * t + seed + shift * (1 + 0.1 * (seed - 2))),
      noiseIntensity: Array.from({ length: 10 }, (_, t) => 1 / (t + 1) + 0.01 * shift * (1 + 0.1 * (seed - 2))),
    });
    const runs: CurveRun[] = ['AR', 'MAR'].flatMap((model) =>
      [0, 1, 2, 3, 4].map((seed) => ({ model, seed, baseline: side(0, seed), refined: side(1, seed) })),
    );
    const rows = curveRows(runs).reverse();
    const file = write({ experiment: 'figure-3', notebook: '10', profile: 'small', tables: { curves: rows } });
    const data = figure3Data(file, folder);
    assert.deepEqual(data.provenance.seeds.sort(), [0, 1, 2, 3, 4]);
    assert.deepEqual(data.provenance.checkpoints, {});
    assert.equal(data.curves.length, 4);
    const snr = data.curves.find(({ model, quantity }) => model === 'MAR' && quantity === 'signalToNoise')!;
    assert.deepEqual(snr.baseline.mean, [2, 4, 6, 8, 10, 12, 14, 16, 18]);
    // Standard error of 0 .. 4: sqrt(2.5 / 5).
    assert.ok(snr.baseline.error.every((error) => Math.abs(error - Math.SQRT1_2) < 1e-4));
    assert.ok(snr.difference.mean.every((mean) => Math.abs(mean - 1) < 1e-4));
    // Half the 95 % interval: t(4) = 2.776 times 0.1 sqrt(2.5 / 5).
    assert.ok(snr.difference.error.every((error) => Math.abs(error - 0.1963) < 1e-3));
    assert.equal(snr.late.verdict, 'holds');
    const noise = data.curves.find(({ model, quantity }) => model === 'AR' && quantity === 'noiseIntensity')!;
    assert.equal(noise.late.verdict, 'fails');
    assert.equal(noise.refined.mean.length, 10);
  });

  it('refuses a file that is something else', () => {
    assert.throws(() => figure3Data(write({ experiment: 'decay', tables: {} }), folder), FileFormatError);
    assert.throws(
      () => figure3Data(write({ experiment: 'figure-3', tables: { curves: [] } }), folder),
      /cer reproduce --only 10/,
    );
  });

  it('says when the weights are no longer those of the curves', () => {
    writeFileSync(join(folder, 'ar.safetensors'), 'weights');
    // printf weights | sha256sum
    const ar = '9a129038d9a00aed';
    const now = checkpointHashes(folder);
    assert.deepEqual(Object.keys(now), ['ar']);
    const data = JSON.parse(readFileSync(join(root, FIGURE_3_FILE), 'utf8')) as Figure3Data;
    assert.equal(now.ar, ar);
    assert.match(staleNote(data, now) ?? '', /other weights \(ar\); to renew them: cer reproduce --only 10/);
    assert.equal(staleNote(data, { ...data.provenance.checkpoints }), undefined);
  });

  it('what is shipped has both models and quantities, its provenance, and words for every preset', () => {
    const data = JSON.parse(readFileSync(join(root, FIGURE_3_FILE), 'utf8')) as Figure3Data;
    assert.ok(data.provenance.seeds.length >= 3); // trainings
    const weights = Object.keys(data.provenance.checkpoints);
    for (const name of ['ar', 'mar', 'vae'])
      assert.ok(
        weights.some((each) => each.endsWith(name)),
        name,
      );
    for (const { changes } of figure3Presets) {
      const settings = { ...initialValues(figure3Controls), ...changes };
      const pair = chosenPair(data, settings);
      for (const curve of [pair.baseline, pair.refined, pair.difference]) {
        assert.equal(curve.mean.length, curve.error.length);
        assert.ok([...curve.mean, ...curve.error].every(Number.isFinite));
      }
      const verdicts = { holds: 'as in the paper:?', fails: 'opposite to the paper', undecided: 'not decided' };
      assert.match(describeFigure3(data, settings), new RegExp(verdicts[pair.late.verdict]));
      // The verdict follows from the interval: "holds" only when all of it is on the paper's side.
      const { low, high, verdict } = pair.late;
      const higherIsBetter = pair.quantity === 'signalToNoise';
      const expected =
        low > 0 ? (higherIsBetter ? 'holds' : 'fails') : high < 0 ? (higherIsBetter ? 'fails' : 'holds') : 'undecided';
      assert.equal(verdict, expected);
    }
  });
});
