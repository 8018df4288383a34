import * as tf from '@tensorflow/tfjs';
import type { Case, Fn } from './case';

const image = [2, 5, 6, 3];
const conv =
  (stride: number, pad: 'same' | 'valid' | number): Fn =>
  (x, w) =>
    tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad);

/** Cases of kernels on images. */
export const imageCases: Case[] = [
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
