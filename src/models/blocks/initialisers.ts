import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key, normal, uniform } from '../../runtime/random';

/** Names and PyTorch shapes of a model's weights, in state-dict order, known without allocating them. */
export type Shapes = Map<string, number[]>;

/** Values for one weight from its shape and a key of its own. */
export type Initialiser = (shape: number[], key: Key) => Float32Array;

const size = (shape: number[]) => shape.reduce((product, n) => product * n, 1);
const fanIn = (shape: number[]) => size(shape.slice(1));

export const zeros: Initialiser = (shape) => new Float32Array(size(shape));
export const ones: Initialiser = (shape) => new Float32Array(size(shape)).fill(1);

/** Normal with mean 0 and the given standard deviation. */
export const gaussian =
  (std: number): Initialiser =>
  (shape, key) =>
    Float32Array.from(normal(key, size(shape)), (x) => x * std);

/** Uniform within +- sqrt(6 / (in + out)) for a matrix `[out, in]` (Glorot and Bengio 2010). */
export const xavier: Initialiser = (shape, key) => {
  const bound = Math.sqrt(6 / (shape[0] + fanIn(shape)));
  return Float32Array.from(uniform(key, size(shape), -bound, bound));
};

/** Uniform within +- 1 / sqrt(inputs): PyTorch's default for the weights and biases of convolutions. */
export const fanInUniform =
  (inputs: number): Initialiser =>
  (shape, key) => {
    const bound = 1 / Math.sqrt(inputs);
    return Float32Array.from(uniform(key, size(shape), -bound, bound));
  };

/** Makes every weight of a shape table; each weight's key is folded from its name, so that order does not matter. */
export function initialise(
  shapes: Shapes,
  key: Key,
  choose: (name: string, shape: number[]) => Initialiser,
): Parameters {
  const parameters: Parameters = new Map();
  for (const [name, shape] of shapes) {
    parameters.set(name, tf.tensor(choose(name, shape)(shape, foldIn(key, name)), shape));
  }
  return parameters;
}
