import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { runPart } from '../compiled/compile-model';
import { decodeLatents, encode, type Posterior, type VaeConfig } from './vae';

/** An autoencoder as experiments see it, compiled where its weights are; images are in [-1, 1], `[batch, size, size, channels]`. */
export interface Autoencoder {
  config: VaeConfig;
  /** The weights; they belong to whoever loaded them. */
  parameters: Parameters;
  /** Unscaled posterior of images. */
  encode(images: tf.Tensor4D): Posterior;
  /** Images from scaled latents `[batch, side, side, latentChannels]`, a part of the batch at a time. Leaves only its result. */
  decode(latents: tf.Tensor4D): tf.Tensor4D;
}

export function autoencoder(parameters: Parameters, config: VaeConfig): Autoencoder {
  const decodePart = (part: tf.Tensor4D) =>
    runPart(parameters, 'decode latents', { latents: part }, ({ latents }, weights) => ({
      images: decodeLatents(weights, config, latents),
    })).images;
  return {
    config,
    parameters,
    encode: (images) =>
      runPart(parameters, 'encode', { images }, (given, weights) => {
        const { mean, logVariance } = encode(weights, config, given.images);
        return { mean, logVariance };
      }),
    decode: (latents) => {
      const pixels = (latents.shape[1] * 2 ** (config.multipliers.length - 1)) ** 2;
      return inBatches(latents, decodePart, Math.max(1, Math.min(BATCH, Math.floor(PIXELS / pixels))));
    },
  };
}

/** Images at a time, and pixels: memory grows with them, speed does not. */
const BATCH = 50;
const PIXELS = 2 ** 18;

/** Runs a function on parts of a batch, in order, and joins the results. Leaves only its result. */
export function inBatches(
  all: tf.Tensor4D,
  run: (part: tf.Tensor4D, start: number) => tf.Tensor4D,
  batch = BATCH,
): tf.Tensor4D {
  return tf.tidy(() => {
    const parts = Array.from({ length: Math.ceil(all.shape[0] / batch) }, (_, i) => {
      const start = i * batch;
      const count = Math.min(batch, all.shape[0] - start);
      return tf.tidy(() => run(all.slice([start, 0, 0, 0], [count, -1, -1, -1]), start));
    });
    return tf.concat(parts);
  });
}
