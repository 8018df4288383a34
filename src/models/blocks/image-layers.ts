import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { linear, weight } from './layers';

/**
 * Convolution of `[batch, height, width, in]` with PyTorch weights `[out, in, k, k]` and bias.
 * Stride 1 keeps the size; stride 2 pads one row at the bottom and one column at the right, as the reference's
 * down-sampling does. A 1x1 kernel is a linear layer.
 */
export function convolution(parameters: Parameters, name: string, x: tf.Tensor4D, stride: 1 | 2 = 1): tf.Tensor4D {
  const kernel = weight<tf.Tensor4D>(parameters, `${name}.weight`);
  const bias = weight<tf.Tensor1D>(parameters, `${name}.bias`);
  const [out, input, size] = kernel.shape;
  if (size === 1) {
    const matrix = kernel.reshape([out, input]);
    return linear(new Map<string, tf.Tensor>().set('1x1.weight', matrix).set('1x1.bias', bias), '1x1', x);
  }
  const before = stride === 1 ? (size - 1) >> 1 : 0;
  const after = stride === 1 ? size >> 1 : 1;
  return convolve(x, kernel, stride, [before, after]).add(bias);
}

/** @param padding rows before and after, and as many columns. */
function convolve(x: tf.Tensor4D, kernel: tf.Tensor4D, stride: 1 | 2, padding: [number, number]): tf.Tensor4D {
  const forward = (image: tf.Tensor4D, filter: tf.Tensor4D, padded: 'valid' | Padding) =>
    tf.conv2d(image, filter.transpose([2, 3, 1, 0]) as tf.Tensor4D, stride, padded);
  const paddings: Padding = [[0, 0], padding, padding, [0, 0]];
  if (tf.getKernel('Conv2DBackpropFilter', tf.getBackend())) return forward(x, kernel, paddings);
  return tf.customGrad((image, filter, save) => {
    const [given, weights] = [image as tf.Tensor4D, filter as tf.Tensor4D];
    (save as tf.GradSaveFunc)([given, weights]);
    return {
      value: forward(given, weights, 'valid'),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [
        inputGradient(dy as tf.Tensor4D, saved[0] as tf.Tensor4D, saved[1] as tf.Tensor4D, stride),
        kernelGradient(dy as tf.Tensor4D, saved[0] as tf.Tensor4D, saved[1] as tf.Tensor4D, stride),
      ],
    };
  })(x.pad(paddings), kernel) as tf.Tensor4D;
}

type Padding = [[number, number], [number, number], [number, number], [number, number]];

function inputGradient(dy: tf.Tensor4D, x: tf.Tensor4D, kernel: tf.Tensor4D, stride: 1 | 2): tf.Tensor4D {
  if (stride === 2) {
    return tf.conv2dTranspose(dy, kernel.transpose([2, 3, 1, 0]) as tf.Tensor4D, x.shape, 2, 'valid') as tf.Tensor4D;
  }
  const edge = kernel.shape[2] - 1;
  const padded = dy.pad([
    [0, 0],
    [edge, edge],
    [edge, edge],
    [0, 0],
  ]) as tf.Tensor4D;
  return tf.conv2d(padded, kernel.reverse([2, 3]).transpose([2, 3, 0, 1]) as tf.Tensor4D, 1, 'valid');
}

/** The wasm backend has no such kernel: output gradients times the shifted inputs, as one matrix product. */
function kernelGradient(dy: tf.Tensor4D, x: tf.Tensor4D, kernel: tf.Tensor4D, stride: 1 | 2): tf.Tensor4D {
  const [batch, height, width, out] = dy.shape;
  const [, input, size] = kernel.shape;
  const shifted: tf.Tensor4D[] = [];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const end = [batch, row + stride * (height - 1) + 1, column + stride * (width - 1) + 1, input];
      shifted.push(
        stride === 1
          ? x.slice([0, row, column, 0], [batch, height, width, input])
          : (x.stridedSlice([0, row, column, 0], end, [1, stride, stride, 1]) as tf.Tensor4D),
      );
    }
  }
  const patches = tf.concat(shifted, 3).reshape([-1, size * size * input]);
  return tf
    .matMul(dy.reshape([-1, out]), patches, true, false)
    .reshape([out, size, size, input])
    .transpose([0, 3, 1, 2]);
}

/** Group norm of `[batch, height, width, channels]` with `.weight` and `.bias`. */
export function groupNorm(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  groups = 32,
  epsilon = 1e-6,
): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const pixels = height * width;
  const means = blockMeans(channels, groups);
  /** Numbers `[batch, 1, channels]` replaced by their mean within the group. */
  const ofGroup = (x: tf.Tensor) =>
    tf.matMul(x.reshape([batch, channels]), tf.tensor2d(means, [channels, channels])).reshape(x.shape);
  // A gradient of its own, in terms of sums over pixels: half of the passes over whole images that automatic differentiation makes.
  const normed = tf.customGrad((given, scale, shift, save) => {
    const image = given as tf.Tensor3D;
    const centred = image.sub(ofGroup(image.mean(1, true)));
    const inverse = ofGroup(centred.square().mean(1, true)).add(epsilon).rsqrt();
    (save as tf.GradSaveFunc)([centred, inverse, scale as tf.Tensor]);
    return {
      value: centred.mul(inverse.mul(scale as tf.Tensor)).add(shift as tf.Tensor),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [deviation, rate, factor] = saved;
        const sums = dy.sum(1, true);
        const products = dy.mul(deviation).sum(1, true).mul(rate);
        const mean = ofGroup(sums.mul(factor).div(pixels));
        const slope = ofGroup(products.mul(factor).div(pixels));
        const dx = dy
          .mul(rate.mul(factor))
          .sub(deviation.mul(rate.square().mul(slope)))
          .sub(mean.mul(rate));
        return [dx, products.sum([0, 1]), sums.sum([0, 1])];
      },
    };
  })(x.reshape([batch, pixels, channels]), weight(parameters, `${name}.weight`), weight(parameters, `${name}.bias`));
  return normed.reshape(x.shape);
}

/** A matrix `[channels, channels]` that replaces each channel by the mean of its group. */
function blockMeans(channels: number, groups: number): Float32Array {
  const size = channels / groups;
  const group = (channel: number) => Math.floor(channel / size);
  return Float32Array.from({ length: channels * channels }, (_, i) =>
    group(Math.floor(i / channels)) === group(i % channels) ? 1 / size : 0,
  );
}

/** Doubles height and width by repeating each pixel. */
export function upsample(x: tf.Tensor4D): tf.Tensor4D {
  // Tiles of three dimensions: the gradient of nearest-neighbour resizing is wrong for batches on one backend.
  const [batch, height, width, channels] = x.shape;
  return x
    .reshape([batch * height * width, 1, channels])
    .tile([1, 2, 1])
    .reshape([batch * height, 1, 2 * width * channels])
    .tile([1, 2, 1])
    .reshape([batch, 2 * height, 2 * width, channels]);
}
