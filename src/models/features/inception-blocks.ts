import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import type { Shapes } from '../blocks/initialisers';
import { weight } from '../blocks/layers';

/** A convolution without bias, batch norm and ReLU: what every layer of the network is. */
export interface ConvolutionLayer {
  out: number;
  /** Height and width of the kernel. */
  kernel: readonly [number, number];
  stride?: 1 | 2;
  /** Zeros on every side as for an equal size (`same`), or none (`valid`). */
  padding?: 'same' | 'valid';
}

export type NamedLayer = readonly [name: string, layer: ConvolutionLayer];

/** A branch: layers one after the other by name, after an optional pooling. */
export interface Branch {
  pool?: 'average' | 'largest' | 'largest, halving';
  layers: readonly NamedLayer[];
  /** Layers that all take what the branch came to; their results are joined. */
  ends?: readonly NamedLayer[];
}

/** Branches of one input, joined along the channels in this order. */
export interface Block {
  name: string;
  branches: readonly Branch[];
}

const BATCH_NORM_EPSILON = 1e-3;

/** `[batch, height, width, channels]` through a convolution, its batch norm with running statistics, and ReLU. */
export function convolutionLayer(
  parameters: Parameters,
  name: string,
  x: tf.Tensor4D,
  { kernel: [height, width], stride = 1, padding = 'same' }: ConvolutionLayer,
): tf.Tensor4D {
  const [above, beside] = padding === 'same' ? [(height - 1) / 2, (width - 1) / 2] : [0, 0];
  const padded = above + beside === 0 ? x : x.pad([[0, 0], [above, above], [beside, beside], [0, 0]]); // biome-ignore format: a table
  const filter = weight<tf.Tensor4D>(parameters, `${name}.conv.weight`).transpose([2, 3, 1, 0]) as tf.Tensor4D;
  const norm = (part: string) => weight<tf.Tensor1D>(parameters, `${name}.bn.${part}`);
  const scale = norm('weight').mul(norm('running_var').add(BATCH_NORM_EPSILON).rsqrt());
  const shift = norm('bias').sub(norm('running_mean').mul(scale));
  // The norm's scale goes into the filter: one pass over the map less.
  return tf
    .conv2d(padded as tf.Tensor4D, filter.mul(scale) as tf.Tensor4D, stride, 'valid')
    .add(shift)
    .relu() as tf.Tensor4D;
}

/** A block on `[batch, height, width, channels]`. */
export function runBlock(parameters: Parameters, { name, branches }: Block, x: tf.Tensor4D): tf.Tensor4D {
  const results = branches.flatMap(({ pool, layers, ends }) => {
    const run = (from: tf.Tensor4D, [layer, shape]: NamedLayer) =>
      convolutionLayer(parameters, `${name}.${layer}`, from, shape);
    const through = layers.reduce<tf.Tensor4D>(run, pooled(x, pool));
    return ends ? ends.map((end) => run(through, end)) : [through];
  });
  return tf.concat(results, 3);
}

/** Names and shapes of the weights of a layer. */
export function layerShapes(shapes: Shapes, name: string, input: number, { out, kernel }: ConvolutionLayer): void {
  shapes.set(`${name}.conv.weight`, [out, input, ...kernel]);
  for (const part of ['weight', 'bias', 'running_mean', 'running_var']) shapes.set(`${name}.bn.${part}`, [out]);
}

/** Adds the weights of a block. @returns its number of output channels. */
export function blockShapes(shapes: Shapes, { name, branches }: Block, input: number): number {
  let total = 0;
  for (const { layers, ends = [] } of branches) {
    let width = input;
    for (const [layer, shape] of layers) {
      layerShapes(shapes, `${name}.${layer}`, width, shape);
      width = shape.out;
    }
    for (const [layer, shape] of ends) layerShapes(shapes, `${name}.${layer}`, width, shape);
    total += ends.length > 0 ? ends.reduce((sum, [, { out }]) => sum + out, 0) : width;
  }
  return total;
}

/** An average at the border is over the pixels that there are (TensorFlow's way, which the FID network keeps). */
function pooled(x: tf.Tensor4D, pool: Branch['pool']): tf.Tensor4D {
  if (pool === 'average') return tf.avgPool(x, 3, 1, 'same');
  if (pool === 'largest') return tf.maxPool(x, 3, 1, 'same');
  return pool === 'largest, halving' ? tf.maxPool(x, 3, 2, 'valid') : x;
}
