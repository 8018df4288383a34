import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../src/diffusion/gaussian-diffusion';
import { reverseCoefficients } from '../../src/diffusion/reverse-coefficients';
import { ancestralStep, ddimStep } from '../../src/diffusion/reverse-step';
import { useBackend } from '../../src/runtime/backend';
import { key, normal } from '../../src/runtime/random';

const [rows, channels] = [5, 3];
const numbers = (seed: number, columns: number) =>
  tf.tensor2d(Float32Array.from(normal(key(seed), rows * columns)), [rows, columns]);
const diffusion = createDiffusion({ respacing: '10' });

describe('diffusion/reverse-coefficients', () => {
  before(async () => {
    await useBackend();
  });

  for (const [method, eta] of [['ancestral', 0] as const, ['ddim', 0] as const, ['ddim', 0.7] as const]) {
    it(`${method}, eta ${eta}: the products are the steps' samples and predicted starts`, () => {
      const order = [8, 4, 0];
      const all = reverseCoefficients(diffusion, order, method, eta);
      const output = numbers(1, 2 * channels);
      const [epsilon, values] = tf.split(output, 2, 1).map((x) => x.dataSync());
      const noised = numbers(2, channels);
      for (const [i, step] of order.entries()) {
        const noise = step > 0 && (method === 'ancestral' || eta > 0) ? numbers(3, channels) : undefined;
        const want =
          method === 'ddim'
            ? ddimStep(diffusion, output, noised, step, eta, noise)
            : ancestralStep(diffusion, output, noised, step, noise);
        const [sample, start] = [want.sample.dataSync(), want.predictedStart.dataSync()];
        const draw = noise?.dataSync();
        // the tensors' steps round at each operation; the start divides by sqrt(abar)
        const bound = 8e-6 * (1 + diffusion.tables.sqrtReciprocalAlphaBar[step]);
        noised.dataSync().forEach((x, k) => {
          const spread = method === 'ddim' ? all.offset[i] : Math.exp(all.slope[i] * values[k] + all.offset[i]);
          const got = all.ofNoised[i] * x + all.ofEpsilon[i] * epsilon[k] + (draw ? spread * draw[k] : 0);
          const gotStart = all.startOfNoised[i] * x + all.startOfEpsilon[i] * epsilon[k];
          assert.ok(Math.abs(got - sample[k]) <= bound, `sample ${k} of step ${step}: ${got} against ${sample[k]}`);
          assert.ok(Math.abs(gotStart - start[k]) <= bound, `start ${k} of step ${step}: ${gotStart}, ${start[k]}`);
        });
      }
    });
  }
});
