import { InvalidInputError } from '../runtime/errors';
import { type NumberArray, shown } from './numbers';
import { costRow, type PointSource, type PreparedProblem } from './problem';

/**
 * Regularisation strength: in the cost's unit, or as a multiple of a statistic of the cost matrix, or annealed. Statistics are over
 * the pairs of points that have mass, each pair counted once however its mass is shared (as OTT's and POT's means of a cost matrix):
 * a masked point, or one of weight 0, changes nothing.
 */
export type Epsilon =
  | number
  | {
      /** Epsilon, in units of `relativeTo`. */
      value: number;
      /** Default `absolute`. `median` of more than 2^20 pairs is taken over a regular sample of rows. */
      relativeTo?: 'absolute' | 'mean' | 'max' | 'median';
      /** Solve first with larger epsilons, each `factor` times the one before (default 0.25), from `from` times the mean cost (default 1). */
      anneal?: { from?: number; factor?: number };
    };

const STATISTICS = ['absolute', 'mean', 'max', 'median'];
const MEDIAN_ENTRIES = 2 ** 20;

/**
 * The epsilons to solve with, in order, all in the cost's unit; the last one is the one asked for.
 * @throws InvalidInputError for an epsilon that is not a positive finite number.
 */
export function resolveEpsilons(epsilon: Epsilon, problem: PreparedProblem): number[] {
  const given = typeof epsilon === 'object' && epsilon !== null ? epsilon : { value: epsilon };
  requirePositive('epsilon', given.value);
  const relativeTo = given.relativeTo ?? 'absolute';
  if (!STATISTICS.includes(relativeTo)) {
    throw new InvalidInputError('Epsilon, relativeTo', {
      given: shown(relativeTo),
      expected: STATISTICS.join(' | '),
      remedy: 'Correct the name, or leave it out for an absolute epsilon.',
    });
  }
  const scale = relativeTo === 'absolute' ? 1 : costStatistic(problem, relativeTo);
  // A cost that is zero everywhere (all points equal) has scale 0; any positive epsilon then gives the same plan.
  const last = scale > 0 ? given.value * scale : given.value;
  requirePositive('epsilon x scale of the cost', last);
  if (!given.anneal) return [last];
  const { from = 1, factor = 0.25 } = given.anneal;
  requirePositive('anneal.from', from);
  if (!(Number.isFinite(factor) && factor > 0 && factor < 1)) {
    throw new InvalidInputError('Epsilon, anneal.factor', {
      given: shown(factor),
      expected: 'a number strictly between 0 and 1',
      remedy: 'Use 0.25, or a value nearer 1 for a slower descent.',
    });
  }
  const stages: number[] = [];
  for (let e = from * costStatistic(problem, 'mean'); e > last * 1.000001; e *= factor) stages.push(e);
  return [...stages, last];
}

/** Mean, maximum or median of the absolute costs of all pairs of points with mass, in the cost's unit. */
export function costStatistic(problem: PreparedProblem, statistic: 'mean' | 'max' | 'median'): number {
  const { a, b, m, source } = problem;
  const [rows, columns] = [withMass(a), withMass(b)];
  if (statistic === 'mean' && source.kind === 'points') return meanSquaredDistance(source, rows, columns);
  const pairs = rows.length * columns.length;
  const stride = statistic === 'median' ? Math.max(1, Math.ceil(pairs / MEDIAN_ENTRIES)) : 1;
  const row = new Float64Array(m);
  const sizes = statistic === 'median' ? new Float64Array(Math.ceil(rows.length / stride) * columns.length) : undefined;
  let sum = 0;
  let largest = 0;
  let seen = 0;
  for (let k = 0; k < rows.length; k += stride) {
    costRow(problem, rows[k], row);
    for (const j of columns) {
      const size = Math.abs(row[j]);
      if (sizes) sizes[seen++] = size;
      sum += size;
      if (size > largest) largest = size;
    }
  }
  if (statistic === 'max') return largest;
  if (!sizes) return sum / pairs;
  sizes.sort();
  const middle = sizes.length >> 1;
  return sizes.length % 2 ? sizes[middle] : (sizes[middle - 1] + sizes[middle]) / 2;
}

function withMass(masses: Float64Array): number[] {
  return Array.from(masses.keys()).filter((i) => masses[i] > 0);
}

/** Mean of |x_i - y_j|^2 over the pairs of `rows` and `columns` in O((n + m) d): scatter of both clouds plus the squared distance of their means. */
export function meanSquaredDistance({ x, y, dimension }: PointSource, rows: number[], columns: number[]): number {
  const meanX = meanPoint(x, dimension, rows);
  const meanY = meanPoint(y, dimension, columns);
  const between = meanX.reduce((sum, value, k) => sum + (value - meanY[k]) ** 2, 0);
  return scatter(x, meanX, rows) / rows.length + scatter(y, meanY, columns) / columns.length + between;
}

function meanPoint(points: NumberArray, dimension: number, rows: number[]): Float64Array {
  const sums = new Float64Array(dimension);
  for (const i of rows) for (let k = 0; k < dimension; k++) sums[k] += points[i * dimension + k];
  return sums.map((sum) => (sum * dimension) / (rows.length * dimension));
}

/** Sum of squared distances of points to a centre. */
function scatter(points: NumberArray, centre: Float64Array, rows: number[]): number {
  const dimension = centre.length;
  let sum = 0;
  for (const i of rows) {
    for (let k = 0; k < dimension; k++) {
      const difference = points[i * dimension + k] - centre[k];
      sum += difference * difference;
    }
  }
  return sum;
}

function requirePositive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new InvalidInputError(`Sinkhorn, ${name}`, {
      given: shown(value),
      expected: 'a finite number > 0',
      remedy: "Use e.g. { value: 0.05, relativeTo: 'mean' }; for epsilon = 0 use exactTransport.",
    });
  }
}
