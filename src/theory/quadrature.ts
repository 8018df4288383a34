import { InvalidInputError } from '../runtime/errors';
import { evaluate, type GaussianMixture, type MixtureEvaluation } from './gaussian-mixture';

/** A function of a point and of the mixture's values there. */
export type Integrand = (x: Float64Array, at: MixtureEvaluation) => number;

/** An axis-parallel box `[low, high]` per dimension. */
export interface Box {
  low: number[];
  high: number[];
}

/** The box that reaches `deviations` standard deviations of every component; beyond 9 the mass left out is below 1e-17. */
export function supportBox(mixture: GaussianMixture, deviations = 9): Box {
  const box: Box = { low: [], high: [] };
  for (let i = 0; i < mixture.dimension; i++) {
    const reach = mixture.components.map(({ mean, axes, variances }) => {
      let variance = 0;
      for (let j = 0; j < variances.length; j++) variance += axes[j * variances.length + i] ** 2 * variances[j];
      return { centre: mean[i], radius: deviations * Math.sqrt(variance) };
    });
    box.low.push(Math.min(...reach.map(({ centre, radius }) => centre - radius)));
    box.high.push(Math.max(...reach.map(({ centre, radius }) => centre + radius)));
  }
  return box;
}

/**
 * E_{x ~ p}[f] for several f at once by the trapezoidal rule, which converges faster than any power of the spacing for
 * smooth integrands that vanish at the ends: the error is at rounding once the spacing is below the least standard deviation.
 * @param points grid points per dimension (default 141).
 * @throws InvalidInputError above two dimensions, where Monte Carlo is the better tool.
 */
export function expectations(mixture: GaussianMixture, integrands: readonly Integrand[], points = 141): number[] {
  const { dimension } = mixture;
  if (dimension > 2) {
    throw new InvalidInputError('Quadrature over a mixture', {
      given: `dimension ${dimension}`,
      expected: '1 or 2',
      remedy: 'Use Monte Carlo (sampleMixture) in higher dimensions.',
    });
  }
  const { low, high } = supportBox(mixture);
  const spacing = low.map((l, i) => (high[i] - l) / (points - 1));
  const cell = spacing.reduce((product, h) => product * h, 1);
  const sums = integrands.map(() => 0);
  const x = new Float64Array(dimension);
  for (let n = 0; n < points ** dimension; n++) {
    x[0] = low[0] + (n % points) * spacing[0];
    if (dimension === 2) x[1] = low[1] + Math.floor(n / points) * spacing[1];
    const at = evaluate(mixture, x);
    const mass = cell * Math.exp(at.logDensity);
    // Densities this small add nothing that float64 could hold.
    if (mass < 1e-30) continue;
    for (let f = 0; f < integrands.length; f++) sums[f] += mass * integrands[f](x, at);
  }
  return sums;
}
