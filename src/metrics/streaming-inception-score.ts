import { InvalidInputError } from '../runtime/errors';
import type { Features } from './features';
import { checkProbabilities, type InceptionScore, ofSplits } from './inception-score';

/**
 * The Inception score of any number of images in memory O(parts * classes), the same number as `inceptionScore`: in each part, with the
 * mean p(y) of its rows, log score = mean of sum p log p over rows - sum p(y) log p(y).
 */
export class StreamingInceptionScore {
  private readonly parts: { rows: number; marginal: Float64Array; negativeEntropy: number }[];
  private seen = 0;

  /**
   * @param expected rows to come, which part is whose depends on it; where fewer come, the last parts are smaller
   * @param splits consecutive parts, 1 .. expected
   */
  constructor(
    readonly classes: number,
    readonly expected: number,
    readonly splits = 10,
  ) {
    if (!(Number.isInteger(splits) && splits >= 1 && splits <= expected)) {
      throw new InvalidInputError('Inception score', {
        given: `splits = ${splits} for ${expected} rows`,
        expected: 'an integer from 1 to the number of rows',
        remedy: 'Use fewer splits or more images.',
      });
    }
    this.parts = Array.from({ length: splits }, () => ({
      rows: 0,
      marginal: new Float64Array(classes),
      negativeEntropy: 0,
    }));
  }

  /** Takes in the next rows. @throws InvalidInputError for rows that are no probabilities, or more rows than were expected. */
  add(probabilities: Features): void {
    checkProbabilities(probabilities);
    const { data, count, dimension } = probabilities;
    if (dimension !== this.classes || this.seen + count > this.expected) {
      throw new InvalidInputError('Class probabilities', {
        given: `${count} more rows of ${dimension} classes after ${this.seen}`,
        expected: `at most ${this.expected} rows of ${this.classes} classes`,
        remedy: 'Say beforehand how many images there are.',
      });
    }
    for (let i = 0; i < count; i++) {
      const part = this.parts[Math.ceil(((this.seen + i + 1) * this.splits) / this.expected) - 1];
      part.rows++;
      for (let k = 0; k < dimension; k++) {
        const p = data[i * dimension + k];
        part.marginal[k] += p;
        if (p > 0) part.negativeEntropy += p * Math.log(p); // 0 log 0 = 0
      }
    }
    this.seen += count;
  }

  /** The score so far, over the parts that have rows. @throws InvalidInputError without any. */
  finish(): InceptionScore {
    const filled = this.parts.filter(({ rows }) => rows > 0);
    if (filled.length === 0) {
      throw new InvalidInputError('Inception score', {
        given: 'no rows',
        expected: 'at least one image',
        remedy: 'Add images before asking for their score.',
      });
    }
    const scores = filled.map(({ rows, marginal, negativeEntropy }) => {
      const ofMean = marginal.reduce(
        (sum, total) => sum + (total > 0 ? (total / rows) * Math.log(total / rows) : 0),
        0,
      );
      return Math.exp(negativeEntropy / rows - ofMean);
    });
    return ofSplits(Float64Array.from(scores));
  }
}
