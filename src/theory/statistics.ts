import { foldIn, type Key, permutation, randint } from '../runtime/random';

/** A number and its standard error. */
export interface Estimate {
  value: number;
  error: number;
}

/** A number with an interval at a stated confidence. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

/** Mean of independent draws and its standard error (sample standard deviation over sqrt n). */
export function meanWithError(draws: ArrayLike<number>): Estimate {
  const n = draws.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += draws[i] / n;
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (draws[i] - mean) ** 2;
  return { value: mean, error: n > 1 ? Math.sqrt(squares / (n - 1) / n) : 0 };
}

/** The `q`-quantile (0 .. 1) of `values`, linear between order statistics. */
export function quantile(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const position = q * (sorted.length - 1);
  const low = Math.floor(position);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (position - low) * (sorted[high] - sorted[low]);
}

/** Options of the resampling intervals. */
export interface ResamplingOptions {
  /** Number of replicas; default 200. */
  resamples?: number;
  /** Coverage of the interval; default 0.95. */
  confidence?: number;
}

/** A statistic of resampled units, given as their indices. */
export type UnitStatistic = (units: ArrayLike<number>) => number;

/**
 * Percentile bootstrap over `count` independent units: `statistic` gets unit indices drawn with replacement.
 * @returns the statistic on all units, its interval and its standard error.
 */
export function bootstrap(source: Key, count: number, statistic: UnitStatistic, options: ResamplingOptions = {}) {
  return resample(count, statistic, (r) => randint(foldIn(source, r), count, 0, count), options);
}

/**
 * The same by half-sampling without replacement (delete-half jackknife, whose spread is that of the whole sample): for
 * statistics over pairs of units, which a unit drawn twice would bias.
 */
export function halfSampling(source: Key, count: number, statistic: UnitStatistic, options: ResamplingOptions = {}) {
  return resample(count, statistic, (r) => permutation(foldIn(source, r), count).subarray(0, count >> 1), options);
}

function resample(
  count: number,
  statistic: UnitStatistic,
  draw: (replica: number) => Int32Array,
  { resamples = 200, confidence = 0.95 }: ResamplingOptions,
): Interval & { error: number } {
  const value = statistic(Int32Array.from({ length: count }, (_, i) => i));
  const replicas = Float64Array.from({ length: resamples }, (_, r) => statistic(draw(r))).filter(Number.isFinite);
  const tail = (1 - confidence) / 2;
  const { error } = meanWithError(replicas);
  return {
    value,
    low: quantile(replicas, tail),
    high: quantile(replicas, 1 - tail),
    error: error * Math.sqrt(replicas.length),
  };
}
