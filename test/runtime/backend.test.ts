import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../../src/runtime/backend';
import { key, normal } from '../../src/runtime/random';

/** Row-major [n, k] x [k, m] in float64: the slow truth. */
function matmul(a: number[][], b: number[][]): number[][] {
  return a.map((row) => b[0].map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
}
const rows = (seed: number, n: number, m: number) =>
  Array.from({ length: n }, (_, i) => [...normal(key(100 * seed + i), m)].map(Math.fround));
const transpose = (a: number[][]) => a[0].map((_, j) => a.map((row) => row[j]));

describe('runtime/backend', () => {
  before(async () => {
    await useBackend();
  });

  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      it(`matMul transposeA=${transposeA} transposeB=${transposeB} equals the float64 product and leaks nothing`, () => {
        const a = rows(1, 5, 7);
        const b = rows(2, 7, 3);
        const before = tf.memory().numBytes;
        const got = tf.tidy(
          () =>
            tf
              .matMul(transposeA ? transpose(a) : a, transposeB ? transpose(b) : b, transposeA, transposeB)
              .arraySync() as number[][],
        );
        const expected = matmul(a, b);
        // float32 products of 7 terms of order one
        got.forEach((row, i) => row.forEach((x, j) => assert.ok(Math.abs(x - expected[i][j]) < 1e-5)));
        assert.equal(tf.memory().numBytes, before);
      });
    }
  }

  it('auto comes back to the best backend after another one was asked for', async () => {
    const best = await useBackend('auto');
    await useBackend('cpu');
    assert.equal(tf.getBackend(), 'cpu');
    assert.deepEqual(await useBackend('auto'), best);
    assert.equal(tf.getBackend(), best.name);
  });

  it('refuses an unknown backend by name', async () => {
    await assert.rejects(useBackend('webgl2'), /got "webgl2"; expected one of auto, tensorflow, wasm, cpu/);
  });
});
