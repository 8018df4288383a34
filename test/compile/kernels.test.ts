import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/compile';
import { fuse } from '../../src/compile/fuse';
import { Graph } from '../../src/compile/graph';
import { encodeOnnx } from '../../src/compile/onnx';
import { Session } from '../../src/compile/session';
import { KERNELS, tracingBackend } from '../../src/compile/tracing-backend';
import { gelu, layerNorm } from '../../src/models/blocks/layers';
import { useBackend } from '../../src/runtime/backend';
import { key, uniform } from '../../src/runtime/random';
import type { Case } from './cases/case';
import { elementwiseCases } from './cases/elementwise';
import { imageCases } from './cases/image';
import { reductionCases } from './cases/reduction';
import { shapeCases } from './cases/shape';

const CASES: Case[] = [...elementwiseCases, ...reductionCases, ...shapeCases, ...imageCases];

/** Value and gradients of sum(w f(x)), with weights that make every entry count differently. */
function withGradients({ fn, forwardOnly }: Case) {
  return (inputs: Record<string, tf.Tensor>): Record<string, tf.Tensor> => {
    const x = Object.values(inputs);
    const value = fn(...x);
    if (forwardOnly) return { value };
    const weighted = (...y: tf.Tensor[]) => {
      const out = fn(...y);
      const w = Float32Array.from({ length: out.size }, (_, i) => Math.cos(i + 1));
      return tf.sum(tf.mul(out, tf.reshape(tf.tensor1d(w), out.shape))) as tf.Scalar;
    };
    const gradients = tf.grads(weighted)(x);
    return Object.fromEntries([['value', value], ...gradients.map((g, i) => [`gradient ${i}`, g])]);
  };
}

describe('compile kernels', () => {
  for (const [i, c] of CASES.entries()) {
    it(`${c.name}: forward${c.forwardOnly ? '' : ' and gradient'} equal eager tfjs`, async () => {
      await useBackend();
      const before = tf.getBackend();
      // The plain JavaScript backend has every kernel and the clearest code: the oracle.
      await tf.setBackend('cpu');
      try {
        const [low, high] = c.range ?? [-2, 2];
        const inputs = Object.fromEntries(
          c.shapes.map((shape, j) => {
            const size = shape.reduce((a, b) => a * b, 1);
            return [`x${j}`, tf.tensor(Float32Array.from(uniform(key(1000 * i + j), size, low, high)), shape)];
          }),
        );
        const fn = withGradients(c);
        const compiled = compile(fn, { name: c.name });
        const expected = fn(inputs);
        const got = compiled(inputs);
        assert.deepEqual(Object.keys(got), Object.keys(expected));
        for (const [name, tensor] of Object.entries(expected)) {
          assert.deepEqual(got[name].shape, tensor.shape, name);
          const want = tensor.dataSync() as Float32Array;
          const have = got[name].dataSync();
          const largest = want.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
          // float32 with a handful of operations; erf and exp differ between libraries by a few units in the last place
          want.forEach((x, k) =>
            assert.ok(Math.abs(have[k] - x) <= 2e-6 * Math.max(1, largest), `${name}[${k}]: ${have[k]} against ${x}`),
          );
        }
        compiled.dispose();
        tf.dispose([inputs, expected, got]);
      } finally {
        await tf.setBackend(before);
      }
    });
  }

  it('resizeNearestNeighbor: the gradient of a batch is the sum over each block', async () => {
    await useBackend();
    const weights = Float32Array.from({ length: 2 * 4 * 4 }, (_, i) => i + 1);
    const compiled = compile(({ x }: { x: tf.Tensor }) =>
      tf.grad((y) =>
        tf.sum(tf.mul(tf.image.resizeNearestNeighbor(y as tf.Tensor4D, [4, 4]), tf.tensor4d(weights, [2, 4, 4, 1]))),
      )(x),
    );
    // block (row, column) of an image holds i, i + 1, i + 4, i + 5 with i its first entry
    const sums = [1, 3, 9, 11, 17, 19, 25, 27].map((first) => 4 * first + 10);
    assert.deepEqual([...compiled({ x: tf.zeros([2, 2, 2, 1]) }).dataSync()], sums);
  });

  it('layer norm stays accurate where the mean is a thousand times the deviation', async () => {
    await useBackend();
    const [rows, width] = [3, 16];
    const x = Float32Array.from(uniform(key(7), rows * width), (u, i) => 1000 * (1 + Math.floor(i / width)) + u);
    const compiled = compile(({ x }: { x: tf.Tensor }) => {
      const centred = x.sub(x.mean(-1, true));
      return centred.mul(centred.square().mean(-1, true).add(1e-6).rsqrt());
    });
    const got = compiled({ x: tf.tensor2d(x, [rows, width]) }).dataSync();
    for (let r = 0; r < rows; r++) {
      const row = Array.from(x.subarray(r * width, (r + 1) * width));
      const mean = row.reduce((sum, v) => sum + v, 0) / width;
      const variance = row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / width;
      row.forEach((v, i) => {
        // the mean of numbers near 3000 is rounded to 1e-4 in float32, a deviation is 0.3; mean(x^2) - mean(x)^2 is off by 1
        assert.ok(Math.abs(got[r * width + i] - (v - mean) / Math.sqrt(variance + 1e-6)) < 5e-3);
      });
    }
    assert.equal(compiled.onnx({ x: { shape: [rows, width], dtype: 'float32' } }).nodes, 1);
  });

  it('a layer norm with weight and bias is one node, in a training step it keeps the normalised values', async () => {
    await useBackend();
    const float = (...shape: number[]) => ({ shape, dtype: 'float32' as const });
    const specs = { x: float(2, 3, 16), w: float(16), b: float(16) };
    const norm = ({ x, w, b }: Record<string, tf.Tensor>) => {
      const parameters = new Map([
        ['norm.weight', w],
        ['norm.bias', b],
      ]);
      return layerNorm(parameters, 'norm', x);
    };
    const forward = compile(norm);
    assert.equal(forward.onnx(specs).nodes, 1);
    const inputs = {
      x: tf.tensor3d(Float32Array.from(uniform(key(1), 96, -3, 5)), [2, 3, 16]),
      w: tf.tensor1d(Float32Array.from(uniform(key(2), 16, -2, 2))),
      b: tf.tensor1d(Float32Array.from(uniform(key(3), 16, -2, 2))),
    };
    const gradients = (given: Record<string, tf.Tensor>) => {
      const sum = (x: tf.Tensor, w: tf.Tensor, b: tf.Tensor) => norm({ x, w, b }).sin().sum() as tf.Scalar;
      const [x, w, b] = tf.grads(sum)([given.x, given.w, given.b]);
      return { x, w, b, value: norm(given) };
    };
    const backward = compile(gradients);
    const want = gradients(inputs);
    for (const [name, got] of Object.entries(backward(inputs))) {
      const have = got.dataSync();
      want[name as 'x'].dataSync().forEach((x, i) => assert.ok(Math.abs(have[i] - x) < 2e-5, `${name}[${i}]`));
    }
  });

  it('a GELU is one node, in a training step it keeps what its derivative needs', async () => {
    await useBackend();
    const x = tf.tensor1d(Float32Array.from(uniform(key(5), 32, -4, 4)));
    const forward = compile((inputs: { x: tf.Tensor }) => gelu(inputs.x));
    assert.equal(forward.onnx({ x: { shape: [32], dtype: 'float32' } }).nodes, 1);
    const slope = (inputs: { x: tf.Tensor }) => tf.grad((y) => gelu(y).sum())(inputs.x);
    const backward = compile(slope);
    for (const [fast, slow] of [
      [forward({ x }), gelu(x)],
      [backward({ x }), slope({ x })],
    ]) {
      const got = fast.dataSync();
      slow
        .dataSync()
        .forEach((want, i) => assert.ok(Math.abs(got[i] - want) < 2e-6, `${i}: ${got[i]} against ${want}`));
    }
    forward.dispose();
    backward.dispose();
  });

  it('numbers go into products: after a bias, behind reshapes and transposes, of a batch, but not where the product is needed too', async () => {
    await useBackend();
    const draw = (seed: number, shape: number[]) =>
      tf.tensor(
        Float32Array.from(
          uniform(
            key(seed),
            shape.reduce((a, b) => a * b),
            -1,
            1,
          ),
        ),
        shape,
      );
    const given = {
      x: draw(1, [6, 4]),
      w: draw(2, [4, 4]),
      b: draw(3, [4]),
      q: draw(4, [2, 3, 4]),
      k: draw(5, [2, 3, 4]),
    };
    type Given = typeof given;
    const cases: [name: string, nodes: number, fn: (inputs: Given) => tf.Tensor][] = [
      ['after a bias and a reshape', 2, ({ x, w, b }) => tf.matMul(x, w).add(b).reshape([2, 3, 4]).mul(3)],
      ['before the product', 1, ({ x, w }) => tf.matMul(x.mul(0.5), w.mul(-2), false, true)],
      ['before and after', 1, ({ x, w }) => tf.matMul(x.mul(0.5), w).mul(5)],
      ['before, behind a reshape', 2, ({ q, w }) => tf.matMul(q.mul(0.5).reshape([6, 4]), w)],
      ['of a batch', 1, ({ q, k }) => tf.matMul(q.mul(0.25), k, false, true)],
      ['behind a transpose', 2, ({ q, k }) => tf.matMul(q, k, false, true).transpose([1, 0, 2]).mul(0.25)],
      ['needed too', 3, ({ x, w }) => tf.matMul(x, w).mul(2).add(tf.matMul(x, w))],
    ];
    for (const [name, nodes, fn] of cases) {
      const fast = compile(fn);
      const specs = Object.fromEntries(
        Object.entries(given).map(([input, { shape }]) => [input, { shape, dtype: 'float32' }]),
      ) as Record<keyof Given, { shape: number[]; dtype: 'float32' }>;
      assert.equal(fast.onnx(specs).nodes, nodes, name);
      const got = fast(given).dataSync();
      // float32, sums of four products of order one
      fn(given)
        .dataSync()
        .forEach((want, i) => assert.ok(Math.abs(got[i] - want) < 2e-6, `${name}, ${i}: ${got[i]} against ${want}`));
      fast.dispose();
    }
  });

  it('a number before a product that has a bias leaves the bias alone', () => {
    const graph = new Graph();
    const x = graph.input('x', [1, 2], 'float32');
    const matrix = graph.constant(Float32Array.of(1, 2, 3, 4), [2, 2], 'float32');
    const bias = graph.constant(Float32Array.of(10, 20), [2], 'float32');
    const doubled = graph.node('Mul', [x, graph.scalar(2, 'float32')], [1, 2], 'float32');
    const value = graph.node('Gemm', [doubled, matrix, bias], [1, 2], 'float32', { transA: 0, transB: 0 });
    const model = encodeOnnx(graph, fuse(graph, [{ name: 'y', value }]));
    assert.equal(model.nodes, 1);
    const session = new Session(model, 1);
    const [{ y }] = session.run([[{ name: 'x', dtype: 'float32', data: Float32Array.of(1, 1), shape: [1, 2] }]]);
    session.dispose();
    assert.deepEqual([...(y as Float32Array)], [2 * 4 + 10, 2 * 6 + 20]);
  });

  it('a sum over many rows is a product with ones, and as accurate', async () => {
    await useBackend();
    const sums = compile(({ x }: { x: tf.Tensor }) => ({ all: x.sum([0, 1]), kept: x.sum(0, true) }));
    const x = tf.tensor3d(Float32Array.from(uniform(key(4), 64 * 32 * 5, 0, 1)), [64, 32, 5]);
    const got = sums({ x });
    const want = new Float64Array(5);
    x.dataSync().forEach((value, i) => {
      want[i % 5] += value;
    });
    // 2,048 float32 additions of numbers below 1
    got.all.dataSync().forEach((value, i) => assert.ok(Math.abs(value / want[i] - 1) < 1e-6));
    assert.deepEqual(got.kept.shape, [1, 32, 5]);
    const expected = x.sum(0, true).dataSync();
    got.kept.dataSync().forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-4));
  });

  it('a bias joins its product, also behind a reshape', async () => {
    await useBackend();
    const layer = compile(({ x, w, b }: Record<string, tf.Tensor>) =>
      tf
        .matMul(x.reshape([6, 4]) as tf.Tensor2D, w as tf.Tensor2D, false, true)
        .reshape([2, 3, 5])
        .add(b),
    );
    const float = (...shape: number[]) => ({ shape, dtype: 'float32' as const });
    // reshape, product with bias, reshape
    assert.equal(layer.onnx({ x: float(2, 3, 4), w: float(5, 4), b: float(5) }).nodes, 3);
  });

  it('every kernel that can be compiled has been tested', () => {
    const missing = Object.keys(KERNELS).filter((name) => !tracingBackend().emitted.has(name));
    assert.deepEqual(missing, []);
  });
});
