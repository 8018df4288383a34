import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../../src/diffusion/noise';
import {
  decodeLatents,
  encode,
  encodeLatents,
  initVae,
  KL16,
  posteriorKl,
  posteriorNll,
  samplePosterior,
  type VaeConfig,
  vaeLoss,
  vaeShapes,
} from '../../../src/models/vae/vae';
import { useBackend } from '../../../src/runtime/backend';
import { InvalidInputError } from '../../../src/runtime/errors';
import { key } from '../../../src/runtime/random';
import { valueAndGradients } from '../../../src/training/step';

const SMALL: VaeConfig = {
  imageChannels: 3,
  width: 4,
  multipliers: [1, 2, 2],
  blocks: 1,
  resolution: 16,
  encoderAttention: [8],
  decoderAttention: [4],
  bottleneck: 3,
  latentChannels: 2,
  groups: 2,
  latentScale: 0.5,
};

describe('vae', () => {
  before(async () => {
    await useBackend();
  });

  it('KL-16 maps 256 pixels to 16 and has the published number of weights', () => {
    const count = [...vaeShapes(KL16).values()].reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0);
    assert.equal(KL16.resolution / 2 ** (KL16.multipliers.length - 1), 16);
    assert.ok(count > 65e6 && count < 68e6, `${count}`); // about 66 million
  });

  it('encodes to a quarter of the size and decodes back, scaled', () => {
    const parameters = initVae(SMALL, key(1));
    assert.deepEqual([...parameters.keys()], [...vaeShapes(SMALL).keys()]);
    const images = normalTensor<tf.Rank.R4>(key(2), [2, 16, 16, 3]).clipByValue(-1, 1) as tf.Tensor4D;
    const before = tf.memory().numTensors;
    const latents = encodeLatents(parameters, SMALL, images);
    assert.deepEqual(latents.shape, [2, 4, 4, 2]);
    const decoded = decodeLatents(parameters, SMALL, latents);
    assert.deepEqual(decoded.shape, images.shape);
    assert.equal(tf.memory().numTensors, before + 2);
    const { mean } = encode(parameters, SMALL, images);
    assert.ok(latents.sub(mean.mul(0.5)).abs().max().dataSync()[0] < 1e-6); // float32
    assert.throws(() => encode(parameters, SMALL, tf.zeros([1, 10, 16, 3])), InvalidInputError);
  });

  it('images of a batch do not see each other', () => {
    const parameters = initVae(SMALL, key(1));
    const images = normalTensor<tf.Rank.R4>(key(2), [2, 16, 16, 3]);
    const both = encode(parameters, SMALL, images).mean.slice(1, 1);
    const alone = encode(parameters, SMALL, images.slice(1, 1)).mean;
    assert.ok(both.sub(alone).abs().max().dataSync()[0] < 1e-5); // float32
  });

  it('posterior terms have their closed forms', () => {
    const posterior = { mean: tf.fill([1, 1, 1, 2], 3), logVariance: tf.fill([1, 1, 1, 2], Math.log(4)) } as const;
    const typed = posterior as { mean: tf.Tensor4D; logVariance: tf.Tensor4D };
    const kl = 2 * 0.5 * (9 + 4 - 1 - Math.log(4));
    assert.ok(Math.abs(posteriorKl(typed).dataSync()[0] - kl) < 1e-5);
    const nll = 2 * 0.5 * (Math.log(2 * Math.PI) + Math.log(4) + (5 - 3) ** 2 / 4);
    assert.ok(Math.abs(posteriorNll(typed, tf.fill([1, 1, 1, 2], 5)).dataSync()[0] - nll) < 1e-5);
    assert.deepEqual([...samplePosterior(typed, tf.ones([1, 1, 1, 2])).dataSync()], [5, 5]);
  });

  it('the loss falls along its gradient, as fast as the gradient says', () => {
    const parameters = initVae(SMALL, key(1));
    const images = normalTensor<tf.Rank.R4>(key(2), [2, 16, 16, 3]).mul(0.3) as tf.Tensor4D;
    const noise = normalTensor<tf.Rank.R4>(key(3), [2, 4, 4, 2]);
    const loss = (weights: typeof parameters) => vaeLoss(weights, SMALL, images, noise, 0.01);
    const { value, gradients } = valueAndGradients(loss, parameters, {});
    assert.equal(gradients.size, parameters.size);
    const squared = [...gradients.values()].reduce((sum, g) => sum + g.square().sum().dataSync()[0], 0);
    const step = 1e-2 / Math.sqrt(squared);
    const moved = (sign: number) =>
      loss(
        new Map([...parameters].map(([name, w]) => [name, w.add(gradients.get(name)!.mul(sign * step))])),
      ).dataSync()[0];
    const slope = (moved(1) - moved(-1)) / (2 * step);
    assert.ok(Math.abs(slope / squared - 1) < 0.02, `${slope} against ${squared}`); // float32 differences
    assert.ok(moved(-1) < value);
  });
});
