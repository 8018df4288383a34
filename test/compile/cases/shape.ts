import * as tf from '@tensorflow/tfjs';
import type { Case } from './case';

const index = () => tf.tensor1d([2, 0, 2, 1], 'int32');

/** Cases of kernels that rearrange or pick entries. */
export const shapeCases: Case[] = [
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
];
