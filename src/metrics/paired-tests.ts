import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, key as keyOf, uniform } from '../runtime/random';

/** A test of "no difference" between paired values: the statistic, its two-sided p-value, and how it was found. */
export interface PairedTest {
  statistic: number;
  pValue: number;
  method: 'exact' | 'normal approximation' | 'Monte Carlo';
  /** Pairs that count (a Wilcoxon test leaves out equal ones). */
  pairs: number;
}

/** Pairs up to which all 2^n signs are gone through: a million. */
const EXACT_PAIRS = 20;
/** Pairs up to which the exact law of the rank sum is used, when no two differences are equal in size. */
const EXACT_RANKS = 50;

/**
 * Wilcoxon's signed-rank test of `b - a` (1945): is the law of the differences symmetric about 0? Equal pairs are left out. The statistic is the
 * smaller rank sum. Exact for up to 50 pairs without ties, else the normal approximation with the correction for ties.
 * @throws InvalidInputError for unequal lengths, no pairs, or values that are not finite.
 */
export function wilcoxonTest(a: ArrayLike<number>, b: ArrayLike<number>): PairedTest {
  const differences = differencesOf(a, b).filter((x) => x !== 0);
  const n = differences.length;
  if (n === 0) return { statistic: 0, pValue: 1, method: 'exact', pairs: 0 };
  const { ranks, tieTerm } = averageRanks(differences.map(Math.abs));
  const positive = differences.reduce((sum, x, i) => sum + (x > 0 ? ranks[i] : 0), 0);
  const total = (n * (n + 1)) / 2;
  const statistic = Math.min(positive, total - positive);
  if (n <= EXACT_RANKS && tieTerm === 0) {
    return { statistic, pValue: Math.min(1, 2 * rankSumShare(n, statistic)), method: 'exact', pairs: n };
  }
  const variance = (n * (n + 1) * (2 * n + 1)) / 24 - tieTerm / 48;
  const z = (statistic - total / 2) / Math.sqrt(variance);
  return { statistic, pValue: Math.min(1, 2 * normalTail(-z)), method: 'normal approximation', pairs: n };
}

/**
 * Permutation test of the mean of `b - a` by changing signs (Fisher 1935): all of them for up to 20 pairs, else `resamples` random
 * ones, the observed one counted among them. The statistic is the mean difference.
 * @throws InvalidInputError for unequal lengths, no pairs, or values that are not finite.
 */
export function permutationTest(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { resamples = 10_000, key = keyOf(0) }: { resamples?: number; key?: Key } = {},
): PairedTest {
  const differences = differencesOf(a, b);
  const n = differences.length;
  const observed = differences.reduce((sum, x) => sum + x, 0);
  // Sums that are equal but for the order of summation count as equal.
  const bound = Math.abs(observed) - 1e-12 * differences.reduce((sum, x) => sum + Math.abs(x), 0);
  const exact = n <= EXACT_PAIRS;
  const count = exact ? 2 ** n : resamples;
  let asFar = 0;
  for (let draw = 0; draw < count; draw++) {
    const signs = exact ? undefined : uniform(foldIn(key, draw), n);
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (signs ? signs[i] < 0.5 : (draw >>> i) & 1) ? differences[i] : -differences[i];
    if (Math.abs(sum) >= bound) asFar++;
  }
  const pValue = exact ? asFar / count : (asFar + 1) / (count + 1);
  return { statistic: observed / n, pValue, method: exact ? 'exact' : 'Monte Carlo', pairs: n };
}

/**
 * Holm's correction (1979) of p-values for many comparisons: each compared with a level, the chance of even one false "different" stays
 * below it. Returned in the given order; never below the given values.
 */
export function holm(pValues: ArrayLike<number>): number[] {
  const p = Array.from(pValues);
  const order = p.map((_, i) => i).sort((i, j) => p[i] - p[j]);
  const adjusted = new Array<number>(p.length);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, (p.length - rank) * p[index]));
    adjusted[index] = largest;
  });
  return adjusted;
}

/** P(Z > z) of the standard normal law, to 1e-14 (continued fraction beyond 3, series below). */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  if (z > 3) {
    let fraction = 0;
    for (let k = 60; k >= 1; k--) fraction = k / (z + fraction);
    return density / (z + fraction);
  }
  let term = z;
  let sum = z;
  for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) sum += term *= (z * z) / (2 * k + 1);
  return 0.5 - density * sum;
}

/** Quantile of the standard normal law for `share` in (0, 1), by bisection to rounding error. */
export function normalQuantile(share: number): number {
  let [low, high] = [-40, 40];
  for (let i = 0; i < 80; i++) {
    const middle = (low + high) / 2;
    if (1 - normalTail(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function differencesOf(a: ArrayLike<number>, b: ArrayLike<number>): number[] {
  const differences = Array.from(a, (x, i) => b[i] - x);
  if (a.length === b.length && a.length > 0 && differences.every(Number.isFinite)) return differences;
  throw new InvalidInputError('Paired test', {
    given: `${a.length} and ${b.length} values${a.length === b.length ? ', not all of them finite' : ''}`,
    expected: 'as many finite values on both sides, in the order of the same seeds',
    remedy: 'Run both sides with the same seeds; leave out runs that failed on either side.',
  });
}

/** Ranks 1 .. n; equal values share their mean rank. `tieTerm` is the sum of t^3 - t over groups of t equal values. */
export function averageRanks(values: readonly number[]): { ranks: number[]; tieTerm: number } {
  const order = values.map((_, i) => i).sort((i, j) => values[i] - values[j]);
  const ranks = new Array<number>(values.length);
  let tieTerm = 0;
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let i = from; i < to; i++) ranks[order[i]] = (from + 1 + to) / 2;
    tieTerm += (to - from) ** 3 - (to - from);
    from = to;
  }
  return { ranks, tieTerm };
}

/** P(W <= w) of the sum of a random subset of the ranks 1 .. n. */
function rankSumShare(n: number, w: number): number {
  const shares = new Float64Array((n * (n + 1)) / 2 + 1);
  shares[0] = 1;
  for (let rank = 1, top = 0; rank <= n; rank++) {
    top += rank;
    for (let sum = top; sum >= 0; sum--) shares[sum] = 0.5 * (shares[sum] + (sum >= rank ? shares[sum - rank] : 0));
  }
  return shares.subarray(0, Math.floor(w) + 1).reduce((sum, x) => sum + x, 0);
}
