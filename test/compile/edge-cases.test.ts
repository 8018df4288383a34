import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/compile';
import { Graph } from '../../src/compile/graph';
import { useBackend } from '../../src/runtime/backend';

const int = (values: number[], shape = [values.length]) => tf.tensor(values, shape, 'int32');
const float = (values: number[], shape = [values.length]) => tf.tensor(values, shape);
const counted = (shape: number[]) => float([...Array(shape.reduce((a, b) => a * b, 1)).keys()], shape);

interface EdgeCase {
  name: string;
  x: () => tf.Tensor;
  fn: (x: tf.Tensor) => tf.Tensor;
  /** Exact results; NaN and -0 count. Without it the cpu backend of tfjs says what is right. */
  want?: number[];
  shape?: number[];
  dtype?: tf.DataType;
}

const CASES: EdgeCase[] = [
  {
    name: 'mean of int32',
    x: () => int([1, 2, 4]),
    fn: (x) => tf.mean(x),
    want: [Math.fround(7 / 3)],
    dtype: 'float32',
  },
  { name: 'mean of bool', x: () => tf.tensor1d([true, false], 'bool'), fn: (x) => tf.mean(x), want: [0.5] },
  { name: 'max of bool', x: () => tf.tensor1d([true, false], 'bool'), fn: (x) => tf.max(x), want: [1], dtype: 'bool' },
  { name: 'prod over no axis', x: () => float([2, 3]), fn: (x) => tf.prod(x, []), want: [2, 3] },
  {
    name: 'oneHot outside of its depth',
    x: () => int([-1, 0, 2, 3]),
    fn: (x) => tf.oneHot(x, 3),
    want: [0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0],
    dtype: 'int32',
  },
  { name: 'oneHot of a scalar', x: () => int([1], []), fn: (x) => tf.oneHot(x, 3), want: [0, 1, 0], shape: [3] },
  {
    name: 'stridedSlice that drops an axis whose begin is masked',
    x: () => int([0, 1, 2, 3]),
    fn: (x) => tf.stridedSlice(x, [1], [4], [1], 1, 0, 0, 0, 1),
    want: [1],
    shape: [],
  },
  {
    name: 'stridedSlice with an ellipsis and a new axis',
    x: () => counted([2, 3, 4]),
    fn: (x) => tf.stridedSlice(x, [0, 0, 1], [1, 0, 3], [1, 1, 1], 0, 0, 0, 1, 0),
  },
  {
    name: 'stridedSlice with a begin shorter than the rank',
    x: () => counted([3, 2]),
    fn: (x) => tf.stridedSlice(x, [1], [3], [1]),
  },
  {
    name: 'floorDiv of int32 keeps every bit',
    x: () => int([16777217, -7, 7, -7, 6, 5, -2147483648]),
    fn: (x) => tf.floorDiv(x, int([1, 2, -2, -2, 3, 0, -1])),
    want: [16777217, -4, -4, 3, 2, 0, -2147483648],
    dtype: 'int32',
  },
  {
    name: 'mod of int32',
    x: () => int([7, -7, 7, -7, 5, -2147483648]),
    fn: (x) => tf.mod(x, int([3, 3, -3, -3, 0, -1])),
    want: [1, 2, -2, -1, 0, 0],
    dtype: 'int32',
  },
  {
    name: 'mod of numbers far apart',
    x: () => float([16777216, -16777216, 1e30]),
    fn: (x) => tf.mod(x, float([3, 3, 7])),
    want: [1, 2, Math.fround(1e30) % 7],
  },
  {
    name: 'division by a captured [0, -0]',
    x: () => float([1, 1]),
    fn: (x) => tf.div(x, float([0, -0])),
    want: [Infinity, -Infinity],
  },
  {
    name: 'NaN and infinity times 0',
    x: () => float([Number.NaN, Infinity, 2]),
    fn: (x) => x.mul(0),
    want: [Number.NaN, Number.NaN, 0],
  },
  {
    name: 'division by a number without a float32 inverse',
    x: () => float([1e-39]),
    fn: (x) => x.div(1e-39),
    want: [1],
  },
  {
    name: 'two numbers whose product overflows',
    x: () => float([2 ** -100]),
    fn: (x) => x.mul(2 ** 70).mul(2 ** 70),
    want: [2 ** 40],
  },
  {
    name: 'exp of int32',
    x: () => int([0, 1]),
    fn: (x) => tf.exp(x),
    want: [1, Math.fround(Math.E)],
    dtype: 'float32',
  },
  {
    name: 'matMul of int32',
    x: () => int([16777217, 1, 2, 3], [2, 2]),
    fn: (x) => tf.matMul(x, int([1, 0, 0, 1], [2, 2]), true, true),
    want: [16777217, 2, 1, 3],
    dtype: 'int32',
  },
  {
    name: 'squeeze of a transpose',
    x: () => counted([1, 2, 3, 4]),
    fn: (x) => tf.squeeze(tf.transpose(x, [3, 1, 2, 0])),
  },
  {
    name: 'gradient of gather over the last axis',
    x: () => counted([4, 1, 3]),
    fn: (x) =>
      tf.grad((y) =>
        tf
          .gather(y, int([2, 0, 2]), 2)
          .square()
          .sum(),
      )(x),
  },
  { name: 'concat of nothing', x: () => float([], [0, 2]), fn: (x) => tf.concat([x, x], 0), want: [], shape: [0, 2] },
  {
    name: 'reshape of a transpose of nothing',
    x: () => float([], [0, 3, 2]),
    fn: (x) => tf.reshape(tf.transpose(x, [2, 1, 0]), [6, 0]),
    want: [],
    shape: [6, 0],
  },
  { name: 'stack of nothing', x: () => float([], [0]), fn: (x) => tf.stack([x, x]), want: [], shape: [2, 0] },
];

describe('compile at the edges', () => {
  for (const { name, x, fn, want, shape, dtype } of CASES) {
    it(name, async () => {
      await useBackend('cpu');
      const fast = compile(({ x }: { x: tf.Tensor }) => fn(x), { name });
      try {
        const [given, expected] = [x(), want ? undefined : fn(x())];
        const got = fast({ x: given });
        assert.deepEqual([...got.dataSync()], want ?? [...expected!.dataSync()]);
        if (shape ?? expected) assert.deepEqual(got.shape, shape ?? expected!.shape);
        assert.equal(got.dtype, dtype ?? expected?.dtype ?? got.dtype);
      } finally {
        fast.dispose();
        await useBackend();
      }
    });
  }

  it('a product of integers stays apart from what fuses into products of float32', async () => {
    await useBackend('cpu');
    const fast = compile(({ x }: { x: tf.Tensor }) =>
      tf
        .matMul(x.mul(int([2], [])), x)
        .add(int([1, 2]))
        .mul(int([3], [])),
    );
    assert.deepEqual([...fast({ x: int([1, 1, 0, 1], [2, 2]) }).dataSync()], [9, 18, 3, 12]);
    fast.dispose();
    await useBackend();
  });

  it('constants and attributes are shared only if they are the same bits', () => {
    const graph = new Graph();
    const x = graph.input('x', [1], 'float32');
    assert.equal(graph.scalar(1, 'float32'), graph.scalar(1, 'float32'));
    assert.notEqual(graph.scalar(0, 'float32'), graph.scalar(-0, 'float32'));
    assert.notEqual(graph.scalar(0, 'float32'), graph.scalar(0, 'int32'));
    const leaky = (alpha: number) => graph.node('LeakyRelu', [x], [1], 'float32', { alpha: { float: alpha } });
    const values = [0, -0, Number.NaN, Infinity, -Infinity].map(leaky);
    assert.equal(new Set(values).size, 5);
    assert.equal(leaky(Number.NaN), values[2]);
  });
});
