import { halfSampling, type Interval } from '../metrics/confidence';
import { foldIn, type Key, key } from '../runtime/random';
import { type DecayFit, fitDecay } from './decay';
import { type Trajectories, validateTrajectories } from './trajectories';

/** How strongly later conditions still depend on an early one. */
export interface InfluenceDecay {
  /** Vector correlation of c_{origin + lag} with c_origin, lag = 0 .. steps - 1 - origin; 1 at lag 0, 0 when forgotten. */
  correlation: Float64Array;
  /** Standard error of each (half-sampling over samples). */
  errors: Float64Array;
  fit: DecayFit;
  /** Decay factor per step with its 95 % half-sampling interval over samples. */
  beta: Interval & { error: number };
}

/** Options of `influenceDecay`. */
export interface InfluenceOptions {
  /** The step whose influence is followed; default 0. */
  origin?: number;
  /** First lag that enters the fit; default 1, because lag 0 is 1 by definition and hides a jump. */
  firstLag?: number;
  /** Half-samples; default 100. */
  resamples?: number;
  source?: Key;
}

/**
 * Follows the influence of the condition at step `origin` on the later ones by the debiased vector correlation: the root of
 * ||Cov(c_i, c_0)||^2 / (||Cov(c_i)|| ||Cov(c_0)||), with each squared norm estimated without bias (U-statistic, as in
 * debiased CKA), so that unrelated conditions give 0 and not a floor of order sqrt(width / samples). For the chain
 * c_i = a c_{i-1} + noise it is a^i; for a static condition it is 1 at every lag.
 */
export function influenceDecay(trajectories: Trajectories, options: InfluenceOptions = {}): InfluenceDecay {
  validateTrajectories('Conditions whose influence is followed', trajectories, 16);
  const { origin = 0, firstLag = 1, resamples = 100, source = key(0) } = options;
  const lags = trajectories.steps - origin;
  const grams = Array.from({ length: lags }, (_, lag) => gram(trajectories, origin + lag));
  const n = trajectories.samples;
  const at = (units: ArrayLike<number>) =>
    Float64Array.from({ length: lags }, (_, lag) => vectorCorrelation(grams[0], grams[lag], n, units));
  const everyone = Int32Array.from({ length: n }, (_, i) => i);
  const correlation = at(everyone);
  const rate = (values: Float64Array) => fitDecay(values.subarray(firstLag), { floor: 0 });
  const replicas: Float64Array[] = [];
  const beta = halfSampling(
    foldIn(source, 'influence'),
    n,
    (units) => {
      const values = units.length === n ? correlation : at(units);
      if (units.length < n) replicas.push(values);
      return rate(values).beta;
    },
    { resamples },
  );
  const errors = Float64Array.from({ length: lags }, (_, lag) => {
    const mean = replicas.reduce((sum, r) => sum + r[lag], 0) / replicas.length;
    return Math.sqrt(replicas.reduce((sum, r) => sum + (r[lag] - mean) ** 2, 0) / (replicas.length - 1));
  });
  return { correlation, errors, fit: rate(correlation), beta };
}

/** Inner products of the conditions of one step, `[samples, samples]`. */
function gram({ data, samples, steps, width }: Trajectories, step: number): Float64Array {
  const out = new Float64Array(samples * samples);
  for (let i = 0; i < samples; i++) {
    const a = (i * steps + step) * width;
    for (let j = 0; j <= i; j++) {
      const b = (j * steps + step) * width;
      let dot = 0;
      for (let k = 0; k < width; k++) dot += data[a + k] * data[b + k];
      out[i * samples + j] = out[j * samples + i] = dot;
    }
  }
  return out;
}

/** Signed root of the debiased linear CKA of two Gram matrices over the given samples. */
function vectorCorrelation(a: Float64Array, b: Float64Array, stride: number, units: ArrayLike<number>): number {
  const self = unbiasedProduct(a, a, stride, units) * unbiasedProduct(b, b, stride, units);
  const ratio = unbiasedProduct(a, b, stride, units) / Math.sqrt(self);
  return Math.sign(ratio) * Math.sqrt(Math.abs(ratio));
}

/** The unbiased estimate of the squared norm of a cross-covariance from Gram matrices (Song et al. 2012, Eq. 5). */
function unbiasedProduct(a: Float64Array, b: Float64Array, stride: number, units: ArrayLike<number>): number {
  const n = units.length;
  let product = 0;
  let sumA = 0;
  let sumB = 0;
  let rows = 0;
  for (let i = 0; i < n; i++) {
    const row = units[i] * stride;
    let rowA = 0;
    let rowB = 0;
    for (let j = 0; j < n; j++) {
      if (i === j) continue;
      const x = a[row + units[j]];
      const y = b[row + units[j]];
      rowA += x;
      rowB += y;
      product += x * y;
    }
    sumA += rowA;
    sumB += rowB;
    rows += rowA * rowB;
  }
  return (product + (sumA * sumB) / ((n - 1) * (n - 2)) - (2 * rows) / (n - 2)) / (n * (n - 3));
}
