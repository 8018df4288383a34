import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { denoise, initDiffusionHead } from '../../../src/models/blocks/diffusion-loss';
import { foldedHead, headDepth, isFolded } from '../../../src/models/blocks/folded-head';
import { useBackend } from '../../../src/runtime/backend';
import { foldIn, key, normal } from '../../../src/runtime/random';

describe('models/blocks/folded-head', () => {
  it('computes what the head computes, with few rows and with many', async () => {
    await useBackend();
    const size = { channels: 3, conditionWidth: 8, width: 16, depth: 2, frequencies: 8 };
    // nothing may stay at its initial zero or one
    const parameters = new Map(
      [...initDiffusionHead(size, key(1), '')].map(([name, x]) => {
        const noise = Float32Array.from(normal(foldIn(key(2), name), x.size), (v) => 0.3 * v);
        return [name, x.add(tf.tensor(noise, x.shape))];
      }),
    );
    const folded = foldedHead(parameters, '');
    assert.equal(headDepth(folded, ''), 2);
    assert.deepEqual([isFolded(parameters, ''), isFolded(folded, '')], [false, true]);
    for (const rows of [4, 100]) {
      const tensor = (seed: number, width: number) =>
        tf.tensor2d(Float32Array.from(normal(key(seed), rows * width)), [rows, width]);
      const [noised, modulation] = [tensor(3, 3), tensor(4, 16)];
      const want = denoise(parameters, noised, modulation, '').dataSync();
      const got = denoise(folded, noised, modulation, '').dataSync();
      const largest = Math.max(...Array.from(want, Math.abs));
      // sums in another order
      Array.from(want).forEach((x, i) =>
        assert.ok(Math.abs(x - got[i]) < 1e-5 * largest, `${i}: ${got[i]} against ${x}`),
      );
    }
  });
});
