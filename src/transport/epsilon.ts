import { InvalidInputError } from '../runtime/errors';
import { costRow, type NumberArray, type PreparedProblem } from './problem';

/** Regularisation strength: in the cost's unit, or as a multiple of a statistic of the cost matrix, or annealed. */
export type Epsilon =
  | number
  | {
      /** Epsilon, in units of `relativeTo`. */
      value: number;
      /** Default `absolute`. `median` of more than 2^20 entries is taken over a regular sample of rows. */
      relativeTo?: 'absolute' | 'mean' | 'max' | 'median';
      /** Solve first with larger epsilons, each `factor` times the one before (default 0.25), from `from` times the mean cost (default 1). */
      anneal?: { from?: number; factor?: number };
    };

const MEDIAN_ENTRIES = 2 ** 20;

/**
 * The epsilons to solve with, in order, all in the cost's unit; the last one is the one asked for.
 * @throws InvalidInputError for an epsilon that is not a positive finite number.
 */
export function resolveEpsilons(epsilon: Epsilon, problem: PreparedProblem): number[] {
  const given = typeof epsilon === 'number' ? { value: epsilon } : epsilon;
  requirePositive('epsilon', given.value);
  const relativeTo = given.relativeTo ?? 'absolute';
  const scale = relativeTo === 'absolute' ? 1 : costStatistic(problem, relativeTo);
  // A cost that is zero everywhere (all points equal) has scale 0; any positive epsilon then gives the same plan.
  const last = scale > 0 ? given.value * scale : given.value;
  requirePositive('epsilon x scale of the cost', last);
  if (!given.anneal) return [last];
  const { from = 1, factor = 0.25 } = given.anneal;
  requirePositive('anneal.from', from);
  if (!(factor > 0 && factor < 1)) {
    throw new InvalidInputError('Epsilon, anneal.factor', {
      given: String(factor),
      expected: 'a number strictly between 0 and 1',
      remedy: 'Use 0.25, or a value nearer 1 for a slower descent.',
    });
  }
  const stages: number[] = [];
  for (let e = from * costStatistic(problem, 'mean'); e > last * 1.000001; e *= factor) stages.push(e);
  return [...stages, last];
}

/** Mean, maximum or median of the absolute entries of the cost matrix, in the cost's unit. */
export function costStatistic(problem: PreparedProblem, statistic: 'mean' | 'max' | 'median'): number {
  const { n, m, source } = problem;
  if (statistic === 'mean' && source.kind === 'points') return meanSquaredDistance(problem);
  const stride = statistic === 'median' ? Math.max(1, Math.ceil((n * m) / MEDIAN_ENTRIES)) : 1;
  const row = new Float64Array(m);
  const kept = statistic === 'median' ? new Float64Array(Math.ceil(n / stride) * m) : undefined;
  let total = 0;
  let largest = 0;
  for (let i = 0; i < n; i += stride) {
    costRow(problem, i, row);
    kept?.set(row.map(Math.abs), (i / stride) * m);
    for (let j = 0; j < m; j++) {
      const size = Math.abs(row[j]);
      total += size;
      if (size > largest) largest = size;
    }
  }
  if (statistic === 'max') return largest;
  if (!kept) return total / (n * m);
  kept.sort();
  const middle = kept.length >> 1;
  return kept.length % 2 ? kept[middle] : (kept[middle - 1] + kept[middle]) / 2;
}

/** Mean of |x_i - y_j|^2 over all pairs in O((n + m) d): scatter of both clouds plus the squared distance of their means. */
function meanSquaredDistance({ n, m, source }: PreparedProblem): number {
  if (source.kind !== 'points') return Number.NaN;
  const { x, y, dimension } = source;
  const [meanX, meanY] = [x, y].map((rows) => columnMeans(rows, dimension));
  const between = meanX.reduce((sum, value, k) => sum + (value - meanY[k]) ** 2, 0);
  return scatter(x, meanX) / n + scatter(y, meanY) / m + between;
}

function columnMeans(rows: NumberArray, dimension: number): Float64Array {
  const means = new Float64Array(dimension);
  for (let at = 0; at < rows.length; at += dimension) for (let k = 0; k < dimension; k++) means[k] += rows[at + k];
  return means.map((sum) => (sum * dimension) / rows.length);
}

/** Sum of squared distances of rows to a point. */
function scatter(rows: NumberArray, centre: Float64Array): number {
  let total = 0;
  for (let at = 0; at < rows.length; at += centre.length) {
    for (let k = 0; k < centre.length; k++) {
      const difference = rows[at + k] - centre[k];
      total += difference * difference;
    }
  }
  return total;
}

function requirePositive(name: string, value: number): void {
  if (!(value > 0 && value < Infinity)) {
    throw new InvalidInputError(`Sinkhorn, ${name}`, {
      given: String(value),
      expected: 'a finite number > 0',
      remedy: "Use e.g. { value: 0.05, relativeTo: 'mean' }; for epsilon = 0 use exactTransport.",
    });
  }
}
