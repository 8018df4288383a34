import * as tf from '@tensorflow/tfjs';
import { saveParameters } from '../../src/io/parameters';
import { inceptionShapes } from '../../src/models/features/inception';
import type { Parameters } from '../../src/runtime/parameters';
import { bits, foldIn, key } from '../../src/runtime/random';

/** Random weights under which every map of the network stays of order one, the same on every machine. Needs a backend. */
export function inceptionWeights(seed = 1): Parameters {
  const weights: Parameters = new Map();
  for (const [name, shape] of inceptionShapes()) {
    const count = shape.reduce((product, n) => product * n, 1);
    const [low, high] = limits(name, shape);
    const words = bits(foldIn(key(seed), name), count);
    weights.set(
      name,
      tf.tensor(
        Float32Array.from(words, (word) => low + ((high - low) * word) / 2 ** 32),
        shape,
      ),
    );
  }
  return weights;
}

function limits(name: string, shape: number[]): [number, number] {
  if (name.endsWith('bn.weight')) return [0.5, 1.5];
  if (name.endsWith('running_var')) return [0.3, 0.7]; // about what the convolutions give
  if (shape.length === 1) return [-0.2, 0.2];
  const bound = Math.sqrt(3 / shape.slice(1).reduce((product, n) => product * n, 1));
  return [-bound, bound];
}

/** Two images `[2, 40, 40, 3]` of values 0 .. 255: blocks of noise. */
export function inceptionImages(seed = 2): tf.Tensor4D {
  const words = bits(key(seed), 2 * 8 * 8 * 3);
  const small = tf.tensor4d(
    Float32Array.from(words, (word) => word >>> 24),
    [2, 8, 8, 3],
  );
  const large = tf.image.resizeNearestNeighbor(small, [40, 40]);
  small.dispose();
  return large;
}

/** Writes both for another implementation: `node --import tsx test/generators/inception.ts FILE.safetensors`. */
async function main(path: string): Promise<void> {
  await tf.setBackend('cpu');
  saveParameters(path, new Map([...inceptionWeights(), ['images', inceptionImages()]]));
}

if (require.main === module) void main(process.argv[2]);
