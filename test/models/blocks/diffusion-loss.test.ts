import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { keyedNoise, normalTensor } from '../../../src/diffusion/noise';
import {
  type DiffusionHeadConfig,
  diffusionHead,
  diffusionHeadShapes,
  diffusionLoss,
  diffusionLossTerms,
  initDiffusionHead,
} from '../../../src/models/blocks/diffusion-loss';
import { invertTokens, sampleTokens } from '../../../src/models/token-sampler';
import { useBackend } from '../../../src/runtime/backend';
import { InvalidInputError } from '../../../src/runtime/errors';
import type { Parameters } from '../../../src/runtime/parameters';
import { foldIn, key, randint } from '../../../src/runtime/random';

const CONFIG: DiffusionHeadConfig = { channels: 3, conditionWidth: 6, width: 16, depth: 2, frequencies: 32 };
const ROWS = 10;

/** Weights without the zeros of a fresh head, so that everything matters. */
function livelyHead(): Parameters {
  const source = key(11);
  return new Map(
    [...diffusionHeadShapes(CONFIG)].map(([name, shape]) => [name, normalTensor(foldIn(source, name), shape).mul(0.2)]),
  );
}

function batch() {
  return {
    tokens: normalTensor(key(1), [ROWS, CONFIG.channels]) as tf.Tensor2D,
    conditions: normalTensor(key(2), [ROWS, CONFIG.conditionWidth]) as tf.Tensor2D,
    draws: {
      steps: tf.tensor1d(randint(key(3), ROWS, 0, 1000), 'int32'),
      noise: normalTensor(key(4), [ROWS, CONFIG.channels]) as tf.Tensor2D,
    },
  };
}

describe('diffusion loss', () => {
  before(async () => {
    await useBackend();
  });

  it('a fresh head predicts zero noise, so its error is the noise itself', () => {
    const { tokens, conditions, draws } = batch();
    const fresh = initDiffusionHead(CONFIG, key(5));
    const { mse } = diffusionLossTerms(fresh, tokens, conditions, draws);
    assert.deepEqual([...mse.dataSync()], [...draws.noise.square().mean(1).dataSync()]);
    assert.equal(fresh.size, diffusionHeadShapes(CONFIG).size);
  });

  it('gathering masked rows first equals the masked mean', () => {
    const { tokens, conditions, draws } = batch();
    const head = livelyHead();
    const rows = tf.tensor1d([1, 4, 5, 9], 'int32');
    const mask = tf.tensor1d(Array.from({ length: ROWS }, (_, i) => ([1, 4, 5, 9].includes(i) ? 1 : 0)));
    const masked = diffusionLoss(head, tokens, conditions, draws, { mask }).dataSync()[0];
    const gathered = diffusionLoss(head, tf.gather(tokens, rows), tf.gather(conditions, rows), {
      steps: tf.gather(draws.steps, rows),
      noise: tf.gather(draws.noise, rows),
    }).dataSync()[0];
    assert.ok(Math.abs(masked / gathered - 1) < 1e-5); // float32 sums in another order
  });

  it('one step number for all rows equals the same number per row', () => {
    const { tokens, conditions } = batch();
    const head = livelyHead();
    const once = diffusionHead(head, tokens, tf.tensor1d([77], 'int32'), conditions);
    const each = diffusionHead(head, tokens, tf.fill([ROWS], 77, 'int32') as tf.Tensor1D, conditions);
    assert.ok(once.sub(each).abs().max().dataSync()[0] < 1e-6); // float32
  });

  it('guidance 1 ignores the unconditional rows; equal conditions make guidance irrelevant', () => {
    const { conditions } = batch();
    const head = livelyHead();
    const run = (guidance: number, unconditional?: tf.Tensor2D) =>
      sampleTokens(head, conditions, keyedNoise(key(6)), { prefix: 'net.', respacing: '10', guidance, unconditional });
    const plain = run(1);
    assert.deepEqual([...run(1, tf.zerosLike(conditions)).dataSync()], [...plain.dataSync()]);
    const scale = plain.abs().max().dataSync()[0];
    assert.ok(run(3, conditions.clone()).sub(plain).abs().max().dataSync()[0] < 1e-5 * scale);
    assert.ok(run(3, tf.zerosLike(conditions)).sub(plain).abs().max().dataSync()[0] > 1e-3 * scale);
    assert.throws(() => run(3), InvalidInputError);
  });

  it('rows are sampled independently of each other', () => {
    const { conditions } = batch();
    const head = livelyHead();
    const draws = keyedNoise(key(7));
    const recorded = { initial: () => draws.initial([ROWS, 3]), step: (step: number) => draws.step(step, [ROWS, 3]) };
    const half = {
      initial: () => recorded.initial().slice(0, 4 * 3),
      step: (step: number) => recorded.step(step).slice(0, 4 * 3),
    };
    const options = { prefix: 'net.', respacing: '10' };
    const all = sampleTokens(head, conditions, recorded, options).slice(0, 4);
    const some = sampleTokens(head, conditions.slice(0, 4), half, options);
    const scale = all.abs().max().dataSync()[0];
    assert.ok(all.sub(some).abs().max().dataSync()[0] < 1e-5 * scale); // float32
  });

  it('a replacement head is used for every step, with guidance on both halves', () => {
    const { conditions } = batch();
    const head = livelyHead();
    const seen: number[][] = [];
    const options = { prefix: 'net.', respacing: '5', guidance: 2, unconditional: tf.zerosLike(conditions) };
    const replaced = sampleTokens(head, conditions, keyedNoise(key(8)), {
      ...options,
      head: (x, steps, c) => {
        seen.push([x.shape[0], c.shape[0], steps.dataSync()[0]]);
        return diffusionHead(head, x, steps, c);
      },
    });
    assert.deepEqual(
      seen,
      [999, 749, 500, 250, 0].map((step) => [2 * ROWS, 2 * ROWS, step]),
    );
    const plain = sampleTokens(head, conditions, keyedNoise(key(8)), options);
    const scale = plain.abs().max().dataSync()[0];
    assert.ok(replaced.sub(plain).abs().max().dataSync()[0] < 1e-5 * scale);
  });

  it('sampling and inversion leave no tensor but their result', () => {
    const { tokens, conditions } = batch();
    const head = livelyHead();
    const free = tf.zerosLike(conditions);
    const before = tf.memory().numTensors;
    const options = { prefix: 'net.', respacing: 'ddim10', guidance: 2, unconditional: free };
    sampleTokens(head, conditions, keyedNoise(key(9)), options).dispose();
    invertTokens(head, tokens, conditions, options).dispose();
    assert.equal(tf.memory().numTensors, before);
  });
});
