import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { useBackend } from '../../../src/runtime/backend';
import { compile } from '../../../src/runtime/compile';
import { KERNELS, tracingBackend } from '../../../src/runtime/compile/tracing-backend';
import { key, uniform } from '../../../src/runtime/random';

type Fn = (...x: tf.Tensor[]) => tf.Tensor;
interface Case {
  name: string;
  /** Shapes of the differentiable float32 arguments. */
  shapes: number[][];
  fn: Fn;
  /** Range of the arguments; by default [-2, 2]. */
  range?: [number, number];
  /** No gradient with respect to the arguments. */
  forwardOnly?: boolean;
}

/** tfjs' operators by name. */
const OPERATORS = { ...tf } as unknown as Record<string, Fn>;
const image = [2, 5, 6, 3];
const index = () => tf.tensor1d([2, 0, 2, 1], 'int32');
const conv =
  (stride: number, pad: 'same' | 'valid' | number): Fn =>
  (x, w) =>
    tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad);

const CASES: Case[] = [
  // Arithmetic, with and without broadcasting
  { name: 'add', shapes: [[3, 4], [4]], fn: (a, b) => tf.add(a, b) },
  {
    name: 'add of a column',
    shapes: [
      [3, 4],
      [3, 1],
    ],
    fn: (a, b) => tf.add(a, b),
  },
  {
    name: 'sub',
    shapes: [
      [2, 3, 4],
      [3, 1],
    ],
    fn: (a, b) => tf.sub(a, b),
  },
  {
    name: 'mul',
    shapes: [
      [3, 4],
      [1, 4],
    ],
    fn: (a, b) => tf.mul(a, b),
  },
  { name: 'div', shapes: [[3, 4], [4]], range: [0.5, 2], fn: (a, b) => tf.div(a, b) },
  {
    name: 'numbers folded',
    shapes: [[3, 4]],
    fn: (a) =>
      tf
        .div(tf.mul(tf.add(tf.mul(a, 3), 0), 2), 4)
        .sub(1)
        .mul(1),
  },
  { name: 'product with zero', shapes: [[3, 4]], fn: (a) => tf.add(tf.mul(a, 0), a) },
  {
    name: 'addN',
    shapes: [
      [3, 4],
      [3, 4],
      [3, 4],
    ],
    fn: (a, b, c) => tf.addN([a, b, c]),
  },
  {
    name: 'maximum',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    fn: (a, b) => tf.maximum(a, b),
  },
  { name: 'maximum with broadcasting', shapes: [[3, 4], [4]], fn: (a, b) => tf.maximum(a, b), forwardOnly: true },
  {
    name: 'minimum',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    fn: (a, b) => tf.minimum(a, b),
  },
  { name: 'minimum with broadcasting', shapes: [[3, 4], [4]], fn: (a, b) => tf.minimum(a, b), forwardOnly: true },
  { name: 'pow', shapes: [[3, 4], [4]], range: [0.5, 2], fn: (a, b) => tf.pow(a, b) },
  {
    name: 'squaredDifference',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    fn: (a, b) => tf.squaredDifference(a, b),
  },
  {
    name: 'squaredDifference with broadcasting',
    shapes: [[3, 4], [4]],
    fn: (a, b) => tf.squaredDifference(a, b),
    forwardOnly: true,
  },
  { name: 'mod', shapes: [[3, 4]], fn: (a) => tf.mod(a, tf.scalar(0.7)), forwardOnly: true },
  {
    name: 'mod of integers',
    shapes: [[3, 4]],
    fn: (a) => tf.mod(tf.cast(tf.mul(a, 9), 'int32'), tf.scalar(4, 'int32')),
    forwardOnly: true,
  },
  {
    name: 'floorDiv',
    shapes: [[3, 4]],
    fn: (a) => tf.floorDiv(tf.cast(tf.mul(a, 9), 'int32'), tf.scalar(4, 'int32')),
    forwardOnly: true,
  },
  { name: 'prelu', shapes: [[3, 4], [4]], fn: (a, b) => tf.prelu(a, b) },
  // Comparisons and choices
  ...(['greater', 'greaterEqual', 'less', 'lessEqual', 'equal', 'notEqual'] as const).map((op) => ({
    name: op,
    shapes: [
      [4, 4],
      [4, 4],
    ],
    fn: ((a, b) => tf.cast(OPERATORS[op](tf.round(a), tf.round(b)), 'float32')) as Fn,
    forwardOnly: true,
  })),
  {
    name: 'logical',
    shapes: [
      [4, 4],
      [4, 4],
    ],
    forwardOnly: true,
    fn: (a, b) =>
      tf.cast(tf.logicalOr(tf.logicalAnd(tf.greater(a, 0), tf.less(b, 1)), tf.logicalNot(tf.less(a, -1))), 'float32'),
  },
  {
    name: 'where',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    fn: (a, b) => tf.where(tf.tensor2d([1, 0, 0, 1, 1, 1, 0, 1, 0, 0, 0, 1], [3, 4], 'bool'), tf.mul(a, 2), b),
  },
  {
    name: 'where with a computed condition',
    shapes: [
      [3, 4],
      [3, 4],
    ],
    forwardOnly: true,
    fn: (a, b) => tf.where(tf.greater(a, b), tf.mul(a, 2), b),
  },
  { name: 'clipByValue', shapes: [[3, 4]], fn: (a) => tf.clipByValue(a, -0.5, 1) },
  {
    name: 'all and any',
    shapes: [[3, 4]],
    forwardOnly: true,
    fn: (a) => tf.cast(tf.stack([tf.all(tf.greater(a, -1), 1), tf.any(tf.greater(a, 1), 1)]), 'float32'),
  },
  {
    name: 'isNaN and isInf',
    shapes: [[3, 4]],
    forwardOnly: true,
    fn: (a) => tf.add(tf.cast(tf.isNaN(tf.sqrt(a)), 'float32'), tf.cast(tf.isInf(tf.div(1, tf.relu(a))), 'float32')),
  },
  // Functions of one argument
  ...(
    [
      'neg',
      'exp',
      'square',
      'abs',
      'sin',
      'cos',
      'tanh',
      'sigmoid',
      'relu',
      'relu6',
      'elu',
      'softplus',
      'erf',
      'expm1',
      'leakyRelu',
      'sign',
      'floor',
      'ceil',
      'round',
      'step',
      'zerosLike',
      'onesLike',
    ] as const
  ).map((op) => ({ name: op, shapes: [[3, 5]], fn: ((x) => OPERATORS[op](x)) as Fn })),
  ...(['log', 'log1p', 'sqrt', 'rsqrt', 'reciprocal'] as const).map((op) => ({
    name: op,
    shapes: [[3, 5]],
    range: [0.2, 3] as [number, number],
    fn: ((x) => OPERATORS[op](x)) as Fn,
  })),
  {
    name: 'expm1 and log1p near zero',
    shapes: [[8]],
    range: [-1e-4, 1e-4],
    fn: (x) => tf.mul(tf.add(tf.expm1(x), tf.log1p(x)), 1e4),
  },
  { name: 'step with a slope', shapes: [[3, 5]], fn: (x) => tf.step(x, 0.3) },
  { name: 'gelu', shapes: [[3, 5]], fn: (x) => tf.mul(tf.mul(x, 0.5), tf.add(1, tf.erf(tf.div(x, Math.SQRT2)))) },
  { name: 'silu', shapes: [[3, 5]], fn: (x) => tf.mul(x, tf.sigmoid(x)) },
  { name: 'cast', shapes: [[3, 5]], forwardOnly: true, fn: (x) => tf.cast(tf.cast(tf.mul(x, 3), 'int32'), 'float32') },
  { name: 'fill', shapes: [[3, 5]], fn: (x) => tf.mul(x, tf.fill([3, 5], 2.5)) },
  { name: 'linspace and range', shapes: [[5]], fn: (x) => tf.mul(x, tf.add(tf.linspace(0, 1, 5), tf.range(0, 5))) },
  // Reductions
  { name: 'sum of all', shapes: [[3, 4]], fn: (x) => tf.sum(x) },
  { name: 'sum over axis 0', shapes: [[3, 4, 2]], fn: (x) => tf.sum(x, 0) },
  { name: 'sum over axes 0 and 2, kept', shapes: [[3, 4, 2]], fn: (x) => tf.sum(x, [0, 2], true) },
  { name: 'sum over a lazy axis', shapes: [[3, 1]], fn: (x) => tf.sum(tf.tile(x, [1, 4]), 1) },
  { name: 'sum below a transpose', shapes: [[3, 4, 2]], fn: (x) => tf.sum(tf.transpose(x, [2, 0, 1]), [0, 1]) },
  { name: 'mean', shapes: [[3, 4]], fn: (x) => tf.mean(x, -1, true) },
  { name: 'max', shapes: [[3, 4]], fn: (x) => tf.max(x, 1) },
  { name: 'min', shapes: [[3, 4]], fn: (x) => tf.min(x, 0) },
  { name: 'prod', shapes: [[3, 4]], range: [0.5, 2], fn: (x) => tf.prod(x, 1), forwardOnly: true },
  {
    name: 'argMax and argMin',
    shapes: [[3, 4]],
    forwardOnly: true,
    fn: (x) => tf.cast(tf.add(tf.argMax(x, 1), tf.argMin(x, 1)), 'float32'),
  },
  { name: 'softmax', shapes: [[2, 3, 5]], fn: (x) => tf.softmax(x) },
  { name: 'logSoftmax', shapes: [[3, 5]], fn: (x) => tf.logSoftmax(x) },
  { name: 'logSumExp', shapes: [[3, 5]], fn: (x) => tf.logSumExp(x, 1) },
  { name: 'cumsum', shapes: [[3, 5]], fn: (x) => tf.cumsum(x, 1) },
  { name: 'cumsum, exclusive and reversed', shapes: [[3, 5]], fn: (x) => tf.cumsum(x, 1, true, true) },
  {
    name: 'layer normalisation',
    shapes: [[4, 6], [6], [6]],
    fn: (x, g, b) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-6))), g), b);
    },
  },
  {
    name: 'group normalisation',
    shapes: [[2, 3, 4, 8]],
    fn: (x) => {
      const y = tf.reshape(x, [2, 12, 2, 4]);
      const { mean, variance } = tf.moments(y, [1, 3], true);
      return tf.reshape(tf.div(tf.sub(y, mean), tf.sqrt(tf.add(variance, 1e-6))), [2, 3, 4, 8]);
    },
  },
  // Matrix products
  ...[false, true].flatMap((p) =>
    [false, true].map((q) => ({
      name: `matMul ${p ? 't' : ''}A ${q ? 't' : ''}B`,
      shapes: [p ? [4, 3] : [3, 4], q ? [5, 4] : [4, 5]],
      fn: ((a, b) => tf.matMul(a, b, p, q)) as Fn,
    })),
  ),
  ...[false, true].flatMap((p) =>
    [false, true].map((q) => ({
      name: `batched matMul ${p ? 't' : ''}A ${q ? 't' : ''}B`,
      shapes: [p ? [2, 3, 4, 3] : [2, 3, 3, 4], q ? [2, 3, 5, 4] : [2, 3, 4, 5]],
      fn: ((a, b) => tf.matMul(a, b, p, q)) as Fn,
    })),
  ),
  {
    name: 'batch against one matrix',
    shapes: [
      [2, 3, 4],
      [5, 4],
    ],
    fn: (a, b) => tf.reshape(tf.matMul(tf.reshape(a, [6, 4]), b, false, true), [2, 3, 5]),
  },
  {
    name: 'fused matMul',
    shapes: [[3, 4], [4, 5], [5]],
    fn: (a, b, bias) => tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias, activation: 'relu' }),
  },
  {
    name: 'linear layer with bias',
    shapes: [[2, 3, 4], [5, 4], [5]],
    fn: (x, w, b) => tf.add(tf.reshape(tf.matMul(tf.reshape(x, [6, 4]), w, false, true), [2, 3, 5]), b),
  },
  {
    name: 'attention',
    shapes: [[2, 5, 12]],
    fn: (x) => {
      const heads = tf.transpose(tf.reshape(x, [2, 5, 3, 2, 2]), [2, 0, 3, 1, 4]);
      const [q, k, v] = tf.unstack(heads);
      const weights = tf.softmax(tf.matMul(tf.mul(q, 0.7), k, false, true));
      return tf.reshape(tf.transpose(tf.matMul(weights, v), [0, 2, 1, 3]), [2, 5, 4]);
    },
  },
  // Shapes
  { name: 'reshape', shapes: [[3, 4]], fn: (x) => tf.reshape(x, [2, -1]) },
  { name: 'expandDims and squeeze', shapes: [[3, 1, 4]], fn: (x) => tf.expandDims(tf.squeeze(x, [1]), -1) },
  { name: 'transpose', shapes: [[2, 3, 4]], fn: (x) => tf.transpose(tf.mul(tf.transpose(x, [2, 0, 1]), 2), [1, 0, 2]) },
  {
    name: 'transpose lifted over a bias',
    shapes: [[2, 3, 4], [4]],
    fn: (x, b) => tf.add(tf.transpose(x, [0, 2, 1]).transpose([1, 2, 0]), tf.reshape(b, [4, 1, 1])),
  },
  { name: 'slice', shapes: [[3, 4, 5]], fn: (x) => tf.slice(x, [1, 0, 2], [2, -1, 2]) },
  { name: 'stridedSlice', shapes: [[5, 6]], fn: (x) => tf.stridedSlice(x, [1, 0], [5, 6], [2, 3]), forwardOnly: true },
  {
    name: 'stridedSlice backwards',
    shapes: [[5, 6]],
    forwardOnly: true,
    fn: (x) => tf.stridedSlice(x, [4, 0], [0, 6], [-2, 3], 0, 1),
  },
  {
    name: 'concat',
    shapes: [
      [2, 3],
      [2, 1],
    ],
    fn: (a, b) => tf.concat([a, b, tf.ones([2, 2])], 1),
  },
  {
    name: 'stack and unstack',
    shapes: [
      [2, 3],
      [2, 3],
    ],
    fn: (a, b) => tf.addN(tf.unstack(tf.stack([a, b, a], 1), 2)),
  },
  {
    name: 'split',
    shapes: [[2, 6]],
    fn: (x) => {
      const [a, b, c] = tf.split(x, [1, 2, 3], 1);
      return tf.concat([c, tf.mul(a, 2), b], 1);
    },
  },
  { name: 'split evenly', shapes: [[2, 6]], fn: (x) => tf.sub(...(tf.split(x, 2, -1) as [tf.Tensor, tf.Tensor])) },
  { name: 'tile', shapes: [[2, 3]], fn: (x) => tf.tile(x, [2, 2]) },
  { name: 'broadcastTo', shapes: [[1, 3]], fn: (x) => tf.broadcastTo(x, [4, 3]) },
  {
    name: 'pad',
    shapes: [[2, 3]],
    fn: (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [0, 2],
        ],
        1.5,
      ),
  },
  {
    name: 'mirrorPad',
    shapes: [[3, 4]],
    fn: (x) =>
      tf.mirrorPad(
        x,
        [
          [1, 0],
          [0, 2],
        ],
        'reflect',
      ),
    forwardOnly: true,
  },
  { name: 'reverse', shapes: [[3, 4]], fn: (x) => tf.reverse(x, 1) },
  // Rows
  { name: 'gather', shapes: [[3, 4]], fn: (x) => tf.gather(x, index()) },
  { name: 'gather along the last axis', shapes: [[4, 3]], fn: (x) => tf.gather(x, index(), 1) },
  {
    name: 'gather with batches',
    shapes: [[2, 3, 4]],
    forwardOnly: true,
    fn: (x) =>
      tf.gather(
        x,
        tf.tensor2d(
          [
            [2, 0],
            [1, 1],
          ],
          [2, 2],
          'int32',
        ),
        1,
        1,
      ),
  },
  {
    name: 'gatherND',
    shapes: [[3, 4]],
    forwardOnly: true,
    fn: (x) =>
      tf.gatherND(
        x,
        tf.tensor2d(
          [
            [2, 0],
            [1, 3],
          ],
          [2, 2],
          'int32',
        ),
      ),
  },
  {
    name: 'scatterND',
    shapes: [[3, 4]],
    forwardOnly: true,
    fn: (x) => tf.scatterND(tf.tensor2d([[2], [0], [2]], [3, 1], 'int32'), x, [5, 4]),
  },
  { name: 'unsortedSegmentSum', shapes: [[4, 3]], fn: (x) => tf.unsortedSegmentSum(x, index() as tf.Tensor1D, 3) },
  { name: 'oneHot', shapes: [[4, 5]], fn: (x) => tf.mul(x, tf.oneHot(index(), 5, 2, -1)) },
  // Images
  { name: 'conv2d same', shapes: [image, [3, 3, 3, 4]], fn: conv(1, 'same') },
  { name: 'conv2d valid', shapes: [image, [3, 2, 3, 4]], fn: conv(1, 'valid') },
  { name: 'conv2d explicit padding', shapes: [image, [3, 3, 3, 4]], fn: conv(1, 1) },
  {
    name: 'conv2d stride 2',
    shapes: [
      [2, 6, 6, 3],
      [3, 3, 3, 4],
    ],
    fn: conv(2, 'same'),
  },
  {
    name: 'conv2d stride 2, rows left over',
    shapes: [
      [1, 6, 7, 2],
      [3, 3, 2, 3],
    ],
    fn: conv(2, 'valid'),
  },
  { name: 'conv2d 1 x 1', shapes: [image, [1, 1, 3, 4]], fn: conv(1, 'same') },
  {
    name: 'two convolutions in PyTorch layout',
    shapes: [
      [2, 3, 5, 6],
      [4, 3, 3, 3],
      [2, 4, 3, 3],
    ],
    fn: (x, v, w) => {
      const layer = (y: tf.Tensor, f: tf.Tensor) =>
        tf.transpose(
          tf.conv2d(tf.transpose(y, [0, 2, 3, 1]) as tf.Tensor4D, tf.transpose(f, [2, 3, 1, 0]) as tf.Tensor4D, 1, 1),
          [0, 3, 1, 2],
        );
      return layer(tf.relu(layer(x, v)), w);
    },
  },
  {
    name: 'fused conv2d',
    shapes: [image, [3, 3, 3, 4], [4]],
    fn: (x, filter, bias) =>
      tf.fused.conv2d({
        x: x as tf.Tensor4D,
        filter: filter as tf.Tensor4D,
        strides: 1,
        pad: 'same',
        bias,
        activation: 'relu',
      }),
  },
  { name: 'avgPool', shapes: [[2, 4, 6, 3]], fn: (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid') },
  { name: 'maxPool', shapes: [[2, 4, 6, 3]], fn: (x) => tf.maxPool(x as tf.Tensor4D, 2, 2, 'valid') },
  // Square: tfjs' cpu gradient confuses height and width.
  { name: 'resizeBilinear', shapes: [[2, 3, 3, 2]], fn: (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [5, 7]) },
  {
    name: 'resizeBilinear, half pixels',
    shapes: [[2, 3, 4, 2]],
    forwardOnly: true,
    fn: (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [5, 7], false, true),
  },
  {
    name: 'resizeBilinear, corners aligned',
    shapes: [[2, 3, 3, 2]],
    fn: (x) => tf.image.resizeBilinear(x as tf.Tensor4D, [5, 7], true),
  },
  // Batch 1: tfjs' cpu gradient is wrong from batch 2 on, which the closed form below covers.
  {
    name: 'resizeNearestNeighbor',
    shapes: [[1, 3, 4, 2]],
    fn: (x) => tf.image.resizeNearestNeighbor(x as tf.Tensor4D, [6, 12]),
  },
];

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

describe('runtime/compile kernels', () => {
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

  it('every kernel that can be compiled has been tested', () => {
    const missing = Object.keys(KERNELS).filter((name) => !tracingBackend().emitted.has(name));
    assert.deepEqual(missing, []);
  });
});
