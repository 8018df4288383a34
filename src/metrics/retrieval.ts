import { InvalidInputError } from '../runtime/errors';
import { quantile } from './confidence';
import { checkFeatures, checkSameDimension, type Features } from './features';
import { squaredRadii } from './precision-recall';

/** The nearest row of a bank for each query. */
export interface Nearest {
  /** Euclidean distance, `[queries]`; infinite while the bank is empty. */
  distance: Float64Array;
  /** Number of the nearest bank row in the order added, -1 while the bank is empty. */
  row: Int32Array;
}

/**
 * Distances of queries to their nearest row of a bank that is shown part by part: memory O(queries) however large the bank.
 * Exact, in float64.
 */
export class NearestRows {
  private readonly squared: Float64Array;
  private readonly row: Int32Array;
  private rows = 0;

  /** @throws InvalidInputError for queries that are not finite. */
  constructor(private readonly queries: Features) {
    checkFeatures('Queries', queries);
    this.squared = new Float64Array(queries.count).fill(Number.POSITIVE_INFINITY);
    this.row = new Int32Array(queries.count).fill(-1);
  }

  /** Shows some rows of the bank. @throws InvalidInputError for another width or a number that is not finite. */
  add(bank: Features): this {
    checkFeatures('Rows of the bank', bank);
    checkSameDimension(this.queries, bank);
    const { data: x, count, dimension } = this.queries;
    const y = bank.data;
    for (let i = 0; i < count; i++) {
      let best = this.squared[i];
      for (let j = 0; j < bank.count; j++) {
        let sum = 0;
        for (let k = 0, p = i * dimension, q = j * dimension; k < dimension && sum < best; k++, p++, q++) {
          const difference = x[p] - y[q];
          sum += difference * difference;
        }
        if (sum < best) {
          best = sum;
          this.row[i] = this.rows + j;
        }
      }
      this.squared[i] = best;
    }
    this.rows += bank.count;
    return this;
  }

  /** What is nearest among the rows shown so far. */
  finish(): Nearest {
    return { distance: this.squared.map(Math.sqrt), row: this.row.slice() };
  }
}

/** How near rows are to a bank, in units of how near the bank's own rows are to each other. */
export interface Proximity {
  /** Mean distance to the nearest bank row over the bank's own mean nearest-neighbour distance: 0 = copies, about 1 = fresh draws of one law. */
  ratio: number;
  /** Standard error of `ratio` over the rows. */
  error: number;
  /** Share of rows within a tenth of the bank's own nearest-neighbour distance of a bank row: copies but for rounding. */
  copies: number;
  rows: number;
}

/**
 * Tells soft retrieval from repair: conditions after a refinement against the rows of the buffer that it used.
 * @throws InvalidInputError for a bank of fewer than two rows or of one point only.
 */
export function proximity(rows: Features, bank: Features, own = ownDistance(bank)): Proximity {
  const { distance } = new NearestRows(rows).add(bank).finish();
  if (!(own > 0)) {
    throw new InvalidInputError('Proximity to a bank', {
      given: `${bank.count} rows that are all the same`,
      expected: 'a bank with a spread',
      remedy: 'Leave out groups whose conditions are one point, as at the first step of a class.',
    });
  }
  const { mean, error } = meanAndError(distance);
  const copies = distance.filter((d) => d < own / 10).length / rows.count;
  return { ratio: mean / own, error: error / own, copies, rows: rows.count };
}

/** Mean distance of a bank's rows to their nearest other row. @throws InvalidInputError for fewer than two rows. */
export function ownDistance(bank: Features): number {
  checkFeatures('Rows of the bank', bank, 2);
  return meanAndError(squaredRadii(bank, 1).map(Math.sqrt)).mean;
}

/** Whether generated images are nearer to the training images than unseen real images are. */
export interface Memorisation {
  /** Mean distance of generated rows to the nearest training row over that of unseen real rows: 1 = no nearer, 0 = copies. */
  ratio: number;
  /** Standard error of `ratio` (delta method, both means). */
  ratioError: number;
  /** Share of generated rows nearer to a training row than all but `level` of the unseen real rows are. */
  nearCopies: number;
  /** Standard error of `nearCopies`: of the count itself, and of the threshold that is estimated from the unseen rows. */
  nearCopiesError: number;
  /** Expected `nearCopies` without memorisation. */
  level: number;
  /** Distance below which a generated row counts as a near-copy. */
  threshold: number;
  counts: { generated: number; unseen: number; training: number };
}

/**
 * Compares distances to the nearest training row in feature space. `unseen` must be real rows that neither the model nor the
 * buffer saw, put through the same autoencoder as the generated ones; the training rows may come in parts.
 * @param level share of unseen rows that the threshold of near-copies leaves below it, in (0, 1); default 0.05
 * @throws InvalidInputError for fewer than two rows on a side, unequal widths or numbers that are not finite.
 */
export function memorisation(
  generated: Features,
  unseen: Features,
  training: Features | Iterable<Features>,
  level = 0.05,
): Memorisation {
  checkFeatures('Generated features', generated, 2);
  checkFeatures('Unseen features', unseen, 2);
  if (!(level > 0 && level < 1)) {
    throw new InvalidInputError('Level of near-copies', {
      given: String(level),
      expected: 'a share between 0 and 1',
      remedy: 'Leave it out for 0.05.',
    });
  }
  const [own, others] = [new NearestRows(generated), new NearestRows(unseen)];
  let count = 0;
  for (const part of 'data' in training ? [training] : training) {
    own.add(part);
    others.add(part);
    count += part.count;
  }
  if (count === 0) {
    throw new InvalidInputError('Training features', {
      given: 'no rows',
      expected: 'at least one row',
      remedy: 'Describe the images that the model was trained on.',
    });
  }
  const distance = own.finish().distance;
  const reference = others.finish().distance;
  const [a, b] = [meanAndError(distance), meanAndError(reference)];
  const threshold = quantile(reference.slice().sort(), level);
  const nearCopies = distance.filter((d) => d < threshold).length / generated.count;
  const ratio = a.mean / b.mean;
  return {
    ratio,
    ratioError: Math.hypot(a.error / b.mean, (ratio * b.error) / b.mean),
    nearCopies,
    nearCopiesError: Math.sqrt(
      (nearCopies * (1 - nearCopies)) / generated.count + (level * (1 - level)) / unseen.count,
    ),
    level,
    threshold,
    counts: { generated: generated.count, unseen: unseen.count, training: count },
  };
}

function meanAndError(values: Float64Array): { mean: number; error: number } {
  const n = values.length;
  const mean = values.reduce((sum, x) => sum + x, 0) / n;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0 };
}
