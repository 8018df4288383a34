import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { proceduralDataset } from '../../src/data/procedural';
import { initVae } from '../../src/models/vae/vae';
import { latentsOf } from '../../src/recipes/data';
import { trainingProfile } from '../../src/recipes/profiles';
import { accuracyOf, measureVae, tokenModel } from '../../src/recipes/train-model';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key } from '../../src/runtime/random';
import { train } from '../../src/training/loop';
import { eagerStep } from '../../src/training/step';
import { classifierTask, type LatentSet, tokenTask, vaeTask } from '../../src/training/tasks';
import { loadTrainedModel, lossCurve, type Provenance, saveTrainedModel } from '../../src/training/trained-model';

const VAE = { ...trainingProfile('smoke').vae, width: 8, multipliers: [1, 2, 2], resolution: 16 };
const CLASSIFIER = { size: 16, classes: 10, width: 8, features: 16 };
const data = proceduralDataset({ perClass: 12, size: 16 });

describe('training/tasks', () => {
  let folder: string;
  before(async () => {
    await useBackend();
    folder = mkdtempSync(join(tmpdir(), 'cer-tasks-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const latents = async (): Promise<LatentSet> => {
    const parameters = initVae({ ...VAE, multipliers: [1, 1, 1, 1] }, key(1));
    const set = await latentsOf(
      proceduralDataset({ perClass: 4 }),
      parameters,
      { ...VAE, multipliers: [1, 1, 1, 1], resolution: 32, latentScale: 2 },
      { cache: folder },
    );
    tf.dispose([...parameters.values()]);
    return set;
  };

  it('batches are functions of the step alone', async () => {
    const set = await latents();
    const profile = trainingProfile('smoke');
    for (const task of [
      () => vaeTask(data, VAE, 4, 1e-3, key(2)),
      () => classifierTask(data, CLASSIFIER, 4, key(2)),
      ...(['mar', 'ar', 'cdm'] as const).map((name) => () => tokenTask(set, tokenModel(name, profile, 10), 4, key(2))),
    ]) {
      const before = tf.memory().numTensors;
      const [first, second] = [task(), task()];
      second.batch(0);
      const values = (batch: Record<string, tf.Tensor>) =>
        Object.entries(batch).map(([name, x]) => [name, x.shape, [...x.dataSync()]]);
      const expected = values(first.batch(3));
      assert.deepEqual(values(second.batch(3)), expected);
      assert.notDeepEqual(values(first.batch(4)), expected);
      assert.ok(tf.memory().numTensors > before);
    }
  });

  it('the autoencoder and the classifier learn', async function () {
    this.timeout(180_000); // seconds on a quiet machine
    const vae = await train(vaeTask(data, VAE, 16, 1e-3, key(3)), {
      steps: 60,
      schedule: { base: 3e-3, warmup: 5 },
      emaRate: 0.9,
      clipNorm: 1,
      makeStep: eagerStep,
    });
    // the best constant image gives about 10 dB
    const { psnr, std } = measureVae(vae.ema, VAE, data);
    assert.ok(psnr > 14 && std > 0, `psnr ${psnr}, std ${std}`);
    const classifier = await train(classifierTask(data, CLASSIFIER, 30, key(3)), {
      steps: 60,
      schedule: { base: 5e-3 },
      emaRate: 0.9,
      makeStep: eagerStep,
    });
    const accuracy = accuracyOf(classifier.ema, data);
    assert.ok(accuracy > 0.4, `accuracy ${accuracy}, chance 0.1`);
    tf.dispose([vae, classifier].flatMap((result) => [...result.parameters.values(), ...result.ema.values()]));
  });

  it('latents have the scale asked for, follow the mirror, and come back from the cache', async () => {
    const [set, again] = [await latents(), await latents()];
    assert.deepEqual(again, set);
    assert.deepEqual([set.side, set.channels, set.count], [4, 8, 40]);
    assert.notDeepEqual(set.mean[0], set.mean[1]);
    assert.ok(set.std[0].every((x) => x > 0));
  });

  it('a token model trains on latents drawn around their means', async () => {
    const set = await latents();
    const task = tokenTask(set, tokenModel('mar', trainingProfile('smoke'), 10), 40, key(5));
    const batch = task.batch(0);
    const sample = batch.latents.dataSync();
    // with as many images as a batch holds, every image is drawn once
    const plan = [...batch.labels.dataSync()].sort((a, b) => a - b);
    assert.deepEqual(
      plan,
      Array.from({ length: 40 }, (_, i) => Math.floor(i / 4)),
    );
    const mean = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0) / x.length;
    const expected = (mean(set.mean[0]) + mean(set.mean[1])) / 2;
    const spread =
      Math.sqrt(mean(set.std[0].map((s) => s * s)) / sample.length) + Math.abs(mean(set.mean[0]) - mean(set.mean[1]));
    assert.ok(Math.abs(mean(sample) - expected) < 5 * spread);
    tf.dispose(Object.values(batch));
  });

  it('weights come back with their configuration and provenance', () => {
    const parameters = initVae(VAE, foldIn(key(0), 1));
    const provenance = { model: 'vae', config: VAE, seed: 3, losses: [] } as unknown as Provenance;
    saveTrainedModel(folder, parameters, provenance);
    const loaded = loadTrainedModel<typeof VAE>('vae', folder);
    assert.deepEqual(loaded.config, VAE);
    const { weights, ...rest } = loaded.provenance!;
    assert.deepEqual(rest, provenance);
    assert.match(weights!, /^[0-9a-f]{64}$/);
    for (const [name, x] of parameters) assert.deepEqual(loaded.parameters.get(name)!.dataSync(), x.dataSync());
    assert.throws(() => loadTrainedModel('mar', folder), /mar.safetensors/);
  });

  it('a loss curve holds the mean of each window', () => {
    assert.deepEqual(lossCurve(Float64Array.of(1, 3, 5, 7, 9), 3), [
      { step: 2, loss: 2 },
      { step: 4, loss: 6 },
      { step: 5, loss: 9 },
    ]);
  });
});
