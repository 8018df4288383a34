import { foldIn, type Key, permutation } from '../runtime/random';
import { quantile } from './confidence';

/**
 * Spearman's rank correlation (1904): Pearson's correlation of the ranks, equal values sharing their mean rank. In [-1, 1]; 0 if
 * either variable is constant. Infinite values have ranks like any other.
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const [a, b] = [centredRanks(x), centredRanks(y)];
  const product = dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  return Number.isFinite(product) ? product : 0;
}

/**
 * Correlation ratio (Fisher's eta): the square root of the share of the variance of `y` that lies between groups, in [0, 1]. Even without any
 * effect its square is (groups - 1) / (count - 1) on average: compare it with what chance gives.
 */
export function correlationRatio(groups: readonly unknown[], y: ArrayLike<number>): number {
  const mean = Array.from(y).reduce((sum, value) => sum + value, 0) / y.length;
  const sums = new Map<unknown, { sum: number; count: number }>();
  let total = 0;
  groups.forEach((group, i) => {
    const { sum, count } = sums.get(group) ?? { sum: 0, count: 0 };
    sums.set(group, { sum: sum + y[i] - mean, count: count + 1 });
    total += (y[i] - mean) ** 2;
  });
  const between = [...sums.values()].reduce((all, { sum, count }) => all + sum ** 2 / count, 0);
  return total > 0 ? Math.sqrt(Math.min(1, between / total)) : 0;
}

/** What chance gives: the share of permutations that come as far from 0 as was observed, and where 95 % of them stay within. */
export interface ChanceLevel {
  pValue: number;
  critical: number;
}

/**
 * Permutation test of an association between two columns of `count` rows: `statistic` gets an order in which the rows of one of them are
 * taken. The order as it is counts among the permutations, so that p is never 0 (Phipson and Smyth 2010).
 */
export function associationTest(
  source: Key,
  count: number,
  statistic: (rows: Int32Array) => number,
  resamples = 999,
): ChanceLevel {
  const observed = Math.abs(statistic(Int32Array.from({ length: count }, (_, i) => i)));
  const draws = Float64Array.from({ length: resamples }, (_, draw) =>
    Math.abs(statistic(permutation(foldIn(source, draw), count))),
  ).sort();
  const asFar = draws.filter((value) => value >= observed - 1e-12).length;
  return { pValue: (asFar + 1) / (resamples + 1), critical: quantile(draws, 0.95) };
}

/** Ranks with mean 0. */
export function centredRanks(values: ArrayLike<number>): number[] {
  const middle = (values.length + 1) / 2;
  return averageRanks(Array.from(values)).map((rank) => rank - middle);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

/** Ranks 1 .. n; equal values share their mean rank. */
function averageRanks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let i = from; i < to; i++) ranks[order[i]] = (from + 1 + to) / 2;
    from = to;
  }
  return ranks;
}
