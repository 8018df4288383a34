import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, permutation, randint } from '../runtime/random';

/** A number and its standard error. */
export interface Measurement {
  value: number;
  error: number;
}

/** A number with an interval at a stated level. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

/** Mean of independent draws and its standard error (sample standard deviation over sqrt n; 0 for a single draw). */
export function meanWithError(draws: ArrayLike<number>): Measurement {
  const n = draws.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += draws[i] / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (draws[i] - mean) ** 2;
  return { value: mean, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0 };
}

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

/**
 * Holm's correction (1979) of p-values for many comparisons: each compared with a level, the chance of even one false "different" stays
 * below it. Returned in the given order; never below the given values.
 * @throws InvalidInputError for a value that is no probability.
 */
export function holm(pValues: ArrayLike<number>): number[] {
  const p = Array.from(pValues);
  const wrong = p.findIndex((value) => !(value >= 0 && value <= 1));
  if (wrong >= 0) {
    throw new InvalidInputError("Holm's correction", {
      given: `${p[wrong]} at place ${wrong}`,
      expected: 'p-values from 0 to 1',
      remedy: 'Leave out comparisons that were not tested.',
    });
  }
  const order = p.map((_, i) => i).sort((i, j) => p[i] - p[j]);
  const adjusted = new Array<number>(p.length);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, (p.length - rank) * p[index]));
    adjusted[index] = largest;
  });
  return adjusted;
}

/** Options of the resampling intervals. */
export interface ResamplingOptions {
  /** Number of replicas, at least 2; default 1000. */
  resamples?: number;
  /** Coverage of the interval, in (0, 1); default 0.95. */
  level?: number;
}

/** A statistic with its resampling interval and standard error. */
export interface ResampledInterval extends Interval, Measurement {
  resamples: number;
}

/** A statistic of rows (independent units), given as their indices: the mean of numbers as well as an FID of feature rows. */
export type RowStatistic = (rows: Int32Array) => number;

/**
 * Percentile bootstrap of a statistic of `count` rows, drawn with replacement (Efron 1979). Statistics that a repeated row
 * distorts (nearest neighbours, pairs) take `halfSampling`. Replicas that are not finite are left out.
 * @throws InvalidInputError for fewer than two rows, or options out of range.
 */
export function bootstrap(
  source: Key,
  count: number,
  statistic: RowStatistic,
  options: ResamplingOptions = {},
): ResampledInterval {
  return resample(count, statistic, (r) => randint(foldIn(source, r), count, 0, count), options);
}

/** The same by half-sampling without replacement (delete-half jackknife, whose spread is that of the whole sample). */
export function halfSampling(
  source: Key,
  count: number,
  statistic: RowStatistic,
  options: ResamplingOptions = {},
): ResampledInterval {
  return resample(count, statistic, (r) => permutation(foldIn(source, r), count).subarray(0, count >> 1), options);
}

function resample(
  count: number,
  statistic: RowStatistic,
  draw: (replica: number) => Int32Array,
  { resamples = 1000, level = 0.95 }: ResamplingOptions,
): ResampledInterval {
  if (!(count >= 2 && resamples >= 2 && level > 0 && level < 1)) {
    throw new InvalidInputError('Resampling', {
      given: `count = ${count}, resamples = ${resamples}, level = ${level}`,
      expected: 'count >= 2, resamples >= 2, level in (0, 1)',
      remedy: 'Correct the named option.',
    });
  }
  const value = statistic(Int32Array.from({ length: count }, (_, i) => i));
  const replicas = Float64Array.from({ length: resamples }, (_, r) => statistic(draw(r))).filter(Number.isFinite);
  const tail = (1 - level) / 2;
  return {
    value,
    low: quantile(replicas, tail),
    high: quantile(replicas, 1 - tail),
    error: meanWithError(replicas).error * Math.sqrt(replicas.length),
    resamples,
  };
}

/** The `share`-quantile (0 .. 1) of values in any order, linear between neighbours. */
export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}

/** P(T > t) of Student's t law with `freedom` degrees of freedom, t >= 0. */
export function studentTail(t: number, freedom: number): number {
  return 0.5 * incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5);
}

/** Quantile of Student's t law for `share` in [0.5, 1), by bisection of the upper tail, which keeps its digits far out. */
export function studentQuantile(share: number, freedom: number): number {
  const tail = 1 - share;
  let low = 0;
  let high = 1;
  while (studentTail(high, freedom) > tail) high *= 2;
  while (high - low > 1e-16 * high) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (studentTail(middle, freedom) > tail) low = middle;
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
