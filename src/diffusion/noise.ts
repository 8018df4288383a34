import * as tf from '@tensorflow/tfjs';
import { foldIn, type Key, normal } from '../runtime/random';

/** Where a sampler's random numbers come from: an explicit key, or draws recorded elsewhere. */
export interface NoiseSource {
  /** Standard normal start of the reverse process. The caller disposes of it. */
  initial(shape: [number, number]): tf.Tensor2D;
  /** Standard normal noise of one reverse step (an index of the respaced process). The caller disposes of it. */
  step(step: number, shape: [number, number]): tf.Tensor2D;
}

/** Noise from a key: the same key gives the same sample on every backend. */
export function keyedNoise(key: Key): NoiseSource {
  return {
    initial: (shape) => normalTensor(foldIn(key, 'initial'), shape),
    step: (step, shape) => normalTensor(foldIn(key, step), shape),
  };
}

/** A float32 tensor of standard normal numbers from a key. */
export function normalTensor<R extends tf.Rank = tf.Rank.R2>(key: Key, shape: number[]): tf.Tensor<R> {
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(Float32Array.from(normal(key, size)), shape as tf.ShapeMap[R]) as tf.Tensor<R>;
}
