import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../src/diffusion/gaussian-diffusion';
import { reverseArrays } from '../../src/diffusion/reverse-arrays';
import { ancestralStep, ddimStep, guide } from '../../src/diffusion/reverse-step';
import { useBackend } from '../../src/runtime/backend';
import { key, normal } from '../../src/runtime/random';

const [rows, channels] = [5, 3];
const numbers = (seed: number, count: number) => Float32Array.from(normal(key(seed), count));
const diffusion = createDiffusion({ respacing: '10' });

describe('diffusion/reverse-arrays', () => {
  before(async () => {
    await useBackend();
  });

  for (const step of [0, 4, 8]) {
    for (const guidance of [1, 2.5]) {
      for (const [method, eta] of [['ancestral', 0] as const, ['ddim', 0] as const, ['ddim', 0.7] as const]) {
        it(`${method}, eta ${eta}, guidance ${guidance}, step ${step}: equals the tensors' steps`, () => {
          const output = numbers(1, 2 * rows * 2 * channels);
          const noised = numbers(2, rows * channels);
          const noise = step > 0 && (method === 'ancestral' || eta > 0) ? numbers(3, rows * channels) : undefined;
          const settings = { diffusion, step, method, guidance, eta, temperature: 0.9 };
          const got = reverseArrays(settings, output, noised, channels, noise);
          const halves = tf.split(tf.tensor2d(output, [2 * rows, 2 * channels]), 2, 0) as tf.Tensor2D[];
          const whole = guidance === 1 ? halves[0] : guide(halves[0], halves[1], guidance);
          const x = tf.tensor2d(noised, [rows, channels]);
          const draw = noise && tf.tensor2d(noise, [rows, channels]);
          const want =
            method === 'ddim'
              ? ddimStep(diffusion, whole, x, step, eta, draw)
              : ancestralStep(diffusion, whole, x, step, draw, 0.9);
          for (const name of ['sample', 'predictedStart'] as const) {
            // float32 here against float64 there; the start divides by sqrt(abar)
            want[name].dataSync().forEach((value, i) => {
              const bound = 2e-6 * diffusion.tables.sqrtReciprocalAlphaBar[step] + 2e-6;
              assert.ok(Math.abs(got[name][i] - value) <= 4 * bound, `${name}[${i}]: ${got[name][i]} against ${value}`);
            });
          }
        });
      }
    }
  }
});
