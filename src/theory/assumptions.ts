import { foldIn, key } from '../runtime/random';
import { chainMoments, coefficientsFromRoots, simulateChain, spectralRadius } from './autoregression';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { markovTest } from './diagnostics';
import { conditionalVariance, decayProblem, spectralNorm } from './exponential-decay';
import { chiSquaredSurvival } from './special-functions';

/** Radius of the ball, in standard deviations, that holds all but `outside` of a standard normal law in R^dimension. */
export function radiusHolding(outside: number, dimension: number): number {
  let low = 0;
  let high = 100;
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (chiSquaredSurvival(middle * middle, dimension) > outside) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Assumption 1, as we read it: the conditions form a Markov chain. The paper's own Eq. 18 with more than one lag does not: its
 * pairs of successive conditions do. Measured as the share of variance that c_{i-2} explains beyond c_{i-1}.
 */
export function checkAssumption1({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const shape = { samples: 800, steps: 12, width: 2 };
  const test = (roots: number[], name: string) => {
    const chain = { coefficients: coefficientsFromRoots(roots), noise: 1, start: [0, 0] };
    const data = simulateChain(chain, shape.samples, shape.steps, foldIn(key(seed), name));
    return markovTest({ data, ...shape }, shape.steps - 1);
  };
  const one = test([0.8], 'one lag');
  const two = test([0.8, 0.5], 'two lags');
  return claimResult({
    id: 'assumption-1',
    measured: two.effect.value,
    samples: shape.samples,
    expected: { relation: '=', value: 0 },
    detail:
      `Variance of c_i that c_{i-2} explains beyond c_{i-1}, for Eq. 18 with two lags (likelihood ratio ${two.statistic.toFixed(0)}, ${two.law}, ` +
      `p = ${two.probability.toExponential(1)}). With one lag: ${one.effect.value.toFixed(4)}, p = ${one.probability.toFixed(2)}.`,
    violations:
      two.probability < 1e-3
        ? ['Eq. 18 with more than one lag is not a Markov chain in c_i; the stack (c_i, c_{i-1}) is one.']
        : [],
  });
}

/** Assumption 2, as we read it: p_t(x|c) >= delta > 0. No law on all of R^d has such a bound; how far out does one hold? */
export function checkAssumption2({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const dimension = decayProblem(seed).token.observation.rows;
  const radii = [1e-2, 1e-6].map((outside) => {
    const radius = radiusHolding(outside, dimension);
    return `delta = ${Math.exp((-radius * radius) / 2).toExponential(1)} of the mode within ${radius.toFixed(2)} standard deviations, outside of which lies mass ${outside.toExponential(0)}`;
  });
  return claimResult({
    id: 'assumption-2',
    measured: 0,
    expected: { relation: '>', value: 0 },
    detail: `Infimum of a Gaussian p_t(x|c) over R^${dimension}. A bound holds on balls only: ${radii.join('; ')}.`,
    violations: [`inf p_t(x|c) = 0: Gaussian tails have no lower bound, whatever t > 0`],
  });
}

/** Assumption 3, as we read it: the conditional score is Lipschitz in the condition, uniformly over the diffusion time. */
export function checkAssumption3({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const { token } = decayProblem(seed);
  const size = spectralNorm(token.observation);
  const times = Array.from({ length: 1000 }, (_, i) => (i + 1) / 1000);
  const constants = times.map((alphaBar) => (Math.sqrt(alphaBar) / conditionalVariance({ ...token, alphaBar })) * size);
  return claimResult({
    id: 'assumption-3',
    measured: Math.max(...constants),
    expected: { relation: '<=', value: size / token.noise ** 2 },
    detail:
      `Largest Lipschitz constant in c of grad log p_t(x|c) over 1000 noise levels, against ||B|| / s^2, s = ${token.noise} being the noise of ` +
      `a token given its condition. It exists because s > 0 and grows like 1 / s^2: at half the noise no constant below ${(size / (token.noise / 2) ** 2).toFixed(0)} will do.`,
  });
}

/**
 * Assumption 4: the coefficients of the condition chain are bounded and converge, second derivatives are bounded. What the
 * theorem needs of it is a spectral radius below 1 in the limit, which boundedness alone does not give.
 */
export function checkAssumption4({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const { roots, chain, token } = decayProblem(seed);
  const steps = 60;
  const growth = (limit: readonly number[]) => {
    const coefficients = (step: number) => limit.map((a) => a * (1 + 0.3 / step ** 2));
    const { means } = chainMoments({ ...chain, coefficients }, steps);
    return Math.hypot(...means[steps - 1]) / Math.hypot(...means[0]);
  };
  const explosive = coefficientsFromRoots([1.02, ...roots.slice(1)]);
  return claimResult({
    id: 'assumption-4',
    measured: spectralRadius(chain.coefficients as number[]),
    expected: { relation: '<', value: 1 },
    detail:
      `Spectral radius of the limit of a_j (1 + 0.3 / i^2); the mean condition shrinks to ${growth(chain.coefficients as number[]).toExponential(1)} in ${steps} steps. ` +
      `Second derivatives of log p_t are constant, ${(1 / conditionalVariance(token)).toFixed(2)}. Bounded and convergent is not enough: ` +
      `coefficients with a root at 1.02 are both, and the mean grows ${growth(explosive).toFixed(1)}-fold.`,
  });
}
