/**
 * The normal law restricted to an interval, in float64: the law of MAR's training mask ratio.
 * `mean` and `std` are those of the normal law before it is cut.
 */
export interface TruncatedNormal {
  mean: number;
  std: number;
  low: number;
  high: number;
}

/** P(X <= x). */
export function truncatedCdf({ mean, std, low, high }: TruncatedNormal, x: number): number {
  const [a, b] = [(low - mean) / std, (high - mean) / std];
  const z = Math.min(Math.max((x - mean) / std, a), b);
  return normalBetween(a, z) / normalBetween(a, b);
}

/** Density at x; 0 outside the interval. */
export function truncatedPdf({ mean, std, low, high }: TruncatedNormal, x: number): number {
  if (x < low || x > high) return 0;
  const z = (x - mean) / std;
  const mass = normalBetween((low - mean) / std, (high - mean) / std);
  return Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI) / std / mass;
}

/** The x with P(X <= x) = p, for p in [0, 1]; by bisection, to the last digit or two. */
export function truncatedQuantile(law: TruncatedNormal, p: number): number {
  let { low, high } = law;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (truncatedCdf(law, middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Phi(b) - Phi(a) for a <= b. */
function normalBetween(a: number, b: number): number {
  if (a > 0) return normalBetween(-b, -a); // the lower tail is the exact one
  return lowerTail(b) - lowerTail(a);
}

/** Phi(z), by its power series near 0 and a continued fraction in the tails (Abramowitz and Stegun 26.2.11, 26.2.14). */
function lowerTail(z: number): number {
  const density = Math.exp(-(z ** 2) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(z) < 4) {
    let term = z;
    let sum = z;
    for (let k = 3; Math.abs(term) > 1e-18 * Math.abs(sum) && k < 400; k += 2) {
      term *= z ** 2 / k;
      sum += term;
    }
    return 0.5 + density * sum;
  }
  let fraction = Math.abs(z);
  for (let k = 60; k >= 1; k--) fraction = Math.abs(z) + k / fraction;
  return z < 0 ? density / fraction : 1 - density / fraction;
}
