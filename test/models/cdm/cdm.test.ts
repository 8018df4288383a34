import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../../src/diffusion/gaussian-diffusion';
import { keyedNoise, normalTensor } from '../../../src/diffusion/noise';
import { cdmConfig, cdmLoss, cdmNetwork, cdmShapes, drawCdm, initCdm } from '../../../src/models/cdm/cdm';
import { invertCdm, sampleCdm } from '../../../src/models/cdm/cdm-sample';
import { useBackend } from '../../../src/runtime/backend';
import type { Parameters } from '../../../src/runtime/parameters';
import { key, normal } from '../../../src/runtime/random';
import { adamW, initAdamW } from '../../../src/training/optimizer';
import { valueAndGradients } from '../../../src/training/step';
import { randomise } from '../randomise';

const config = cdmConfig({
  imageSize: 32,
  vaeStride: 8,
  latentChannels: 4,
  width: 32,
  depth: 2,
  heads: 4,
  classes: 5,
  labelDrop: 0.4,
  samplingSteps: '10',
});

describe('models/cdm/cdm', () => {
  let parameters: Parameters;
  before(async () => {
    await useBackend();
    parameters = randomise(initCdm(config, key(1)));
  });
  after(() => tf.dispose([...parameters.values()]));

  const batchOf = () => ({
    latents: normalTensor<tf.Rank.R4>(key(4), [3, 4, 4, 4]),
    labels: tf.tensor1d([1, 4, 0], 'int32'),
  });

  it('a fresh model predicts zero noise, so that its mean squared error is the mean square of the noise', () => {
    const fresh = initCdm(config, key(2));
    const draws = drawCdm(config, 3, key(3));
    const batch = batchOf();
    const out = tf.tidy(() => {
      const tokens = batch.latents.reshape([3, 16, 4]) as tf.Tensor3D;
      const output = cdmNetwork(fresh, config, tokens, draws.steps, tf.ones([3, 32]));
      return [output.abs().max().dataSync()[0], cdmLoss(fresh, config, batch, draws).dataSync()[0]];
    });
    assert.equal(out[0], 0);
    const noise = draws.noise.dataSync() as Float32Array;
    const meanSquare = noise.reduce((sum, x) => sum + x * x, 0) / noise.length;
    // vb >= 0 is added; with a variance half-way between its bounds it is small beside 1.
    assert.ok(out[1] >= meanSquare - 1e-4 && out[1] < meanSquare + 1, `${out[1]} against ${meanSquare}`);
    tf.dispose([...fresh.values(), ...Object.values(draws), ...Object.values(batch)]);
  });

  it('every token sees every other, and every weight has a gradient', () => {
    const tokens = normalTensor<tf.Rank.R3>(key(5), [1, 16, 4]);
    const [base, moved] = tf.tidy(() => {
      const run = (x: tf.Tensor3D) => cdmNetwork(parameters, config, x, tf.tensor1d([300], 'int32'), tf.zeros([1, 32]));
      const bump = tf
        .oneHot(tf.tensor1d([9], 'int32'), 16)
        .reshape([1, 16, 1])
        .mul(3);
      return [run(tokens).arraySync()[0], run(tokens.add(bump) as tf.Tensor3D).arraySync()[0]];
    });
    base.forEach((row, i) =>
      assert.ok(
        row.some((x, c) => Math.abs(x - moved[i][c]) > 1e-5),
        `token ${i}`,
      ),
    );
    const draws = { ...drawCdm(config, 3, key(3)), labelKept: tf.tensor2d([0, 1, 1], [3, 1]) };
    const batch = batchOf();
    const loss = (weights: Parameters) => cdmLoss(weights, config, batch, draws);
    const { gradients } = valueAndGradients(loss, parameters, {});
    for (const [name, gradient] of gradients) {
      assert.ok(tf.tidy(() => gradient.abs().max().dataSync()[0]) > 0, `${name} has no gradient`);
    }
    assert.deepEqual([...gradients.keys()], [...cdmShapes(config).keys()]);
    tf.dispose([tokens, ...gradients.values(), ...Object.values(draws), ...Object.values(batch)]);
  });

  it('the loss of a batch is the mean of the losses of its images, each with its own step, label and noise', () => {
    const draws = { ...drawCdm(config, 3, key(3)), labelKept: tf.tensor2d([1, 0, 1], [3, 1]) };
    const batch = batchOf();
    tf.tidy(() => {
      const single = [0, 1, 2].map((i) => {
        const image = { latents: batch.latents.slice([i], [1]), labels: batch.labels.slice([i], [1]) };
        const own = {
          labelKept: draws.labelKept.slice([i], [1]),
          steps: draws.steps.slice([i], [1]),
          noise: draws.noise.slice([16 * i], [16]),
        };
        return cdmLoss(parameters, config, image, own).dataSync()[0];
      });
      const mean = (single[0] + single[1] + single[2]) / 3;
      const whole = cdmLoss(parameters, config, batch, draws).dataSync()[0];
      assert.ok(Math.abs(whole - mean) < 1e-4 * mean, `${whole}, not ${mean}`); // float32 sums in another order
    });
    tf.dispose([...Object.values(draws), ...Object.values(batch)]);
  });

  it('guidance 0 under deterministic DDIM is sampling without a class', () => {
    const values = (options: { classes: number[] | number; guidance?: number }) => {
      const out = sampleCdm(parameters, config, keyedNoise(key(11)), {
        method: 'ddim',
        respacing: 'ddim5',
        ...options,
      });
      const array = out.dataSync() as Float32Array;
      out.dispose();
      return array;
    };
    const [guided, free] = [values({ classes: [1, 3], guidance: 0 }), values({ classes: 2 })];
    const size = free.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    guided.forEach((x, i) => assert.ok(Math.abs(x - free[i]) < 1e-4 * size, `${x}, not ${free[i]}`));
  });

  it('learns: the loss on fixed draws falls', () => {
    let weights = initCdm(config, key(6));
    let state = initAdamW(weights);
    const draws = drawCdm(config, 3, key(7));
    const batch = batchOf();
    const losses: number[] = [];
    for (let step = 0; step < 20; step++) {
      const { value, gradients } = valueAndGradients((w) => cdmLoss(w, config, batch, draws), weights, {});
      losses.push(value);
      const next = adamW(weights, gradients, state, { learningRate: 3e-3 });
      tf.dispose([...weights.values(), ...gradients.values()]);
      weights = next.parameters;
      state = next.state;
    }
    assert.ok(losses[19] < 0.7 * losses[0], `${losses[0]} to ${losses[19]}`);
    tf.dispose([...weights.values(), ...Object.values(draws), ...Object.values(batch)]);
  });

  it('samples by key, guided or not, and leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const sample = (seed: number, options: object) => {
      const out = sampleCdm(parameters, config, keyedNoise(key(seed)), { classes: [1, 3], ...options });
      assert.deepEqual(out.shape, [2, 4, 4, 4]);
      const values = [...out.dataSync()];
      out.dispose();
      assert.ok(values.every(Number.isFinite));
      return values.join();
    };
    const all = [sample(1, {}), sample(2, {}), sample(1, { guidance: 2 }), sample(1, { method: 'ddim' })];
    all.push(sample(1, { classes: [1, 2] }), sample(1, { classes: 2 }), sample(1, { respacing: '5' }));
    assert.equal(new Set(all).size, all.length);
    assert.equal(sample(1, {}), all[0]);
    assert.equal(tf.memory().numTensors, before);
  });

  it('DDIM inversion follows the closed-form path of a network whose prediction is constant', () => {
    // With epsilon = b everywhere, x_t = sqrt(abar_t) s + sqrt(1 - abar_t) b, where s is the start implied at step 0.
    const constant: Parameters = new Map(parameters);
    const bias = Float32Array.from(normal(key(10), 8));
    constant.set('final_layer.linear.weight', tf.zerosLike(parameters.get('final_layer.linear.weight')!));
    constant.set('final_layer.linear.bias', tf.tensor1d(bias));
    const latents = normalTensor<tf.Rank.R4>(key(8), [2, 4, 4, 4]);
    const x = latents.dataSync();
    const { alphaBar } = createDiffusion({ respacing: '20' }).tables;
    let checked = 0;
    const noise = invertCdm(constant, config, latents, {
      classes: [0, 4],
      respacing: '20',
      guidance: 3,
      onStep: (step, { predictedStart }) => {
        if (alphaBar[step] < 1e-3) return; // rounding of x_t is amplified by 1 / sqrt(abar)
        predictedStart.dataSync().forEach((value, i) => {
          const start = (x[i] - Math.sqrt(1 - alphaBar[0]) * bias[i % 4]) / Math.sqrt(alphaBar[0]);
          assert.ok(Math.abs(value - start) < 1e-4, `step ${step}: ${value}, not ${start}`);
        });
        checked++;
      },
    });
    assert.ok(checked >= 18);
    noise.dataSync().forEach((value, i) => assert.ok(Math.abs(value - bias[i % 4]) < 1e-2));
    tf.dispose([latents, noise, constant.get('final_layer.linear.weight')!, constant.get('final_layer.linear.bias')!]);
  });
});
