import * as tf from '@tensorflow/tfjs';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { classEmbedding, fakeEmbedding } from './mar/mar';

/** One class per sample; -1 for each, or only their number, to generate without a class. */
export type Classes = readonly number[] | Int32Array | number;

/** Labels as an array, -1 for "without a class". @throws InvalidInputError naming a label out of range. */
export function checkClasses(count: number, given: Classes): Int32Array {
  if (typeof given === 'number') return new Int32Array(given).fill(-1);
  if (given.length > 0 && given.every((label) => label === -1)) return Int32Array.from(given);
  const wrong = [...given].find((label) => !Number.isInteger(label) || label < 0 || label >= count);
  if (wrong === undefined && given.length > 0) return Int32Array.from(given);
  throw new InvalidInputError('Classes', {
    given: wrong === undefined ? 'none' : String(wrong),
    expected: `whole numbers from 0 to ${count - 1}, one per sample`,
    remedy: 'Pass a number of samples instead to generate without a class.',
  });
}

/**
 * Embeddings of labels int32 `[batch]`, or of so many samples without a class, `[batch, width]`; under guidance the fake latent for a
 * second half of the batch, `[2 batch, width]`.
 */
export function embedClasses(parameters: Parameters, labels: tf.Tensor1D | number, guided: boolean): tf.Tensor2D {
  const fake = fakeEmbedding(parameters, typeof labels === 'number' ? labels : labels.shape[0]);
  const known = typeof labels === 'number' ? fake : classEmbedding(parameters, labels);
  return guided ? (tf.concat([known, fake], 0) as tf.Tensor2D) : known;
}
