import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../src/diffusion/gaussian-diffusion';
import { normalTensor } from '../../src/diffusion/noise';
import { addNoise, predictReverse } from '../../src/diffusion/reverse-step';
import { gaussianKl, lossTerms, stopGradient } from '../../src/diffusion/training-loss';
import { useBackend } from '../../src/runtime/backend';
import { key } from '../../src/runtime/random';

const diffusion = createDiffusion();
const STEPS = [0, 1, 5, 250, 998, 999];

function example() {
  const start = normalTensor(key(1), [STEPS.length, 3]).mul(0.5) as tf.Tensor2D;
  const noise = normalTensor(key(2), [STEPS.length, 3]) as tf.Tensor2D;
  const steps = tf.tensor1d(STEPS, 'int32');
  return { start, noise, steps, noised: addNoise(diffusion, start, steps, noise) };
}

describe('training loss', () => {
  before(async () => {
    await useBackend();
  });

  it('a perfect prediction with the posterior variance costs nothing after step 0', () => {
    const { start, noise, steps, noised } = example();
    const output = tf.concat([noise, tf.fill(noise.shape, -1)], 1) as tf.Tensor2D;
    const { mse, vb } = lossTerms(diffusion, output, start, noised, steps, noise);
    assert.equal(mse.max().dataSync()[0], 0);
    // At step 999 x_0 is recovered from 1/sqrt(abar) ~ 2e4 times rounding; the posterior forgets it there.
    for (const bits of vb.slice(1).dataSync()) assert.ok(Math.abs(bits) < 1e-4, `${bits} bits`);
  });

  it('at step 0 it is the negative log probability of a bin of width 2/255, open at both ends', () => {
    const mean = 0.3;
    const scale = Math.exp(0.5 * diffusion.tables.posteriorLogVarianceClipped[0]);
    const cdf = (x: number) => 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    for (const x of [0.3, 0.305, 1, -1]) {
      const near = Math.abs(x) === 1 ? Math.sign(x) * 0.998 : mean;
      const upper = x === 1 ? 1 : cdf((x - near + 1 / 255) / scale);
      const lower = x === -1 ? 0 : cdf((x - near - 1 / 255) / scale);
      const expected = -Math.log2(Math.max(upper - lower, 1e-12));
      // Choose the noise prediction so that the reverse mean, which at step 0 is x_0, is `near`.
      const { sqrtReciprocalAlphaBar: r, sqrtReciprocalMinusOne: rm } = diffusion.tables;
      const output = tf.tensor2d([[(r[0] * 0.2 - near) / rm[0], -1]]);
      const given = [tf.tensor2d([[x]]), tf.tensor2d([[0.2]]), tf.tensor1d([0], 'int32'), tf.zeros([1, 1])] as const;
      const { vb } = lossTerms(diffusion, output, given[0], given[1], given[2], given[3] as tf.Tensor2D);
      // float32: the mean is a difference of numbers about 40 times larger than the bin
      assert.ok(Math.abs(vb.dataSync()[0] - expected) < 0.02 * Math.max(1, expected), `x = ${x}`);
    }
  });

  it('the variational term trains the variance and not the noise prediction', () => {
    const { start, noise, steps, noised } = example();
    const output = normalTensor(key(3), [STEPS.length, 6]).mul(0.3) as tf.Tensor2D;
    const of = (part: 'mse' | 'vb') =>
      tf.grad((given: tf.Tensor) =>
        lossTerms(diffusion, given as tf.Tensor2D, start, noised, steps, noise)
          [part].slice(1, 3)
          .sum(),
      )(output);
    const largest = (x: tf.Tensor, from: number) => x.slice([0, from], [-1, 3]).abs().max().dataSync()[0];
    assert.equal(largest(of('vb'), 0), 0);
    assert.ok(largest(of('vb'), 3) > 0);
    assert.equal(largest(of('mse'), 3), 0);
    assert.ok(largest(of('mse'), 0) > 0);
  });

  it('per-row steps agree with one step for all', () => {
    const { start, noise, noised } = example();
    const output = normalTensor(key(4), [STEPS.length, 6]) as tf.Tensor2D;
    const rows = predictReverse(diffusion, output, noised, tf.fill([STEPS.length], 250, 'int32') as tf.Tensor1D);
    const all = predictReverse(diffusion, output, noised, 250);
    assert.deepEqual([...rows.mean.dataSync()], [...all.mean.dataSync()]);
    assert.deepEqual([...rows.logVariance.dataSync()], [...all.logVariance.dataSync()]);
    const once = addNoise(diffusion, start, 250, noise);
    assert.ok(once.sub(start.mul(diffusion.tables.sqrtAlphaBar[250])).abs().max().dataSync()[0] > 0.1);
  });

  it('the KL divergence of normal laws is the textbook one, and stopGradient is the identity', () => {
    const kl = gaussianKl(tf.scalar(1), tf.scalar(Math.log(4)), tf.scalar(0), tf.scalar(0)).dataSync()[0];
    assert.ok(Math.abs(kl - (0.5 * (4 + 1 - 1) - Math.log(2))) < 1e-6); // float32
    const slope = tf
      .grad((x: tf.Tensor) => x.mul(stopGradient(x)))(tf.scalar(3))
      .dataSync()[0];
    assert.equal(slope, 3);
  });
});
