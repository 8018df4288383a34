import * as tf from '@tensorflow/tfjs';
import type { Case, Fn } from './case';

/** Cases of kernels over axes, and matrix products. */
export const reductionCases: Case[] = [
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
];
