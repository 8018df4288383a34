import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../src/runtime/parameters';
import { foldIn, key, normal } from '../../src/runtime/random';

/** Random weights in every place (a fresh model's modulations and outputs are zero, which would hide mistakes). */
export function randomise(parameters: Parameters, scale = 0.2): Parameters {
  return new Map(
    [...parameters].map(([name, x]) => {
      const noise = Float32Array.from(normal(foldIn(key(9), name), x.size), (value) => scale * value);
      const random = tf.tidy(() => x.add(tf.tensor(noise, x.shape)));
      x.dispose();
      return [name, random];
    }),
  );
}
