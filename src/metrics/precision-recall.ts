import { InvalidInputError } from '../runtime/errors';
import { checkFeatures, checkSameDimension, type Features } from './features';

/** Four shares that say whether samples look real (precision, density) and whether they are varied (recall, coverage). */
export interface PrecisionRecall {
  /** Share of generated rows inside at least one real ball. */
  precision: number;
  /** Share of real rows inside at least one generated ball. */
  recall: number;
  /** Mean number of real balls round a generated row, divided by k; may exceed 1. */
  density: number;
  /** Share of real balls that hold at least one generated row. */
  coverage: number;
}

/**
 * Improved precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020), in float64. The ball
 * of a row reaches to its k-th nearest other row of the same set, boundary included.
 * @param k neighbours, 1 .. rows - 1
 * @throws InvalidInputError for unequal widths, numbers that are not finite, or k out of range.
 */
export function precisionRecall(real: Features, fake: Features, k = 3): PrecisionRecall {
  checkFeatures('Real features', real, 2);
  checkFeatures('Generated features', fake, 2);
  checkSameDimension(real, fake);
  if (!(Number.isInteger(k) && k >= 1 && k < Math.min(real.count, fake.count))) {
    throw new InvalidInputError('Precision and recall', {
      given: `k = ${k} for ${real.count} real and ${fake.count} generated rows`,
      expected: 'an integer from 1 to the smaller count minus 1',
      remedy: 'Use a smaller k or more images.',
    });
  }
  const realRadius = squaredRadii(real, k);
  const fakeRadius = squaredRadii(fake, k);
  const insideReal = new Uint32Array(fake.count);
  const insideFake = new Uint8Array(real.count);
  const covered = new Uint8Array(real.count);
  for (let i = 0; i < real.count; i++) {
    for (let j = 0; j < fake.count; j++) {
      const distance = squaredDistance(real, i, fake, j);
      if (distance <= realRadius[i]) {
        insideReal[j]++;
        covered[i] = 1;
      }
      if (distance <= fakeRadius[j]) insideFake[i] = 1;
    }
  }
  const share = (counts: ArrayLike<number>) => Array.from(counts).filter((x) => x > 0).length / counts.length;
  return {
    precision: share(insideReal),
    recall: share(insideFake),
    density: insideReal.reduce((sum, x) => sum + x, 0) / (k * fake.count),
    coverage: share(covered),
  };
}

/** Squared distance of each row to its k-th nearest other row. */
export function squaredRadii(features: Features, k: number): Float64Array {
  const { count } = features;
  const nearest = Array.from({ length: count }, () => new Float64Array(k).fill(Number.POSITIVE_INFINITY));
  for (let i = 0; i < count; i++) {
    for (let j = i + 1; j < count; j++) {
      const distance = squaredDistance(features, i, features, j);
      insert(nearest[i], distance);
      insert(nearest[j], distance);
    }
  }
  return Float64Array.from(nearest, (row) => row[k - 1]);
}

/** Keeps the smallest numbers in ascending order. */
function insert(smallest: Float64Array, x: number): void {
  let at = smallest.length - 1;
  if (!(x < smallest[at])) return;
  for (; at > 0 && smallest[at - 1] > x; at--) smallest[at] = smallest[at - 1];
  smallest[at] = x;
}

function squaredDistance(x: Features, i: number, y: Features, j: number): number {
  const d = x.dimension;
  let sum = 0;
  for (let k = 0, p = i * d, q = j * d; k < d; k++, p++, q++) {
    const difference = x.data[p] - y.data[q];
    sum += difference * difference;
  }
  return sum;
}
