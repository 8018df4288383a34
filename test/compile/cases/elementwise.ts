import * as tf from '@tensorflow/tfjs';
import { gelu, silu } from '../../../src/models/blocks/layers';
import type { Case, Fn } from './case';

/** tfjs' operators by name. */
const OPERATORS = { ...tf } as unknown as Record<string, Fn>;

/** Cases of kernels entry by entry. */
export const elementwiseCases: Case[] = [
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
  { name: 'zero minus a tensor', shapes: [[3, 4]], fn: (a) => tf.sub(0, a) },
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
  { name: 'silu of the models', shapes: [[3, 5]], fn: (x) => silu(x) },
  { name: 'gelu of the models', shapes: [[3, 5]], fn: (x) => gelu(x) },
  { name: 'silu', shapes: [[3, 5]], fn: (x) => tf.mul(x, tf.sigmoid(x)) },
  { name: 'cast', shapes: [[3, 5]], forwardOnly: true, fn: (x) => tf.cast(tf.cast(tf.mul(x, 3), 'int32'), 'float32') },
  { name: 'fill', shapes: [[3, 5]], fn: (x) => tf.mul(x, tf.fill([3, 5], 2.5)) },
  { name: 'linspace and range', shapes: [[5]], fn: (x) => tf.mul(x, tf.add(tf.linspace(0, 1, 5), tf.range(0, 5))) },
];
