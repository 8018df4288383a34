import { InvalidInputError } from '../runtime/errors';
import type { Features } from './features';
import { checkProbabilities, type InceptionScore, ofSplits } from './inception-score';

/** Rows of one bucket: what their score needs. */
interface Bucket {
  rows: number;
  marginal: Float64Array;
  negativeEntropy: number;
}

/** Buckets of the unit interval; parts are made of whole ones, so their sizes differ by about a thousandth of all rows. */
const BUCKETS = 1000;
/** With one row a part the score is 1 whatever the images are. */
const LEAST_PER_PART = 2;

/**
 * The Inception score of any number of images in any order, in memory O(classes): which part an image is in depends on its key alone (see
 * `imageKeys`) and not on folders, order or batches. In each part, with the mean p(y) of its rows, log score = mean of sum p log p over
 * rows - sum p(y) log p(y).
 */
export class StreamingInceptionScore {
  private readonly buckets = new Map<number, Bucket>();
  private seen = 0;

  /** @param splits parts of about equal numbers of rows, from 1. */
  constructor(
    readonly classes: number,
    readonly splits = 10,
  ) {
    if (!(Number.isInteger(splits) && splits >= 1)) {
      throw new InvalidInputError('Inception score', {
        given: `splits = ${splits}`,
        expected: 'a whole number from 1',
        remedy: 'Papers use 10 parts.',
      });
    }
  }

  /** Images for which the score is defined. */
  get needed(): number {
    return LEAST_PER_PART * this.splits;
  }

  /**
   * Takes in more rows.
   * @param keys one number in [0, 1) per row, a fixed function of the image
   * @throws InvalidInputError for rows that are no probabilities, or keys that do not fit them.
   */
  add(probabilities: Features, keys: ArrayLike<number>): void {
    checkProbabilities(probabilities);
    const { data, count, dimension } = probabilities;
    if (dimension !== this.classes || keys.length !== count || Array.from(keys).some((key) => !(key >= 0 && key < 1))) {
      throw new InvalidInputError('Class probabilities', {
        given: `${count} rows of ${dimension} classes with ${keys.length} keys`,
        expected: `rows of ${this.classes} classes with a key in [0, 1) each`,
        remedy: 'Give every image its key.',
      });
    }
    for (let i = 0; i < count; i++) {
      const bucket = this.bucket(Math.floor(keys[i] * BUCKETS));
      bucket.rows++;
      for (let k = 0; k < dimension; k++) {
        const p = data[i * dimension + k];
        bucket.marginal[k] += p;
        if (p > 0) bucket.negativeEntropy += p * Math.log(p); // 0 log 0 = 0
      }
    }
    this.seen += count;
  }

  /** The score so far, over the parts that have rows (equal images share a part); undefined for fewer than `needed` rows. */
  finish(): InceptionScore | undefined {
    if (this.seen < this.needed) return undefined;
    const parts = Array.from({ length: this.splits }, () => this.empty());
    let before = 0;
    for (const [, bucket] of [...this.buckets].sort(([a], [b]) => a - b)) {
      const part = parts[Math.floor(((before + bucket.rows / 2) * this.splits) / this.seen)];
      part.rows += bucket.rows;
      part.negativeEntropy += bucket.negativeEntropy;
      for (let k = 0; k < this.classes; k++) part.marginal[k] += bucket.marginal[k];
      before += bucket.rows;
    }
    const scores = parts.filter(({ rows }) => rows > 0).map(scoreOf);
    return ofSplits(Float64Array.from(scores));
  }

  private bucket(index: number): Bucket {
    const found = this.buckets.get(index) ?? this.empty();
    this.buckets.set(index, found);
    return found;
  }

  private empty(): Bucket {
    return { rows: 0, marginal: new Float64Array(this.classes), negativeEntropy: 0 };
  }
}

function scoreOf({ rows, marginal, negativeEntropy }: Bucket): number {
  const ofMean = marginal.reduce((sum, total) => sum + (total > 0 ? (total / rows) * Math.log(total / rows) : 0), 0);
  return Math.exp(negativeEntropy / rows - ofMean);
}
