import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, randint } from '../runtime/random';
import { normalQuantile, normalTail } from './paired-tests';

export { holm, type PairedTest, permutationTest, wilcoxonTest } from './paired-tests';

/** A mean with what is needed to judge it: standard error, number of values, and a confidence interval. */
export interface Estimate {
  mean: number;
  standardError: number;
  count: number;
  low: number;
  high: number;
}

/**
 * Mean, standard error and Student-t interval of independent values (seeds).
 * @param level coverage of the interval, in (0, 1)
 * @throws InvalidInputError for fewer than two values or values that are not finite.
 */
export function estimate(values: ArrayLike<number>, level = 0.95): Estimate {
  const x = checked('Estimate', values, level);
  const count = x.length;
  const mean = x.reduce((sum, v) => sum + v, 0) / count;
  const variance = x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (count - 1);
  const standardError = Math.sqrt(variance / count);
  const half = studentQuantile((1 + level) / 2, count - 1) * standardError;
  return { mean, standardError, count, low: mean - half, high: mean + half };
}

/** A paired difference: the estimate of `b - a`, and the two-sided p-value of no difference (paired t test). */
export interface PairedDifference extends Estimate {
  pValue: number;
}

/**
 * Compares two runs that share their seeds, value by value, so that what the seeds have in common cancels.
 * @throws InvalidInputError for unequal lengths or fewer than two pairs.
 */
export function pairedDifference(a: ArrayLike<number>, b: ArrayLike<number>, level = 0.95): PairedDifference {
  if (a.length !== b.length) {
    throw new InvalidInputError('Paired difference', {
      given: `${a.length} and ${b.length} values`,
      expected: 'as many values on both sides, in the order of the same seeds',
      remedy: 'Run both sides with the same seeds.',
    });
  }
  const result = estimate(
    Array.from(a, (x, i) => b[i] - x),
    level,
  );
  const t = result.mean / result.standardError;
  const pValue =
    result.standardError === 0 ? (result.mean === 0 ? 1 : 0) : 2 * studentTail(Math.abs(t), result.count - 1);
  return { ...result, pValue };
}

export interface BootstrapOptions {
  /** Default 1000. */
  resamples?: number;
  /** Coverage, default 0.95. */
  level?: number;
  method?: 'percentile' | 'bca';
}

/** A statistic with its bootstrap interval. */
export interface BootstrapInterval {
  value: number;
  standardError: number;
  low: number;
  high: number;
  resamples: number;
}

/**
 * Bootstrap of a statistic of `count` rows (Efron 1979). The statistic gets row indices, so that it can be the
 * mean of numbers as well as an FID of feature rows. Statistics that repeat rows distorts (nearest neighbours) need another way.
 * @param statistic of the row indices; called once with 0 .. count-1 for `value`
 * @param options `resamples`: at least 20; `method`: `percentile` (default), or `bca`: corrected for bias and for a spread that grows with
 * the value (Efron 1987), at the price of `count` more calls of the statistic, each without one row
 */
export function bootstrap(
  source: Key,
  count: number,
  statistic: (rows: Int32Array) => number,
  { resamples = 1000, level = 0.95, method = 'percentile' }: BootstrapOptions = {},
): BootstrapInterval {
  if (!(count >= 2 && resamples >= 20 && level > 0 && level < 1)) {
    throw new InvalidInputError('Bootstrap', {
      given: `count = ${count}, resamples = ${resamples}, level = ${level}`,
      expected: 'count >= 2, resamples >= 20, level in (0, 1)',
      remedy: 'Correct the named option.',
    });
  }
  const draws = Float64Array.from({ length: resamples }, (_, r) =>
    statistic(randint(foldIn(source, r), count, 0, count)),
  ).sort();
  const value = statistic(Int32Array.from({ length: count }, (_, i) => i));
  const mean = draws.reduce((sum, x) => sum + x, 0) / resamples;
  const standardError = Math.sqrt(draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (resamples - 1));
  const shares = [(1 - level) / 2, (1 + level) / 2];
  const [low, high] = method === 'bca' ? correctedShares(shares, draws, value, leaveOneOut(count, statistic)) : shares;
  return { value, standardError, low: quantile(draws, low), high: quantile(draws, high), resamples };
}

/** The statistic without each row in turn. */
function leaveOneOut(count: number, statistic: (rows: Int32Array) => number): Float64Array {
  return Float64Array.from({ length: count }, (_, left) =>
    statistic(Int32Array.from({ length: count - 1 }, (_, i) => (i < left ? i : i + 1))),
  );
}

/** Where BCa reads the bootstrap law: bias from the share of draws below the value (half of those equal), acceleration from skewness. */
function correctedShares(shares: number[], draws: Float64Array, value: number, jackknife: Float64Array): number[] {
  const below = draws.filter((x) => x < value).length + 0.5 * draws.filter((x) => x === value).length;
  if (below === 0 || below === draws.length) return shares; // nothing to correct with: the value is an end of its own law
  const bias = normalQuantile(below / draws.length);
  const mean = jackknife.reduce((sum, x) => sum + x, 0) / jackknife.length;
  const moment = (power: number) => jackknife.reduce((sum, x) => sum + (mean - x) ** power, 0);
  const spread = moment(2);
  const acceleration = spread > 0 ? moment(3) / (6 * spread ** 1.5) : 0;
  return shares.map((share) => {
    const z = bias + normalQuantile(share);
    return 1 - normalTail(bias + z / (1 - acceleration * z));
  });
}

/** Quantile of ascending values with linear interpolation between neighbours. */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const at = share * (ascending.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, ascending.length - 1);
  return ascending[below] + (at - below) * (ascending[above] - ascending[below]);
}

/** P(T > t) of Student's t law with `freedom` degrees of freedom, t >= 0. */
export function studentTail(t: number, freedom: number): number {
  return 0.5 * incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
}

/** Quantile of Student's t law for `share` in [0.5, 1), by bisection to rounding error. */
export function studentQuantile(share: number, freedom: number): number {
  let low = 0;
  let high = 1;
  while (1 - studentTail(high, freedom) < share) high *= 2;
  for (let i = 0; i < 100; i++) {
    const middle = (low + high) / 2;
    if (1 - studentTail(middle, freedom) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Regularised incomplete beta function by its continued fraction (Lentz's method; Abramowitz and Stegun 26.5.8). */
function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** log Gamma(x), x > 0: shifted above 15, then Stirling's series; about 1e-15 relative. */
function logGamma(x: number): number {
  let shift = 0;
  let y = x;
  for (; y < 15; y++) shift += Math.log(y);
  const r = 1 / (y * y);
  const series = (1 / 12 - r * (1 / 360 - r * (1 / 1260 - r * (1 / 1680 - r / 1188)))) / y;
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

function checked(what: string, values: ArrayLike<number>, level: number): number[] {
  const x = Array.from(values);
  if (x.length < 2 || x.some((v) => !Number.isFinite(v)) || !(level > 0 && level < 1)) {
    throw new InvalidInputError(what, {
      given: `${x.length} values (${x.slice(0, 5).join(', ')}), level ${level}`,
      expected: 'at least two finite values and a level in (0, 1)',
      remedy: 'Use at least two seeds; one value has no error bar.',
    });
  }
  return x;
}
