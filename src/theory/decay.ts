import { InvalidInputError } from '../runtime/errors';

/** Least-squares fit of `amplitude * beta^i + floor` to a sequence, i = 0, 1, ... */
export interface DecayFit {
  /** M of Theorem 2. */
  amplitude: number;
  /** Factor per step; 1 when nothing decays. */
  beta: number;
  /** m of Theorem 2, the value that the fit decays to. */
  floor: number;
  /** Share of the sequence's variance that the fit explains (R^2); 0 for a sequence that a constant fits as well. */
  goodness: number;
}

/**
 * Fits M beta^i + m (Theorem 2) by least squares: for each beta the best M >= 0 and m >= 0 are linear, and beta is found on a
 * grid and refined by golden section.
 * @param values at least 3 finite numbers, one per step.
 * @param options `floor`: fixes m (0 for a correlation, whose limit is known); `largest` beta tried, default 1.1.
 * @throws InvalidInputError for fewer than 3 values or a value that is not finite.
 */
export function fitDecay(
  values: ArrayLike<number>,
  { floor, largest = 1.1 }: { floor?: number; largest?: number } = {},
): DecayFit {
  if (values.length < 3 || !Array.from(values).every(Number.isFinite)) {
    throw new InvalidInputError('Fit of an exponential decay', {
      given: `[${Array.from(values).slice(0, 6).join(', ')}${values.length > 6 ? ', ...' : ''}]`,
      expected: 'at least 3 finite numbers',
      remedy: 'Measure more steps, or drop the steps that could not be measured.',
    });
  }
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += values[i] / values.length;
  let total = 0;
  for (let i = 0; i < values.length; i++) total += (values[i] - mean) ** 2;
  // Any beta fits a constant with amplitude 0; so it is reported as no decay.
  if (total <= 1e-20 * values.length * mean * mean) {
    return { amplitude: mean - (floor ?? 0), beta: 1, floor: floor ?? 0, goodness: 0 };
  }
  const residual = (beta: number) => linearPart(values, beta, floor).squares;
  const grid = 400;
  let best = 1;
  for (let i = 1; i <= grid; i++) if (residual((largest * i) / grid) < residual((largest * best) / grid)) best = i;
  const golden = (Math.sqrt(5) - 1) / 2;
  let low = (largest * (best - 1)) / grid;
  let high = Math.min(largest, (largest * (best + 1)) / grid);
  while (high - low > 1e-10) {
    const left = high - golden * (high - low);
    const right = low + golden * (high - low);
    if (residual(left) < residual(right)) high = right;
    else low = left;
  }
  const beta = (low + high) / 2;
  const { amplitude, floor: fitted, squares } = linearPart(values, beta, floor);
  return { amplitude, beta, floor: fitted, goodness: Math.max(0, 1 - squares / total) };
}

/** Rate of a pure decay from the slope of log(value) over the steps `from` .. end; for exact, positive sequences. */
export function tailRate(values: ArrayLike<number>, from: number): number {
  const n = values.length - from;
  const middle = (n - 1) / 2;
  let covariance = 0;
  let variance = 0;
  for (let i = 0; i < n; i++) {
    covariance += (i - middle) * Math.log(values[from + i]);
    variance += (i - middle) ** 2;
  }
  return Math.exp(covariance / variance);
}

/** Steps until a decay with factor `beta` has halved; Infinity when it does not decay. */
export function halfLife(beta: number): number {
  return beta >= 1 ? Number.POSITIVE_INFINITY : beta <= 0 ? 0 : Math.log(0.5) / Math.log(beta);
}

function linearPart(values: ArrayLike<number>, beta: number, fixedFloor: number | undefined) {
  const n = values.length;
  let b = 0;
  let bb = 0;
  let y = 0;
  let by = 0;
  for (let i = 0; i < n; i++) {
    const power = beta ** i;
    b += power;
    bb += power * power;
    y += values[i];
    by += power * values[i];
  }
  let floor = fixedFloor ?? 0;
  if (fixedFloor === undefined) {
    const determinant = n * bb - b * b;
    // At beta = 1 amplitude and floor are the same thing: all of it is amplitude.
    if (determinant > 1e-12 * n * bb) floor = Math.max(0, (bb * y - b * by) / determinant);
  }
  let amplitude = (by - floor * b) / bb;
  if (amplitude < 0 && fixedFloor === undefined) {
    // A negative amplitude with a large floor would imitate a straight line; M and m of Theorem 2 are not negative.
    amplitude = 0;
    floor = y / n;
  }
  let squares = 0;
  for (let i = 0; i < n; i++) squares += (values[i] - amplitude * beta ** i - floor) ** 2;
  return { amplitude, floor, squares };
}
