import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import sharp from 'sharp';
import * as evaluate from '../../src/cli/verbs/evaluate';
import { type ImageStream, imageStream, type PixelBatch } from '../../src/data/image-stream';
import type { EvaluationRow } from '../../src/evaluation/evaluate-folder';
import type { FeatureExtractor } from '../../src/evaluation/feature-extractor';
import { imageKeys } from '../../src/evaluation/image-keys';
import { describeImages } from '../../src/evaluation/image-statistics';
import { writeNpz } from '../../src/io/npz';
import { saveParameters } from '../../src/io/parameters';
import type { Features } from '../../src/metrics/features';
import { frechetDistance } from '../../src/metrics/fid';
import { kid } from '../../src/metrics/kid';
import { featureStatistics } from '../../src/metrics/statistics';
import { StreamingInceptionScore } from '../../src/metrics/streaming-inception-score';
import { inception, inceptionInput } from '../../src/models/features/inception';
import { useBackend } from '../../src/runtime/backend';
import { bits, key } from '../../src/runtime/random';
import { runVerb } from '../cli/run-verb';
import { inceptionWeights } from '../generators/inception';

const SIDE = 12;

/** Blocks of noise, one image a key. */
function pixels(seed: number, count: number): Uint8Array {
  return Uint8Array.from(
    bits(key(seed), count * SIDE * SIDE * 3),
    (word, i) => (word >>> 24) * (i % 3 === seed % 3 ? 1 : 0.6),
  );
}

async function writeImages(folder: string, data: Uint8Array, side = SIDE): Promise<void> {
  mkdirSync(folder);
  const each = side * side * 3;
  for (let i = 0; i * each < data.length; i++) {
    const raw = { width: side, height: side, channels: 3 as const };
    const file = join(folder, `${String(i).padStart(3, '0')}.png`);
    await sharp(data.subarray(i * each, (i + 1) * each), { raw })
      .png()
      .toFile(file);
  }
}

describe('cer evaluate --features inception', function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), 'cer-evaluate-'));
  const at = (name: string) => join(folder, name);
  const [fakeData, realData] = [pixels(1, 4), pixels(2, 4)];
  let fake: { features: Features; probabilities: Features };
  let real: { features: Features };

  const run = async (...args: string[]): Promise<Record<string, EvaluationRow>> => {
    const text = await runVerb(evaluate, 'evaluate', at('fake'), '--features', 'inception', '--json', ...args);
    return Object.fromEntries((JSON.parse(text) as EvaluationRow[]).map((row) => [row.metric, row]));
  };
  const refused = (message: RegExp, ...args: string[]) =>
    assert.rejects(runVerb(evaluate, 'evaluate', at('fake'), ...args), message);
  const near = (got: number | null, wanted: number, tolerance: number) =>
    assert.ok(Math.abs(got! - wanted) <= tolerance * Math.max(1, Math.abs(wanted)), `${got} against ${wanted}`);

  before(async () => {
    await useBackend();
    await writeImages(at('fake'), fakeData);
    await writeImages(at('real'), realData);
    const weights = inceptionWeights();
    saveParameters(at('weights.safetensors'), weights);
    // The same through the eager network, all at once.
    const through = (data: Uint8Array) => {
      const count = data.length / (SIDE * SIDE * 3);
      const outputs = tf.tidy(() => {
        const input = inceptionInput(tf.tensor4d(Float32Array.from(data), [count, SIDE, SIDE, 3]));
        const { features, logits } = inception(weights, input);
        return [features, tf.softmax(logits)];
      });
      const [features, probabilities] = outputs.map((rows): Features => {
        return { data: Float64Array.from(rows.dataSync()), count, dimension: rows.shape[1]! };
      });
      tf.dispose(outputs);
      return { features, probabilities };
    };
    fake = through(fakeData);
    real = through(realData);
    const short = new Map([...weights].filter(([name]) => name !== 'Mixed_6b.branch1x1.conv.weight'));
    saveParameters(at('short.safetensors'), short);
    tf.dispose([...weights.values()]);
    const { mean, covariance, dimension } = featureStatistics(real.features);
    writeNpz(at('real.npz'), [
      ['mu', { dtype: 'F64', shape: [dimension], data: mean }],
      ['sigma', { dtype: 'F64', shape: [dimension, dimension], data: covariance }],
    ]);
    writeNpz(at('narrow.npz'), [
      ['mu', { dtype: 'F64', shape: [64], data: new Float64Array(64) }],
      ['sigma', { dtype: 'F64', shape: [64, 64], data: new Float64Array(64 * 64) }],
    ]);
    writeFileSync(at('text.npz'), 'no archive');
  });
  after(() => rmSync(folder, { recursive: true }));

  it('against statistics alone: FID and Inception score; the others are left out and say why', async () => {
    const rows = await run('--weights', at('weights.safetensors'), '--statistics', at('real.npz'));
    const expected = frechetDistance(featureStatistics(real.features), featureStatistics(fake.features)).distance;
    near(rows.fid.value, expected, 1e-4); // compiled against eager float32 features
    assert.equal(rows['inception-score'].value, null);
    assert.match(rows['inception-score'].note, /not defined for 4 images: it needs 20/);
    assert.match(rows.fid.note, /4 images against .*real\.npz, InceptionV3 features; biased upwards/);
    for (const name of ['kid', 'precision', 'recall', 'density', 'coverage']) {
      assert.equal(rows[name].value, null);
      assert.match(rows[name].note, /left out: .*--reference/);
    }
  });

  it('with real images beside them: everything, and FID still against the statistics', async () => {
    const statistics = featureStatistics(fake.features);
    writeNpz(at('fake.npz'), [
      ['mu', { dtype: 'F64', shape: [2048], data: statistics.mean }],
      ['sigma', { dtype: 'F64', shape: [2048, 2048], data: statistics.covariance }],
    ]);
    const both = ['--statistics', at('fake.npz'), '--reference', at('real')];
    const rows = await run('--weights', at('weights.safetensors'), ...both, '--neighbours', '2');
    // the images against their own statistics: 0 but for float32 features
    assert.ok(
      Math.abs(rows.fid.value!) < 1e-4 * statistics.covariance.reduce((sum, x, i) => sum + (i % 2049 === 0 ? x : 0), 0),
    );
    near(rows.kid.value, kid(real.features, fake.features).unbiased, 1e-3);
    for (const name of ['precision', 'recall', 'density', 'coverage']) assert.ok(rows[name].value! >= 0, name);
  });

  it('refuses what does not fit, before any image is read', async () => {
    await refused(/no weights.*--weights/s, '--features', 'inception');
    await refused(/no Mixed_6b.branch1x1.conv.weight/, '--features', 'inception', '--weights', at('short.safetensors'));
    const classifier = 'data/checkpoints/classifier.safetensors';
    await refused(/Weights of InceptionV3.*no Conv2d_1a_3x3/s, '--features', 'inception', '--weights', classifier);
    const weights = ['--features', 'inception', '--weights', at('weights.safetensors')];
    await refused(/narrow\.npz.*mu of 64 numbers.*2048/s, ...weights, '--statistics', at('narrow.npz'));
    await refused(/text\.npz/, ...weights, '--statistics', at('text.npz'));
    await refused(/--classifier with --features inception/, ...weights, '--classifier', classifier);
    await refused(/--weights with --features classifier/, '--weights', at('weights.safetensors'));
  });

  it('a dry run counts and estimates', async () => {
    const weights = ['--weights', at('weights.safetensors'), '--statistics', at('real.npz')];
    const text = await runVerb(
      evaluate,
      'evaluate',
      at('fake'),
      '--features',
      'inception',
      ...weights,
      '--dry-run',
      '--json',
    );
    const { counts, reference, estimate } = JSON.parse(text);
    assert.deepEqual([counts, reference], [{ images: 4, reference: 0 }, 'none']);
    assert.match(estimate.basis, /recorded: 55 ms an image/);
  });
});

describe('evaluation/image-statistics', function () {
  this.timeout(120_000);
  before(() => useBackend());
  const sizes: number[] = [];
  /** Features that are known: the first three bytes of an image, and the class by the first. */
  const first: FeatureExtractor = {
    name: 'first pixel',
    dimension: 3,
    classes: 2,
    batch: 7,
    extract: ({ count, width, height, data }: PixelBatch) => {
      sizes.push(count);
      const at = (i: number, c: number) => data[i * width * height * 3 + c];
      const features = Float64Array.from({ length: 3 * count }, (_, i) => at(Math.floor(i / 3), i % 3));
      const probabilities = Float64Array.from({ length: 2 * count }, (_, i) => {
        const p = 0.05 + (0.9 * at(i >> 1, 0)) / 255;
        return i % 2 ? p : 1 - p;
      });
      return {
        features: { data: features, count, dimension: 3 },
        probabilities: { data: probabilities, count, dimension: 2 },
      };
    },
    dispose: () => {},
  };

  it('streams: batches of bounded size give what all images at once give, and few rows are kept', async () => {
    const stream = () => imageStream('procedural:control', { side: 8 });
    sizes.length = 0;
    const { count, statistics, sample, score } = await describeImages(stream(), first, 100);
    assert.deepEqual([count, Math.max(...sizes), sizes.length], [3000, 7, Math.ceil(3000 / 7)]);
    const all: PixelBatch[] = [];
    for await (const batch of stream().batches(3000)) all.push(batch);
    const whole = first.extract(all[0]);
    const expected = featureStatistics(whole.features);
    const near = (a: Float64Array, b: Float64Array) =>
      a.every((x, i) => Math.abs(x - b[i]) < 1e-9 * (1 + Math.abs(b[i])));
    assert.ok(near(statistics.mean, expected.mean) && near(statistics.covariance, expected.covariance));
    const score10 = new StreamingInceptionScore(2);
    score10.add(whole.probabilities, imageKeys(all[0].data, 3000));
    assert.ok(near(score!.perSplit, score10.finish()!.perSplit));
    // The same images in the other order, in which they come class by class too.
    const backwards: ImageStream = {
      ...stream(),
      async *batches() {
        for (let i = 2999; i >= 0; i--) {
          yield { count: 1, width: 8, height: 8, data: all[0].data.subarray(i * 192, (i + 1) * 192) };
        }
      },
    };
    assert.ok(near(score!.perSplit, (await describeImages(backwards, first, 100)).score!.perSplit));
    assert.equal(sample.count, 100);
    assert.deepEqual([...sample.data.subarray(3, 6)], [...whole.features.data.subarray(90, 93)]); // every 30th image
  });

  it('the Inception score is that of the images, whether they lie flat and mixed or in class folders', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-score-'));
    try {
      const classes = Array.from({ length: 40 }, (_, i) => i % 4);
      for (const [i, label] of classes.entries()) {
        const background = { r: 80 * label, g: i, b: 0 };
        const png = sharp({ create: { width: 4, height: 4, channels: 3, background } }).png();
        for (const place of ['flat', `sorted/class-${label}`]) {
          mkdirSync(join(folder, place), { recursive: true });
          await png.clone().toFile(join(folder, place, `${String(i).padStart(2, '0')}.png`));
        }
      }
      const [flat, sorted] = await Promise.all(
        ['flat', 'sorted'].map((place) => describeImages(imageStream(join(folder, place)), first, 10)),
      );
      assert.ok(flat.score!.mean > 1.05, `${flat.score!.mean}`);
      assert.ok(Math.abs(flat.score!.mean - sorted.score!.mean) < 1e-12, `${flat.score!.mean} ${sorted.score!.mean}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('prints a table for people', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-table-'));
    try {
      const big = Uint8Array.from(bits(key(9), 5 * 32 * 32 * 3), (word) => word >>> 24);
      await writeImages(join(folder, 'images'), big, 32);
      const args = [join(folder, 'images'), '--reference', join(folder, 'images'), '--neighbours', '2'];
      const table = (await runVerb(evaluate, 'evaluate', ...args)).split('\n');
      assert.deepEqual(table.slice(0, 2), ['| metric | value | better | note |', '| --- | --: | --- | --- |']);
      assert.match(table[2], /^\| fid \| -?\d.* \| lower \| 5 images against 5 images, classifier features; biased/);
      assert.equal(table.length, 9);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('images of several sizes, broken files and empty folders', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-stream-'));
    try {
      for (const [i, side] of [4, 4, 6, 6, 4].entries()) {
        const background = { r: i * 10, g: 0, b: 0 };
        const file = join(folder, `${i}.png`);
        await sharp({ create: { width: side, height: side + 1, channels: 3, background } })
          .png()
          .toFile(file);
      }
      writeFileSync(join(folder, '2b.png'), 'broken');
      const stream = imageStream(folder);
      const seen: number[][] = [];
      for await (const { count, width, height } of stream.batches(10)) seen.push([count, width, height]);
      assert.deepEqual(seen, [[2, 4, 5], [2, 6, 7], [1, 4, 5]]); // biome-ignore format: a table
      assert.deepEqual(
        stream.skipped.map(({ file }) => file),
        ['2b.png'],
      );
      const { statistics } = await describeImages(imageStream(folder), first, 10);
      assert.equal(statistics.mean[0], 20);
      await assert.rejects(describeImages(imageStream(folder, { strict: true }), first, 10), /2b\.png/);
      for (const i of [0, 1, 2, 3]) rmSync(join(folder, `${i}.png`));
      await assert.rejects(describeImages(imageStream(folder), first, 10), /1 usable of 2 \(2b\.png/);
      assert.throws(() => imageStream('procedural:contrl'), /procedural:control/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
