import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { classifierLoss, initClassifier } from '../../src/models/features/classifier';
import { drawMar, initMar, marConfig, marLoss } from '../../src/models/mar/mar';
import { vaeLoss } from '../../src/models/vae/vae';
import { initVae, type VaeConfig } from '../../src/models/vae/vae-config';
import { useBackend } from '../../src/runtime/backend';
import type { Parameters } from '../../src/runtime/parameters';
import { foldIn, type Key, key, normal } from '../../src/runtime/random';
import { type CompiledStepOptions, compiledStep } from '../../src/training/compiled-step';
import { type Shards, sampleShards, tokenShards } from '../../src/training/shards';
import { type Batch, eagerStep, type Loss, valueAndGradients } from '../../src/training/step';

interface Model {
  name: string;
  parameters(): Parameters;
  batch(key: Key): Batch;
  loss: Loss;
  /** How threads share a batch. */
  shards?: Shards;
  learningRate: number;
}

const gaussian = (key: Key, shape: number[]) =>
  tf.tensor(
    Float32Array.from(
      normal(
        key,
        shape.reduce((a, b) => a * b, 1),
      ),
    ),
    shape,
  );

/** Zero-initialised layers would make most gradients vanish; a little noise everywhere makes them all count. */
function stirred(parameters: Parameters, source: Key): Parameters {
  return new Map(
    [...parameters].map(([name, x]) => [name, tf.tidy(() => x.add(gaussian(foldIn(source, name), x.shape).mul(0.05)))]),
  );
}

const mar = marConfig({
  imageSize: 8,
  vaeStride: 2,
  latentChannels: 4,
  encoderWidth: 16,
  encoderDepth: 2,
  encoderHeads: 2,
  decoderWidth: 24,
  decoderDepth: 1,
  decoderHeads: 4,
  classes: 5,
  bufferSize: 3,
  headDepth: 2,
  headWidth: 32,
  timestepFrequencies: 32,
  noisesPerToken: 2,
});

const marBatch =
  (dropped: boolean) =>
  (source: Key): Batch => {
    const rates = dropped ? {} : { attentionDropout: 0, projectionDropout: 0 };
    const { dropout, ...draws } = drawMar({ ...mar, ...rates }, 4, source, { masked: 11 });
    const latents = gaussian(foldIn(source, 'latents'), [4, 4, 4, 4]);
    const named = Object.fromEntries(Object.entries(dropout ?? {}).map(([name, x]) => [`dropout.${name}`, x]));
    return { ...draws, ...named, latents, labels: tf.tensor1d([0, 4, 2, 1], 'int32') };
  };

const marTraining: Loss = (parameters, batch) => {
  const dropout = Object.fromEntries(
    Object.entries(batch).flatMap(([name, x]) => (name.startsWith('dropout.') ? [[name.slice(8), x]] : [])),
  );
  const draws = { ...batch, dropout: Object.keys(dropout).length > 0 ? dropout : undefined };
  return marLoss(parameters, mar, batch as never, draws as never);
};

const vae: VaeConfig = {
  imageChannels: 3,
  width: 8,
  multipliers: [1, 2],
  blocks: 1,
  resolution: 8,
  encoderAttention: [4],
  decoderAttention: [],
  bottleneck: 4,
  latentChannels: 4,
  groups: 4,
  latentScale: 1,
};
const classifier = { size: 8, classes: 4, width: 8, features: 12 };

const MODELS: Model[] = [
  {
    name: 'MAR with dropout',
    parameters: () => stirred(initMar(mar, key(1)), key(2)),
    batch: marBatch(true),
    shards: tokenShards(mar.noisesPerToken),
    loss: marTraining,
    learningRate: 1e-3,
  },
  {
    name: 'MAR without dropout',
    parameters: () => stirred(initMar(mar, key(1)), key(2)),
    batch: marBatch(false),
    shards: tokenShards(mar.noisesPerToken),
    loss: marTraining,
    learningRate: 1e-3,
  },
  {
    name: 'VAE',
    parameters: () => stirred(initVae(vae, key(3)), key(4)),
    batch: (source) => ({ images: gaussian(source, [2, 8, 8, 3]), noise: gaussian(foldIn(source, 1), [2, 4, 4, 4]) }),
    loss: (parameters, { images, noise }) =>
      vaeLoss(parameters, vae, images as tf.Tensor4D, noise as tf.Tensor4D, 1e-3),
    shards: sampleShards,
    learningRate: 1e-3,
  },
  {
    name: 'classifier',
    parameters: () => stirred(initClassifier(classifier, key(5)), key(6)),
    batch: (source) => ({
      images: gaussian(source, [4, 8, 8, 3]),
      targets: tf.oneHot(tf.tensor1d([0, 1, 2, 3], 'int32'), 4).cast('float32'),
    }),
    loss: (parameters, { images, targets }) =>
      classifierLoss(parameters, images as tf.Tensor4D, targets as tf.Tensor2D),
    learningRate: 1e-3,
  },
];

const largest = (x: ArrayLike<number>) =>
  Array.prototype.reduce.call(x, (m, v) => Math.max(m as number, Math.abs(v as number)), 0) as number;

async function agrees(model: Model, options: CompiledStepOptions = {}): Promise<void> {
  const parameters = model.parameters();
  const batch = model.batch(key(7));
  const expected = valueAndGradients(model.loss, parameters, batch);
  // One step without clipping, decay or moments' memory leaves (1 - beta1) g in the first moment.
  const step = compiledStep(model.loss, parameters, { ...options, beta1: 0 });
  const report = await step.update(batch, 0);
  // The bounds: 1e-5 for what a forward pass computes, 1e-4 of the largest value for gradients
  assert.ok(Math.abs(report.loss - expected.value) <= 1e-5 * Math.max(1, Math.abs(expected.value)));
  const { tensors } = step.exportState();
  let scale = 0;
  for (const gradient of expected.gradients.values()) scale = Math.max(scale, largest(gradient.dataSync()));
  for (const [name, gradient] of expected.gradients) {
    const want = gradient.dataSync();
    const have = tensors.get(`first.${name}`)!.data;
    const difference = largest(want.map((x, i) => x - have[i]));
    // Gradients that vanish in exact arithmetic (keys' bias) are compared with the scale of all.
    assert.ok(difference <= 1e-4 * Math.max(largest(want), 1e-2 * scale), `${name}: ${difference} of ${largest(want)}`);
  }
  step.dispose();
  tf.dispose([...parameters.values(), ...Object.values(batch), ...expected.gradients.values()]);
}

describe('compile whole models', () => {
  before(async () => {
    await useBackend();
  });

  for (const model of MODELS) {
    it(`${model.name}: loss and every gradient equal eager`, () => agrees(model));
    if (model.shards) {
      it(`${model.name}, a part of the batch on each thread: loss and every gradient equal eager`, () =>
        agrees(model, { threads: 2, shards: model.shards }));
    }

    it(`${model.name}: 50 training steps follow eager to 1e-3 in loss`, async () => {
      const parameters = model.parameters();
      const fast = compiledStep(model.loss, parameters, { clipNorm: 3 });
      const slow = eagerStep(model.loss, parameters, { clipNorm: 3 });
      let first = 0;
      let last = 0;
      for (let i = 0; i < 50; i++) {
        const batch = model.batch(key(100 + (i % 5)));
        const got = await fast.update(batch, model.learningRate);
        const want = await slow.update(batch, model.learningRate);
        assert.ok(
          Math.abs(got.loss - want.loss) <= 1e-3 * Math.max(1, Math.abs(want.loss)),
          `step ${i}: ${got.loss} against ${want.loss}`,
        );
        if (i < 5) first += want.loss;
        if (i >= 45) last += want.loss;
        tf.dispose(Object.values(batch));
      }
      assert.ok(last < first, `the loss does not fall: ${first / 5} to ${last / 5}`);
      fast.dispose();
      slow.dispose();
      tf.dispose([...parameters.values()]);
    });
  }
});
