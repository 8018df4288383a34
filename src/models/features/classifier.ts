import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import type { Key } from '../../runtime/random';
import { convolution, groupNorm } from '../blocks/image-layers';
import { gaussian, initialise, ones, type Shapes, zeros } from '../blocks/initialisers';
import { linear, silu } from '../blocks/layers';

/**
 * A small convolutional classifier. Its features stand in for InceptionV3's in FID, Inception score and precision/recall at
 * this scale, so these numbers are analogues and compare only with each other.
 */
export interface ClassifierConfig {
  /** Side of the images in pixels, a multiple of 8. */
  size: number;
  classes: number;
  /** Channels of the first level; doubled twice. */
  width: number;
  /** Length of the feature vector. */
  features: number;
}

/** Three halvings, so the last map has an eighth of the side. */
const STAGES = [
  { name: 'conv1', from: 1, to: 1 },
  { name: 'conv2', from: 1, to: 2 },
  { name: 'conv3', from: 2, to: 4 },
] as const;

const GROUPS = 8;

/** Names and shapes of the weights. */
export function classifierShapes({ size, classes, width, features }: ClassifierConfig): Shapes {
  const shapes: Shapes = new Map();
  shapes.set('conv_in.weight', [width, 3, 3, 3]).set('conv_in.bias', [width]);
  for (const { name, from, to } of STAGES) {
    shapes.set(`${name}.norm.weight`, [from * width]).set(`${name}.norm.bias`, [from * width]);
    shapes.set(`${name}.weight`, [to * width, from * width, 3, 3]).set(`${name}.bias`, [to * width]);
  }
  shapes.set('features.weight', [features, 4 * width * (size / 8) ** 2]).set('features.bias', [features]);
  return shapes.set('logits.weight', [classes, features]).set('logits.bias', [classes]);
}

/** Side in pixels of the images that weights are for. */
export function classifierSide(parameters: Parameters): number {
  const [, inputs] = parameters.get('features.weight')!.shape;
  const [channels] = parameters.get('conv3.weight')!.shape;
  return 8 * Math.sqrt(inputs / channels);
}

/** Fresh weights: normal with variance 2 / inputs (He et al. 2015), norms 1 and 0, biases 0. */
export function initClassifier(config: ClassifierConfig, key: Key): Parameters {
  return initialise(classifierShapes(config), key, (name, shape) => {
    if (name.endsWith('.bias')) return zeros;
    if (name.includes('norm')) return ones;
    return gaussian(Math.sqrt(2 / shape.slice(1).reduce((product, n) => product * n, 1)));
  });
}

/**
 * Features `[batch, features]` and logits `[batch, classes]` of images `[batch, size, size, 3]` in [-1, 1]. The features are
 * those before the last nonlinearity, so that they are not cut at zero.
 */
export function classify(parameters: Parameters, images: tf.Tensor4D): { features: tf.Tensor2D; logits: tf.Tensor2D } {
  let x = convolution(parameters, 'conv_in', images);
  for (const { name } of STAGES) {
    x = convolution(parameters, name, silu(groupNorm(parameters, `${name}.norm`, x, GROUPS)), 2);
  }
  const flat = silu(x).reshape([images.shape[0], -1]) as tf.Tensor2D;
  const features = linear(parameters, 'features', flat);
  return { features, logits: linear(parameters, 'logits', silu(features)) };
}

/** Mean cross-entropy in nats. @param targets probabilities `[batch, classes]`, one-hot or smoothed */
export function classifierLoss(parameters: Parameters, images: tf.Tensor4D, targets: tf.Tensor2D): tf.Scalar {
  const { logits } = classify(parameters, images);
  return tf.neg(targets.mul(tf.logSoftmax(logits)).sum(1).mean()) as tf.Scalar;
}
