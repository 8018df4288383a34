import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { gelu, silu } from '../../src/models/blocks/layers';
import { useBackend } from '../../src/runtime/backend';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

describe('models/blocks/layers activations', () => {
  before(async () => {
    await useBackend();
  });
  const points = [-6, -2, -0.5, 0, 0.3, 1, 4];

  it('silu and its derivative equal the closed form', () => {
    const x = tf.tensor1d(points);
    const gradient = tf
      .grad((y) => silu(y).sum() as tf.Scalar)(x)
      .dataSync();
    const value = silu(x).dataSync();
    points.forEach((p, i) => {
      const s = sigmoid(p);
      // float32
      assert.ok(Math.abs(value[i] - p * s) < 2e-6);
      assert.ok(Math.abs(gradient[i] - s * (1 + p * (1 - s))) < 2e-6);
    });
  });

  it('the derivative of gelu equals Phi(x) + x phi(x), integrated in float64', () => {
    const x = tf.tensor1d(points);
    const gradient = tf
      .grad((y) => gelu(y).sum() as tf.Scalar)(x)
      .dataSync();
    // Phi by Simpson's rule on 2000 intervals from -12: error below 1e-12
    const phi = (t: number) => Math.exp(-t * t * 0.5) / Math.sqrt(2 * Math.PI);
    const cdf = (z: number) => {
      const h = (z + 12) / 2000;
      let sum = phi(-12) + phi(z);
      for (let k = 1; k < 2000; k++) sum += phi(-12 + k * h) * (k % 2 ? 4 : 2);
      return (sum * h) / 3;
    };
    points.forEach((p, i) => assert.ok(Math.abs(gradient[i] - (cdf(p) + p * phi(p))) < 3e-6));
  });
});
