import { InvalidInputError } from '../runtime/errors';
import { checkFeatures, type Features } from './features';

/** Mean `[dimension]` and covariance `[dimension, dimension]` (divisor count - 1) of features, in float64. */
export interface FeatureStatistics {
  count: number;
  dimension: number;
  mean: Float64Array;
  covariance: Float64Array;
}

/**
 * Mean and covariance of any number of rows in memory O(dimension^2). Batches are merged by the pairwise update of
 * Chan, Golub and LeVeque (1979), which stays accurate when the mean is large against the spread.
 */
export class StreamingStatistics {
  private rows = 0;
  private readonly mean: Float64Array;
  /** Upper triangle of the sum of (x - mean)(x - mean)^T. */
  private readonly scatter: Float64Array;

  constructor(readonly dimension: number) {
    this.mean = new Float64Array(dimension);
    this.scatter = new Float64Array(dimension * dimension);
  }

  get count(): number {
    return this.rows;
  }

  /** Takes in a batch of rows. @throws InvalidInputError for another width or a number that is not finite. */
  add(batch: Features): void {
    checkFeatures('Features added to the statistics', batch);
    this.checkDimension(batch.dimension);
    const { data, count, dimension: d } = batch;
    const mean = new Float64Array(d);
    for (let i = 0; i < count; i++) for (let j = 0; j < d; j++) mean[j] += data[i * d + j];
    for (let j = 0; j < d; j++) mean[j] /= count;
    const centred = new Float64Array(d);
    const scatter = new Float64Array(d * d);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < d; j++) centred[j] = data[i * d + j] - mean[j];
      for (let j = 0; j < d; j++) {
        const x = centred[j];
        for (let k = j, at = j * d + j; k < d; k++, at++) scatter[at] += x * centred[k];
      }
    }
    this.combine(count, mean, scatter);
  }

  /** Takes in the rows that `other` has seen, so that parts can be gathered in parallel. */
  merge(other: StreamingStatistics): void {
    this.checkDimension(other.dimension);
    this.combine(other.rows, other.mean, other.scatter);
  }

  /** The statistics so far. @throws InvalidInputError with fewer than two rows. */
  finish(): FeatureStatistics {
    if (this.rows < 2) {
      throw new InvalidInputError('Feature statistics', {
        given: `${this.rows} rows`,
        expected: 'at least 2 rows',
        remedy: 'Add more images before asking for a covariance.',
      });
    }
    const d = this.dimension;
    const covariance = new Float64Array(d * d);
    for (let j = 0; j < d; j++) {
      for (let k = j; k < d; k++) {
        covariance[j * d + k] = covariance[k * d + j] = this.scatter[j * d + k] / (this.rows - 1);
      }
    }
    return { count: this.rows, dimension: d, mean: this.mean.slice(), covariance };
  }

  private combine(count: number, mean: Float64Array, scatter: Float64Array): void {
    if (count === 0) return;
    const d = this.dimension;
    const total = this.rows + count;
    const weight = (this.rows * count) / total;
    const shift = mean.map((m, j) => m - this.mean[j]);
    for (let j = 0; j < d; j++) {
      for (let k = j; k < d; k++) this.scatter[j * d + k] += scatter[j * d + k] + weight * shift[j] * shift[k];
    }
    for (let j = 0; j < d; j++) this.mean[j] += (shift[j] * count) / total;
    this.rows = total;
  }

  private checkDimension(dimension: number): void {
    if (dimension !== this.dimension) {
      throw new InvalidInputError('Feature statistics', {
        given: `rows of ${dimension} numbers`,
        expected: `rows of ${this.dimension} numbers`,
        remedy: 'Gather one statistic per feature extractor.',
      });
    }
  }
}

/** Mean and covariance of one feature matrix. @throws InvalidInputError with fewer than two rows. */
export function featureStatistics(features: Features): FeatureStatistics {
  const statistics = new StreamingStatistics(features.dimension);
  statistics.add(features);
  return statistics.finish();
}
