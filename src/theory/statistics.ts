import { foldIn, type Key, randint } from '../runtime/random';

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

/**
 * Percentile bootstrap over `count` independent units: `statistic` gets the resampled unit indices.
 * @returns the statistic on the original units with its interval (default 95 %), and the bootstrap standard error.
 */
export function bootstrap(
  source: Key,
  count: number,
  statistic: (units: ArrayLike<number>) => number,
  { resamples = 200, confidence = 0.95 }: { resamples?: number; confidence?: number } = {},
): Interval & { error: number } {
  const value = statistic(Int32Array.from({ length: count }, (_, i) => i));
  const replicas = Float64Array.from({ length: resamples }, (_, r) =>
    statistic(randint(foldIn(source, r), count, 0, count)),
  );
  const finite = replicas.filter(Number.isFinite);
  const tail = (1 - confidence) / 2;
  const { error } = meanWithError(finite);
  return {
    value,
    low: quantile(finite, tail),
    high: quantile(finite, 1 - tail),
    error: error * Math.sqrt(finite.length),
  };
}
