import * as tf from '@tensorflow/tfjs';
import { type Graph, sizeOf, type Value } from '../graph';
import { type Lazy, materialise, reshape, transpose, transposeValue, whole } from '../lazy';
import type { Call, Kernels } from './call';
import { activate, add, multiply, number } from './elementwise';
import { matmul } from './matmul';
import { reduce } from './reduction';
import { concat, slice } from './shape';

/** tfjs keeps channels last, ONNX first. */
const TO_FIRST = [0, 3, 1, 2];
const TO_LAST = [0, 2, 3, 1];
/** tfjs filters are `[height, width, in, out]`, ONNX and PyTorch `[out, in, height, width]`. */
const FILTER_TO_ONNX = [3, 2, 0, 1];

type Info = ReturnType<typeof tf.backend_util.computeConv2DInfo>;
type Shape4 = [number, number, number, number];

function convolutionInfo(a: Call['attributes'], input: readonly number[], filter: readonly number[]): Info {
  if ((a.dataFormat ?? 'NHWC') !== 'NHWC') throw new Error(`dataFormat ${a.dataFormat} has no emitter`);
  const { computeConv2DInfo } = tf.backend_util;
  return computeConv2DInfo(input as Shape4, filter as Shape4, a.strides, a.dilations ?? 1, a.pad, a.dimRoundingMode);
}

const pads = ({ padInfo: p }: Info): number[] => [p.top, p.left, p.bottom, p.right];

function window(info: Info) {
  return {
    kernel_shape: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    pads: pads(info),
  };
}

const isPointwise = (i: Info): boolean =>
  i.filterHeight === 1 &&
  i.filterWidth === 1 &&
  i.strideHeight === 1 &&
  i.strideWidth === 1 &&
  pads(i).every((p) => p === 0);

/** Two-dimensional convolution; a 1 x 1 one is a matrix product. `bias` has one entry per output channel. */
function conv2d(graph: Graph, x: Lazy, filter: Lazy, info: Info, bias?: Lazy): Lazy {
  if (isPointwise(info)) {
    const product = matmul(graph, x, reshape(graph, filter, filter.shape.slice(2)), false, false);
    return bias ? add(graph, product, bias) : product;
  }
  const image = transposeValue(graph, materialise(graph, x), TO_FIRST);
  const weight = transposeValue(graph, materialise(graph, filter), FILTER_TO_ONNX);
  const shape = TO_FIRST.map((i) => info.outShape[i]);
  const inputs = bias ? [image, weight, materialise(graph, bias)] : [image, weight];
  return transpose(graph, whole(graph.node('Conv', inputs, shape, 'float32', window(info))), TO_LAST);
}

/** Gradient with respect to the image: the transposed convolution. */
function imageGradient({ graph, inputs: { dy, filter }, attributes }: Call): Lazy {
  const inputShape: number[] = attributes.inputShape;
  const info = convolutionInfo(attributes, inputShape, filter.shape);
  if (isPointwise(info)) {
    return matmul(graph, dy, reshape(graph, filter, filter.shape.slice(2)), false, true);
  }
  const gradient = transposeValue(graph, materialise(graph, dy), TO_FIRST);
  const weight = transposeValue(graph, materialise(graph, filter), FILTER_TO_ONNX);
  const shape = TO_FIRST.map((i) => inputShape[i]);
  const [top, left, bottom, right] = pads(info);
  // Rows and columns that the strides never reach still belong to the image: their gradient is zero.
  const extra = (axis: number, size: number, dilation: number, stride: number, padding: number) =>
    shape[axis] - ((gradient.shape[axis] - 1) * stride + (size - 1) * dilation + 1 - padding);
  const output_padding = [
    extra(2, info.filterHeight, info.dilationHeight, info.strideHeight, top + bottom),
    extra(3, info.filterWidth, info.dilationWidth, info.strideWidth, left + right),
  ];
  const attribute = { ...window(info), output_padding };
  return transpose(graph, whole(graph.node('ConvTranspose', [gradient, weight], shape, 'float32', attribute)), TO_LAST);
}

/** Gradient with respect to the filter: for each of its places a product with the image shifted by as much. */
function filterGradient({ graph, inputs: { x, dy }, attributes }: Call): Lazy {
  const filterShape: number[] = attributes.filterShape;
  const info = convolutionInfo(attributes, x.shape, filterShape);
  const { inChannels, outChannels, filterHeight, filterWidth } = info;
  const rows = sizeOf(dy.shape.slice(0, 3));
  const gradient = reshape(graph, dy, [rows, outChannels]);
  if (isPointwise(info)) {
    return reshape(graph, matmul(graph, reshape(graph, x, [rows, inChannels]), gradient, true, false), filterShape);
  }
  const padded = padImage(graph, materialise(graph, x), info);
  const [, outHeight, outWidth] = dy.shape;
  const size = [info.batchSize, outHeight, outWidth, inChannels];
  const stride = [1, info.strideHeight, info.strideWidth, 1];
  const products: Lazy[] = [];
  for (let i = 0; i < filterHeight; i++) {
    for (let j = 0; j < filterWidth; j++) {
      const begin = [0, i * info.dilationHeight, j * info.dilationWidth, 0];
      const shifted = reshape(graph, slice(graph, whole(padded), begin, size, stride), [rows, inChannels]);
      products.push(matmul(graph, gradient, shifted, true, false));
    }
  }
  const all = reshape(graph, concat(graph, products, 0), [filterHeight, filterWidth, outChannels, inChannels]);
  return transpose(graph, all, [0, 1, 3, 2]);
}

function padImage(graph: Graph, image: Value, info: Info): Value {
  const [top, left, bottom, right] = pads(info);
  if (top + left + bottom + right === 0) return image;
  const [n, h, w, c] = image.shape;
  const amounts = graph.integers([0, top, left, 0, 0, bottom, right, 0]);
  return graph.node(
    'Pad',
    [image, amounts, graph.scalar(0, 'float32')],
    [n, h + top + bottom, w + left + right, c],
    'float32',
    {
      mode: 'constant',
    },
  );
}

function pool(op: 'AveragePool' | 'MaxPool') {
  return ({ graph, inputs: { x }, attributes: a }: Call): Lazy => {
    const info = tf.backend_util.computePool2DInfo(
      x.shape as Shape4,
      a.filterSize,
      a.strides,
      1,
      a.pad,
      a.dimRoundingMode,
    );
    const image = transposeValue(graph, materialise(graph, x), TO_FIRST);
    const shape = TO_FIRST.map((i) => info.outShape[i]);
    const { dilations: _, ...attributes } = window(info);
    return transpose(graph, whole(graph.node(op, [image], shape, 'float32', attributes)), TO_LAST);
  };
}

/** Gradient of average pooling where windows do not overlap: each entry of a window gets its share. */
function averagePoolGradient({ graph, inputs: { dy, input }, attributes: a }: Call): Lazy {
  const info = tf.backend_util.computePool2DInfo(
    input.shape as Shape4,
    a.filterSize,
    a.strides,
    1,
    a.pad,
    a.dimRoundingMode,
  );
  const { filterHeight: p, filterWidth: q } = info;
  requireTiling(info, 'avgPool');
  const share = multiply(graph, dy, number(graph, Math.fround(1 / (p * q))));
  return enlarge(graph, share, p, q);
}

/** Gradient of max pooling where windows do not overlap: all of it goes to the first largest entry of a window. */
function maxPoolGradient({ graph, inputs: { dy, input }, attributes: a }: Call): Lazy {
  const info = tf.backend_util.computePool2DInfo(
    input.shape as Shape4,
    a.filterSize,
    a.strides,
    1,
    a.pad,
    a.dimRoundingMode,
  );
  const { filterHeight: p, filterWidth: q } = info;
  requireTiling(info, 'maxPool');
  const [n, h, w, c] = dy.shape;
  const windows = reshape(graph, transpose(graph, reshape(graph, input, [n, h, p, w, q, c]), [0, 1, 3, 5, 2, 4]), [
    n,
    h,
    w,
    c,
    p * q,
  ]);
  const best = graph.node('ArgMax', [materialise(graph, windows)], [n, h, w, c], 'int64', { axis: 4, keepdims: 0 });
  const values = graph.constant(Float32Array.of(0, 1), [2], 'float32');
  const depth = graph.scalar(p * q, 'int64');
  const hot = graph.node('OneHot', [best, depth, values], [n, h, w, c, p * q], 'float32', { axis: -1 });
  const spread = multiply(graph, whole(hot), reshape(graph, dy, [n, h, w, c, 1]));
  const back = transpose(graph, reshape(graph, spread, [n, h, w, c, p, q]), [0, 1, 4, 2, 5, 3]);
  return reshape(graph, back, input.shape);
}

function requireTiling(info: Info, op: string): void {
  const tiles =
    info.strideHeight === info.filterHeight &&
    info.strideWidth === info.filterWidth &&
    info.outHeight * info.filterHeight === info.inHeight &&
    info.outWidth * info.filterWidth === info.inWidth;
  if (!tiles) throw new Error(`the gradient of ${op} has an emitter only for windows that tile the image`);
}

/** Repeats each pixel `p` times down and `q` times across. */
function enlarge(graph: Graph, x: Lazy, p: number, q: number): Lazy {
  const [n, h, w, c] = x.shape;
  const spaced = materialise(graph, reshape(graph, x, [n, h, 1, w, 1, c]));
  return reshape(graph, { value: spaced, shape: [n, h, p, w, q, c] }, [n, h * p, w * q, c]);
}

function nearestNeighbour({ graph, inputs: { images }, attributes: a }: Call): Lazy {
  const [, h, w] = images.shape;
  const [p, q] = [a.size[0] / h, a.size[1] / w];
  if (Number.isInteger(p) && Number.isInteger(q) && !a.alignCorners) return enlarge(graph, images, p, q);
  throw new Error('resizeNearestNeighbor has an emitter only for whole factors without alignCorners');
}

function nearestNeighbourGradient({ graph, inputs: { images, dy }, attributes: a }: Call): Lazy {
  const [n, h, w, c] = images.shape;
  const [p, q] = [dy.shape[1] / h, dy.shape[2] / w];
  if (!Number.isInteger(p) || !Number.isInteger(q) || a.alignCorners) {
    throw new Error('the gradient of resizeNearestNeighbor has an emitter only for whole factors without alignCorners');
  }
  return reduce(graph, 'ReduceSum', reshape(graph, dy, [n, h, p, w, q, c]), [2, 4], false);
}

/** Weights `[out, in]` of linear interpolation along one axis, as tfjs defines it. */
function interpolation(input: number, output: number, alignCorners: boolean, halfPixelCenters: boolean): Float32Array {
  const weights = new Float32Array(input * output);
  const scale = alignCorners && output > 1 ? (input - 1) / (output - 1) : input / output;
  for (let i = 0; i < output; i++) {
    const at = halfPixelCenters ? scale * (i + 0.5) - 0.5 : scale * i;
    const low = Math.max(0, Math.floor(at));
    const high = Math.min(input - 1, Math.ceil(at));
    const fraction = at - low;
    weights[i * input + low] += 1 - fraction;
    weights[i * input + high] += fraction;
  }
  return weights;
}

/** Bilinear resizing as a product with one matrix per axis; its gradient is the product with their transposes. */
function bilinear(graph: Graph, x: Lazy, from: number[], to: number[], a: Call['attributes'], backward: boolean): Lazy {
  const matrix = (i: 0 | 1) => {
    const weights = interpolation(from[i], to[i], a.alignCorners ?? false, a.halfPixelCenters ?? false);
    return whole(graph.constant(weights, [to[i], from[i]], 'float32'));
  };
  const rows = matmul(graph, matrix(0), transpose(graph, x, TO_FIRST), backward, false);
  return transpose(graph, matmul(graph, rows, matrix(1), false, !backward), TO_LAST);
}

/** Kernels on images `[batch, height, width, channels]`. */
export const convolutionKernels: Kernels = {
  Conv2D: ({ graph, inputs: { x, filter }, attributes }) =>
    conv2d(graph, x, filter, convolutionInfo(attributes, x.shape, filter.shape)),
  FusedConv2D: (call) => {
    const { graph, inputs, attributes } = call;
    const info = convolutionInfo(attributes, inputs.x.shape, inputs.filter.shape);
    const bias = inputs.bias && reshape(graph, inputs.bias, [info.outChannels]);
    return activate(call, conv2d(graph, inputs.x, inputs.filter, info, bias));
  },
  Conv2DBackpropInput: imageGradient,
  Conv2DBackpropFilter: filterGradient,
  AvgPool: pool('AveragePool'),
  AvgPoolGrad: averagePoolGradient,
  MaxPool: pool('MaxPool'),
  MaxPoolGrad: maxPoolGradient,
  ResizeNearestNeighbor: nearestNeighbour,
  ResizeNearestNeighborGrad: nearestNeighbourGradient,
  ResizeBilinear: ({ graph, inputs: { images }, attributes: a }) =>
    bilinear(graph, images, images.shape.slice(1, 3), a.size, a, false),
  ResizeBilinearGrad: ({ graph, inputs: { images, dy }, attributes: a }) =>
    bilinear(graph, dy, images.shape.slice(1, 3), dy.shape.slice(1, 3), a, true),
};
