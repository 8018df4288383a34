import { InvalidInputError } from '../runtime/errors';
import { checkFeatures, type Features } from './features';

/** Inception score of each part, their mean and (population) standard deviation over the parts. */
export interface InceptionScore {
  mean: number;
  std: number;
  perSplit: Float64Array;
}

/**
 * Inception score exp E KL(p(y|x) || p(y)) (Salimans et al. 2016) in `splits` consecutive parts, as the reference implementations have
 * it: rows that are ordered by class are to be shuffled first. For images see `StreamingInceptionScore`.
 * @param probabilities class probabilities, rows that sum to 1 (within 1e-3)
 * @throws InvalidInputError for rows that are no probabilities, or fewer rows than parts.
 */
export function inceptionScore(probabilities: Features, splits = 10): InceptionScore {
  const { data, count, dimension: classes } = probabilities;
  checkProbabilities(probabilities);
  if (!(Number.isInteger(splits) && splits >= 1 && splits <= count)) {
    throw new InvalidInputError('Inception score', {
      given: `splits = ${splits} for ${count} rows`,
      expected: 'an integer from 1 to the number of rows',
      remedy: 'Use fewer splits or more images.',
    });
  }
  const perSplit = Float64Array.from({ length: splits }, (_, s) =>
    scoreOfRows(data, classes, Math.floor((s * count) / splits), Math.floor(((s + 1) * count) / splits)),
  );
  return ofSplits(perSplit);
}

/** Rows of probabilities. @throws InvalidInputError naming the first row that is none. */
export function checkProbabilities(probabilities: Features): void {
  checkFeatures('Class probabilities', probabilities);
  const { data, count, dimension: classes } = probabilities;
  for (let i = 0; i < count; i++) {
    let sum = 0;
    let smallest = 0;
    for (let k = 0; k < classes; k++) {
      sum += data[i * classes + k];
      smallest = Math.min(smallest, data[i * classes + k]);
    }
    if (smallest < 0 || Math.abs(sum - 1) > 1e-3) {
      throw new InvalidInputError('Class probabilities', {
        given: `row ${i} with sum ${sum} and smallest entry ${smallest}`,
        expected: 'non-negative rows that sum to 1',
        remedy: 'Apply softmaxRows to logits first.',
      });
    }
  }
}

/** The scores of the parts with their mean and (population) standard deviation. */
export function ofSplits(perSplit: Float64Array): InceptionScore {
  const mean = perSplit.reduce((sum, x) => sum + x, 0) / perSplit.length;
  const std = Math.sqrt(perSplit.reduce((sum, x) => sum + (x - mean) ** 2, 0) / perSplit.length);
  return { mean, std, perSplit };
}

function scoreOfRows(data: Features['data'], classes: number, from: number, to: number): number {
  const marginal = new Float64Array(classes);
  for (let i = from; i < to; i++) for (let k = 0; k < classes; k++) marginal[k] += data[i * classes + k] / (to - from);
  let divergence = 0;
  for (let i = from; i < to; i++) {
    for (let k = 0; k < classes; k++) {
      const p = data[i * classes + k];
      if (p > 0) divergence += p * Math.log(p / marginal[k]); // 0 log 0 = 0
    }
  }
  return Math.exp(divergence / (to - from));
}

/** Softmax of each row of logits, in float64. */
export function softmaxRows(logits: Features): Features {
  const { data, count, dimension } = logits;
  const out = new Float64Array(count * dimension);
  for (let i = 0; i < count; i++) {
    const row = data.subarray(i * dimension, (i + 1) * dimension);
    const largest = Math.max(...row);
    let sum = 0;
    for (let k = 0; k < dimension; k++) sum += out[i * dimension + k] = Math.exp(row[k] - largest);
    for (let k = 0; k < dimension; k++) out[i * dimension + k] /= sum;
  }
  return { data: out, count, dimension };
}
