import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../../src/diffusion/noise';
import {
  causalArConfig,
  causalArLoss,
  causalConditions,
  drawCausalAr,
  initCausalAr,
} from '../../../src/models/ar/causal-ar';
import { sampleCausalAr } from '../../../src/models/ar/causal-ar-sample';
import { keyedDraws } from '../../../src/models/sample-step';
import { fewerSteps } from '../../../src/models/token-sampler';
import { useBackend } from '../../../src/runtime/backend';
import type { Parameters } from '../../../src/runtime/parameters';
import { key } from '../../../src/runtime/random';
import { valueAndGradients } from '../../../src/training/step';
import { randomise } from '../randomise';

const config = causalArConfig({
  imageSize: 32,
  vaeStride: 8,
  latentChannels: 4,
  width: 32,
  depth: 2,
  heads: 4,
  classes: 5,
  headDepth: 2,
  headWidth: 32,
  noisesPerToken: 2,
  labelDrop: 0.4,
  samplingSteps: '8',
});
const TOKENS = 16;

describe('models/ar/causal-ar', () => {
  let parameters: Parameters;
  let tokens: tf.Tensor3D;
  before(async () => {
    await useBackend();
    parameters = randomise(initCausalAr(config, key(1)));
    tokens = normalTensor<tf.Rank.R3>(key(2), [2, TOKENS, 4]);
  });
  after(() => tf.dispose([tokens, ...parameters.values()]));

  it('condition i depends on tokens before i and on no other', () => {
    const classes = tf.zeros([2, 32]) as tf.Tensor2D;
    const base = tf.tidy(() => causalConditions(parameters, config, tokens, classes).arraySync());
    for (const changed of [0, 7, 15]) {
      const moved = tf.tidy(() => {
        const bump = tf
          .oneHot(tf.tensor1d([changed], 'int32'), TOKENS)
          .reshape([1, TOKENS, 1])
          .mul(3);
        return causalConditions(parameters, config, tokens.add(bump) as tf.Tensor3D, classes).arraySync();
      });
      for (let i = 0; i < TOKENS; i++) {
        const difference = Math.max(...base[1][i].map((x, c) => Math.abs(x - moved[1][i][c])));
        // Masked scores are -1e9, which underflows to an exact zero weight: earlier conditions agree exactly.
        if (i <= changed) assert.equal(difference, 0, `token ${changed} reaches condition ${i}`);
        else assert.ok(difference > 1e-4, `token ${changed} does not reach condition ${i}`);
      }
    }
    classes.dispose();
  });

  it('the loss has the directional derivative that its gradients say, and leaks nothing', () => {
    const draws = { ...drawCausalAr(config, 2, key(3)), labelKept: tf.tensor2d([0, 1], [2, 1]) };
    const batch = {
      latents: normalTensor<tf.Rank.R4>(key(4), [2, 4, 4, 4]),
      labels: tf.tensor1d([1, 4], 'int32'),
    };
    const loss = (weights: Parameters) => causalArLoss(weights, config, batch, draws);
    const before = tf.memory().numTensors;
    const { value, gradients } = valueAndGradients((weights) => tf.tidy(() => loss(weights)), parameters, {});
    // Central difference along a direction, in float32: error about value * 1e-7 / step + step^2.
    const names = [...parameters.keys()].filter((name) => !name.includes('qkv.bias'));
    const along = (sign: number) => {
      const shifted: Parameters = new Map(parameters);
      for (const name of names)
        shifted.set(name, parameters.get(name)!.add(gradients.get(name)!.mul((sign * 1e-2) / norm)));
      const result = tf.tidy(() => loss(shifted)).dataSync()[0];
      return result;
    };
    const norm = Math.sqrt(
      names.reduce((sum, name) => sum + tf.tidy(() => gradients.get(name)!.square().sum().dataSync()[0]), 0),
    );
    const slope = tf.tidy(() => (along(1) - along(-1)) / 2e-2);
    assert.ok(Math.abs(slope - norm) < 0.02 * norm, `slope ${slope}, gradient norm ${norm}, loss ${value}`);
    for (const name of ['class_emb.weight', 'fake_latent', 'pos_embed_learned', 'blocks.0.attn.qkv.weight']) {
      assert.ok(tf.tidy(() => gradients.get(name)!.abs().max().dataSync()[0]) > 0, `${name} has no gradient`);
    }
    tf.dispose([...gradients.values()]);
    tf.dispose([tf.tidy(() => loss(parameters))]);
    assert.ok(tf.memory().numTensors <= before + 1);
    tf.dispose([...Object.values(draws), ...Object.values(batch)]);
  });

  it('the loss of a batch is the mean of the losses of its samples, each with its own draws', () => {
    const draws = { ...drawCausalAr(config, 2, key(3)), labelKept: tf.tensor2d([0, 1], [2, 1]) };
    const batch = { latents: normalTensor<tf.Rank.R4>(key(4), [2, 4, 4, 4]), labels: tf.tensor1d([1, 4], 'int32') };
    tf.tidy(() => {
      // Rows are (repeat, sample, token): sample b owns rows 16 b .. of each of the two repeats of 32 rows.
      const rows = (b: number) =>
        tf.tensor1d(
          [0, 32].flatMap((r) => Array.from({ length: 16 }, (_, i) => r + 16 * b + i)),
          'int32',
        );
      const single = [0, 1].map((b) => {
        const own = {
          labelKept: draws.labelKept.slice([b], [1]),
          steps: tf.gather(draws.steps, rows(b)),
          noise: tf.gather(draws.noise, rows(b)),
        };
        const sample = { latents: batch.latents.slice([b], [1]), labels: batch.labels.slice([b], [1]) };
        return causalArLoss(parameters, config, sample, own).dataSync()[0];
      });
      const whole = causalArLoss(parameters, config, batch, draws).dataSync()[0];
      const mean = (single[0] + single[1]) / 2;
      assert.ok(Math.abs(whole - mean) < 1e-4 * mean, `${whole}, not ${mean}`); // float32 sums in another order
    });
    tf.dispose([...Object.values(draws), ...Object.values(batch)]);
  });

  it('guidance grows linearly with the generated share, and guidance 0 under DDIM is sampling without a class', async () => {
    const scales: number[] = [];
    const run = async (options: {
      classes: number[] | number;
      guidance?: number;
      guidanceSchedule?: 'linear' | 'constant';
    }) => {
      const out = await sampleCausalAr(parameters, config, keyedDraws(key(11)), {
        method: 'ddim',
        respacing: 'ddim4',
        onStep: ({ guidance }) => scales.push(guidance),
        ...options,
      });
      const values = out.dataSync() as Float32Array;
      out.dispose();
      return values;
    };
    await run({ classes: [1], guidance: 3 });
    assert.deepEqual(
      scales,
      Array.from({ length: TOKENS }, (_, i) => 1 + (2 * (i + 1)) / TOKENS),
    );
    const guided = await run({ classes: [1], guidance: 0, guidanceSchedule: 'constant' });
    const free = await run({ classes: 1 });
    const size = free.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    guided.forEach((x, i) => assert.ok(Math.abs(x - free[i]) < 1e-3 * size, `${x}, not ${free[i]}`));
  });

  for (const guidance of [1, 2.5]) {
    it(`generation with the cache equals generation without it (guidance ${guidance})`, async () => {
      const before = tf.memory().numTensors;
      const options = { classes: [3, 0], guidance, temperature: 0.9, respacing: fewerSteps(8, 3) };
      const cached = await sampleCausalAr(parameters, config, keyedDraws(key(5)), options);
      const plain = await sampleCausalAr(parameters, config, keyedDraws(key(5)), { ...options, cache: false });
      assert.deepEqual(cached.shape, [2, 4, 4, 4]);
      const [a, b] = [cached.dataSync() as Float32Array, plain.dataSync() as Float32Array];
      const size = a.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
      const worst = a.reduce((top, x, i) => Math.max(top, Math.abs(x - b[i])), 0);
      // The same sums in another order, fed back over 16 tokens: float32 rounding, relative to the largest value.
      assert.ok(Number.isFinite(size) && worst < 1e-4 * size, `worst ${worst} of ${size}`);
      tf.dispose([cached, plain]);
      assert.equal(tf.memory().numTensors, before);
    });
  }

  it('teacher forcing on its own sample gives the conditions that generation used', async () => {
    const used: number[][] = [];
    const denoised: number[] = [];
    const latents = await sampleCausalAr(parameters, config, keyedDraws(key(6)), {
      classes: 1,
      method: 'ddim',
      onStep: ({ conditions }) => used.push([...conditions.dataSync()]),
      onDenoise: ({ diffusionStep, tokens: [row], noised }) => {
        if (diffusionStep === 0) denoised.push(row, ...noised.dataSync());
      },
    });
    const again = tf.tidy(() => {
      const fake = parameters.get('fake_latent') as tf.Tensor2D;
      return causalConditions(parameters, config, latents.reshape([1, TOKENS, 4]), fake).arraySync()[0];
    });
    assert.equal(used.length, TOKENS);
    const values = [...latents.dataSync()];
    assert.deepEqual(denoised, Array.from({ length: TOKENS }, (_, i) => [i, ...values.slice(4 * i, 4 * i + 4)]).flat());
    for (let i = 0; i < TOKENS; i++) {
      // Values of order one; float32 rounding of another order of sums.
      for (let c = 0; c < 32; c++) assert.ok(Math.abs(again[i][c] - used[i][c]) < 1e-3, `condition ${i}`);
    }
    latents.dispose();
  });

  it('a hook sees every step and its conditions are used; guidance and temperature change the sample', async () => {
    const seen: number[] = [];
    const before = tf.memory().numTensors;
    const sample = async (extra: object) => {
      const out = await sampleCausalAr(parameters, config, keyedDraws(key(7)), {
        classes: [2, 2],
        respacing: 4,
        ...extra,
      });
      const values = [...out.dataSync()];
      out.dispose();
      return values.join();
    };
    const hooked = await sample({
      conditionHook: (step: {
        step: number;
        positions: Int32Array;
        classes: Int32Array;
        conditions: tf.Tensor2D;
        shortSample: (c: tf.Tensor2D, n: number) => tf.Tensor2D;
      }) => {
        seen.push(step.step);
        assert.deepEqual([...step.positions, ...step.classes], [step.step, step.step, 2, 2]);
        const prior = step.shortSample(step.conditions, 2);
        assert.deepEqual(prior.shape, [2, 4]);
        prior.dispose();
        return step.conditions.mul(0.5);
      },
    });
    assert.deepEqual(
      seen,
      Array.from({ length: TOKENS }, (_, i) => i),
    );
    const all = [hooked, await sample({}), await sample({ guidance: 3 }), await sample({ temperature: 0.5 })];
    all.push(await sample({ guidance: 3, guidanceSchedule: 'constant' }), await sample({ classes: [2, 1] }));
    assert.equal(new Set(all).size, all.length);
    assert.equal(await sample({}), all[1], 'the same key gives the same sample');
    assert.equal(tf.memory().numTensors, before);
  });

  it('refuses bad classes, configurations and step numbers', async () => {
    const bad = (classes: number[]) => sampleCausalAr(parameters, config, keyedDraws(key(0)), { classes });
    await assert.rejects(bad([5]), { name: 'InvalidInputError', message: /0 to 4/ });
    assert.throws(() => causalArConfig({ width: 30, heads: 4 }), { name: 'InvalidInputError' });
    assert.throws(() => fewerSteps(0, 10), { name: 'InvalidInputError' });
    assert.deepEqual(
      [0, 5, 10].map((step) => fewerSteps(100, 20)(step, 11)),
      [100, 60, 20],
    );
  });
});
