import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { createDiffusion, type Diffusion } from '../../src/diffusion/gaussian-diffusion';
import { keyedNoise, normalTensor } from '../../src/diffusion/noise';
import { ddimStep, guide, splitOutput } from '../../src/diffusion/reverse-step';
import { invertDiffusion, type NoisePredictor, sampleDiffusion } from '../../src/diffusion/sampler';
import { useBackend } from '../../src/runtime/backend';
import { InvalidInputError } from '../../src/runtime/errors';
import { key } from '../../src/runtime/random';

const MEAN = 0.7;
const STD = 0.4;
const ROWS = 4000;

/** The exact noise prediction for normal data N(MEAN, STD^2), with the true variance of each reverse step. */
function exactNetwork(diffusion: Diffusion): NoisePredictor {
  const { alphaBar, betas, posteriorVariance, posteriorMeanOfStart, logBetas, posteriorLogVarianceClipped } =
    diffusion.tables;
  return (x, _, step) => {
    const total = alphaBar[step] * STD ** 2 + 1 - alphaBar[step];
    const epsilon = x.sub(Math.sqrt(alphaBar[step]) * MEAN).mul(Math.sqrt(1 - alphaBar[step]) / total);
    // Var[x_{t-1} | x_t] = posterior variance + c1^2 Var[x_0 | x_t]
    const spread = (STD ** 2 * (1 - alphaBar[step])) / total;
    const variance = Math.min(posteriorVariance[step] + posteriorMeanOfStart[step] ** 2 * spread, betas[step]);
    const low = posteriorLogVarianceClipped[step];
    const v = (2 * (Math.log(variance) - low)) / (logBetas[step] - low) - 1;
    return tf.concat([epsilon, tf.fill(x.shape, v)], 1) as tf.Tensor2D;
  };
}

function moments(x: tf.Tensor): { mean: number; std: number } {
  const { mean, variance } = tf.moments(x);
  return { mean: mean.dataSync()[0], std: Math.sqrt(variance.dataSync()[0]) };
}

describe('samplers', () => {
  before(async () => {
    await useBackend();
  });

  it('ancestral sampling with the exact network gives the law of the data', () => {
    const diffusion = createDiffusion({ respacing: '250' });
    const x = sampleDiffusion(diffusion, exactNetwork(diffusion), [ROWS, 1], keyedNoise(key(1)));
    const { mean, std } = moments(x);
    // four standard errors; the 250-step process adds less than 1 % to the std
    assert.ok(Math.abs(mean - MEAN) < (4 * STD) / Math.sqrt(ROWS), `mean ${mean}`);
    assert.ok(Math.abs(std / STD - 1) < 4 / Math.sqrt(2 * ROWS) + 0.01, `std ${std}`);
  });

  it('deterministic DDIM with the exact network is the affine map from noise to data', () => {
    const diffusion = createDiffusion({ respacing: '250' });
    const noise = keyedNoise(key(2));
    const x = sampleDiffusion(diffusion, exactNetwork(diffusion), [64, 1], noise, { method: 'ddim' });
    const expected = tf
      .tensor2d(noise.initial([64, 1]), [64, 1])
      .mul(STD)
      .add(MEAN);
    // discretisation of 250 steps
    assert.ok(x.sub(expected).abs().max().dataSync()[0] < 0.02);
  });

  it('inversion undoes deterministic DDIM up to discretisation', () => {
    const diffusion = createDiffusion({ respacing: '250' });
    const network = exactNetwork(diffusion);
    const start = normalTensor(key(3), [64, 1]).mul(STD).add(MEAN) as tf.Tensor2D;
    const encoded = invertDiffusion(diffusion, network, start);
    const back = sampleDiffusion(
      diffusion,
      network,
      [64, 1],
      { initial: () => encoded.dataSync() as Float32Array, step: () => new Float32Array(64) },
      { method: 'ddim' },
    );
    assert.ok(back.sub(start).abs().max().dataSync()[0] < 0.02);
    assert.equal(start.isDisposed, false);
  });

  it('temperature scales the spread and 0 removes the noise of the steps', () => {
    const diffusion = createDiffusion({ respacing: '25' });
    const network = exactNetwork(diffusion);
    const run = (temperature: number) =>
      moments(sampleDiffusion(diffusion, network, [ROWS, 1], keyedNoise(key(4)), { temperature })).std;
    assert.ok(run(0.5) < 0.8 * run(1));
    const cold = () => sampleDiffusion(diffusion, network, [8, 1], keyedNoise(key(4)), { temperature: 0 }).dataSync();
    assert.deepEqual(cold(), cold());
  });

  it('draws are keyed: the same key repeats, another differs, steps differ', () => {
    const first = keyedNoise(key(5));
    assert.deepEqual(first.step(3, [4, 2]), keyedNoise(key(5)).step(3, [4, 2]));
    assert.notDeepEqual(first.step(3, [4, 2]), first.step(4, [4, 2]));
    assert.notDeepEqual(first.initial([4, 2]), keyedNoise(key(6)).initial([4, 2]));
  });

  it('DDIM with eta 1 has the posterior standard deviation', () => {
    const diffusion = createDiffusion({ respacing: '25' });
    const zero = tf.zeros([1, 1]) as tf.Tensor2D;
    const one = tf.ones([1, 1]) as tf.Tensor2D;
    for (const step of [5, 10, 20]) {
      const output = tf.zeros([1, 2]) as tf.Tensor2D;
      const with1 = ddimStep(diffusion, output, zero, step, 1, one).sample.dataSync()[0];
      // abar is rounded to float32, as in the reference: 6e-8 of 1 against 1 - abar, which is 0.04 at step 5
      assert.ok(Math.abs(with1 / Math.sqrt(diffusion.tables.posteriorVariance[step]) - 1) < 1e-5);
    }
  });

  it('guidance 1 is conditional, 0 unconditional, 2 extrapolates; the variance stays conditional', () => {
    const [c, u] = [tf.tensor2d([[3, 0.5]]), tf.tensor2d([[1, -0.5]])];
    const at = (scale: number) => [...guide(c, u, scale).dataSync()];
    assert.deepEqual(at(1), [3, 0.5]);
    assert.deepEqual(at(0), [1, 0.5]);
    assert.deepEqual(at(2), [5, 0.5]);
    assert.deepEqual([...splitOutput(c).variance.dataSync()], [0.5]);
  });

  it('leaves no tensor behind and names wrong options', () => {
    const diffusion = createDiffusion({ respacing: '10' });
    const before = tf.memory().numTensors;
    sampleDiffusion(diffusion, exactNetwork(diffusion), [8, 1], keyedNoise(key(7))).dispose();
    sampleDiffusion(diffusion, exactNetwork(diffusion), [8, 1], keyedNoise(key(7)), {
      method: 'ddim',
      eta: 0.5,
    }).dispose();
    assert.equal(tf.memory().numTensors, before);
    const wrong = () => sampleDiffusion(diffusion, exactNetwork(diffusion), [8, 1], keyedNoise(key(7)), { eta: 2 });
    assert.throws(wrong, InvalidInputError);
  });
});
