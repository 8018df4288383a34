import * as tf from '@tensorflow/tfjs';
import { foldIn, type Key, normal } from '../runtime/random';

/** Source of a sampler's random numbers: an explicit key, or recorded draws. Row by row, in the requested shape. */
export interface NoiseSource {
  /** Standard normal start of the reverse process. */
  initial(shape: [number, number]): Float32Array;
  /** Standard normal noise of one reverse step (an index of the respaced process). */
  step(step: number, shape: [number, number]): Float32Array;
}

/** Noise from a key: the same key gives the same sample on every backend. */
export function keyedNoise(key: Key): NoiseSource {
  return {
    initial: ([rows, channels]) => normalNumbers(foldIn(key, 'initial'), rows * channels),
    step: (step, [rows, channels]) => normalNumbers(foldIn(key, step), rows * channels),
  };
}

/** A float32 tensor of standard normal numbers from a key. */
export function normalTensor<R extends tf.Rank = tf.Rank.R2>(key: Key, shape: number[]): tf.Tensor<R> {
  const size = shape.reduce((product, n) => product * n, 1);
  return tf.tensor(normalNumbers(key, size), shape as tf.ShapeMap[R]) as tf.Tensor<R>;
}

const normalNumbers = (key: Key, count: number): Float32Array => new Float32Array(normal(key, count));
