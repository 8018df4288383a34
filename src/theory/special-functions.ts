import { NumericalError } from '../runtime/errors';

/** log Gamma(x) for x > 0 (Lanczos, g = 7, nine terms; relative error about 1e-15). */
export function logGamma(x: number): number {
  const coefficients = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = coefficients[0];
  for (let i = 1; i < coefficients.length; i++) sum += coefficients[i] / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised upper incomplete gamma function Q(a, x), a > 0, x >= 0: series below a + 1, continued fraction above. */
export function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  const limit = 10_000;
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < limit; n++) {
      term *= x / (a + n);
      sum += term;
      if (term < 1e-17 * sum) return 1 - front * sum;
    }
  } else {
    // Modified Lentz evaluation of the continued fraction.
    let b = x + 1 - a;
    let c = 1e300;
    let d = 1 / b;
    let h = d;
    for (let n = 1; n < limit; n++) {
      const an = -n * (n - a);
      b += 2;
      d = 1 / (an * d + b);
      c = b + an / c;
      h *= c * d;
      if (Math.abs(c * d - 1) < 1e-16) return front * h;
    }
  }
  throw new NumericalError('Incomplete gamma function', {
    given: `a = ${a}, x = ${x}`,
    expected: `convergence within ${limit} terms`,
    remedy: 'Use a normal approximation for degrees of freedom this large.',
  });
}

/** P(Z <= z) of the standard normal law, accurate to about 1e-15 in both tails. */
export function normalCdf(z: number): number {
  const upper = upperGamma(0.5, (z * z) / 2) / 2;
  return z > 0 ? 1 - upper : upper;
}

/** P(X > x) of the chi-squared law with `degrees` degrees of freedom. */
export function chiSquaredSurvival(x: number, degrees: number): number {
  return upperGamma(degrees / 2, x / 2);
}
