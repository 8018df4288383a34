import { createDiffusion, type DiffusionTables } from '../diffusion/gaussian-diffusion';
import { foldIn, key, normal, uniform } from '../runtime/random';
import { chainMoments } from './autoregression';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { partialCorrelation, rowsOf } from './ergodicity';

/** A law on the line before diffusion: equally likely Gaussian components of one standard deviation. */
export interface LineMixture {
  means: readonly number[];
  deviation: number;
}

/** Two separate bumps: half-way through the denoising a sample may still end in either. */
const BUMPS: LineMixture = { means: [-1, 1], deviation: 0.2 };

/** The schedules that are compared: T steps of the cosine schedule. */
const cosine = (steps: number): DiffusionTables => createDiffusion({ trainSteps: steps }).tables;

const normalDensity = (x: number, mean: number, variance: number) =>
  Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance);

/**
 * How far the reverse transition q(x_{t-1} | x_t) is from a Gaussian with its mean and variance: total variation (0 .. 1), averaged over
 * x_t ~ p_t. Exact up to the grids: for a mixture the transition is a mixture again, with weights that depend on x_t.
 * @param step index of the process, 0 = least noise.
 */
export function reverseNonGaussianity(
  { means, deviation }: LineMixture,
  tables: DiffusionTables,
  step: number,
): number {
  const [before, beta] = [tables.alphaBarPrevious[step], tables.betas[step]];
  const alpha = 1 - beta;
  // Components of p_{t-1}, and of p_t.
  const centres = means.map((mean) => Math.sqrt(before) * mean);
  const variance = before * deviation ** 2 + 1 - before;
  const noised = alpha * variance + beta;
  // Given x_t each component is conjugate: the same variance for all.
  const posterior = 1 / (1 / variance + alpha / beta);
  const points = 61;
  let mass = 0;
  let sum = 0;
  for (let i = 0; i < points; i++) {
    const edge = Math.sqrt(before * alpha) * Math.max(...means.map(Math.abs)) + 5 * Math.sqrt(noised);
    const x = -edge + (2 * edge * i) / (points - 1);
    const weights = centres.map((centre) => normalDensity(x, Math.sqrt(alpha) * centre, noised));
    const density = weights.reduce((a, b) => a + b, 0);
    const inside = centres.map((centre) => posterior * (centre / variance + (Math.sqrt(alpha) * x) / beta));
    const mean = inside.reduce((total, m, k) => total + (weights[k] / density) * m, 0);
    const spread = posterior + inside.reduce((total, m, k) => total + (weights[k] / density) * (m - mean) ** 2, 0);
    mass += density;
    sum += density * variationFromGaussian(inside, weights, density, posterior, mean, spread);
  }
  return sum / mass;
}

/** Half the integral of |mixture - Gaussian of the same mean and variance|, by the trapezoidal rule. */
function variationFromGaussian(
  inside: readonly number[],
  weights: readonly number[],
  total: number,
  posterior: number,
  mean: number,
  spread: number,
): number {
  const reach = Math.max(...inside.map((m) => Math.abs(m - mean))) + 8 * Math.sqrt(spread);
  const points = 401;
  const width = (2 * reach) / (points - 1);
  let half = 0;
  for (let i = 0; i < points; i++) {
    const y = mean - reach + i * width;
    const mixture = inside.reduce((sum, m, k) => sum + (weights[k] / total) * normalDensity(y, m, posterior), 0);
    half += (width / 2) * Math.abs(mixture - normalDensity(y, mean, spread));
  }
  return half;
}

/** Assumption 1: the diffusion process is Markov. True of the forward process by construction, so it checks the construction. */
export function checkAssumption1({ seed = 0, memory = 0 }: ClaimOptions & { memory?: number } = {}): ClaimResult {
  const samples = 40_000;
  const { betas } = cosine(25);
  const source = foldIn(key(seed), 'assumption 1');
  const signs = uniform(foldIn(source, 'component'), samples);
  const spread = normal(foldIn(source, 'start'), samples);
  const path: Float64Array[] = [signs.map((u, n) => (u < 0.5 ? -1 : 1) + BUMPS.deviation * spread[n])];
  const step = 12;
  for (let t = 0; t < step; t++) {
    const noise = normal(foldIn(source, t), samples);
    const [now, earlier] = [path[t], path[Math.max(0, t - 1)]];
    path.push(now.map((x, n) => Math.sqrt(1 - betas[t]) * x + memory * earlier[n] + Math.sqrt(betas[t]) * noise[n]));
  }
  const at = (t: number) => rowsOf(path[t]);
  const { value, error } = partialCorrelation(at(step), at(step - 2), at(step - 1));
  return claimResult({
    id: 'assumption-1',
    measured: value,
    error,
    samples,
    expected: { relation: '=', value: 0 },
    // Without x_{t-1} the correlation is above 0.9: an interval of a twentieth separates the two.
    resolution: 0.05,
    detail:
      `partial correlation of x_t with x_{t-2} given x_{t-1} in the forward process (${partialCorrelation(at(step), at(step - 2)).value.toFixed(2)} ` +
      `without x_{t-1}), t = ${step} of 25. The reverse of a Markov chain is one too`,
  });
}

/**
 * Assumption 2: the transitions are Gaussian. Those of the forward process are; those of the reverse process become so as T grows.
 * Measured as the exponent of the largest departure over the steps in T.
 * @param options `schedule`: tables for a number of steps, default the cosine schedule.
 */
export function checkAssumption2({ schedule = cosine }: ClaimOptions & { schedule?: typeof cosine } = {}): ClaimResult {
  const sizes = [25, 100, 1000];
  const found = sizes.map((steps) => {
    const tables = schedule(steps);
    const tried = Array.from({ length: 25 }, (_, i) => Math.round(((steps - 1) * i) / 24));
    const departures = tried.map((step) => reverseNonGaussianity(BUMPS, tables, step));
    return { largest: Math.max(...departures), mean: departures.reduce((a, b) => a + b, 0) / departures.length };
  });
  const exponent = Math.log(found[2].largest / found[0].largest) / Math.log(sizes[2] / sizes[0]);
  const list = (of: 'largest' | 'mean') => found.map((at) => at[of].toFixed(4)).join(', ');
  return claimResult({
    id: 'assumption-2',
    measured: exponent,
    // A departure that falls more slowly than T^(-1/4) is still a fifth of its value at T = 1000 times as many steps.
    expected: { relation: '<', value: -0.25 },
    detail:
      `exponent in T of the largest total variation over 25 steps between q(x_{t-1}|x_t) and a Gaussian of its mean and variance, for two bumps; ` +
      `largest ${list('largest')} and mean ${list('mean')} at T = ${sizes.join(', ')}`,
  });
}

/**
 * Assumption 3: the variances of the transitions are equal and small, and tend to 0 as T grows. For the cosine schedule the median
 * does; the largest does not, since beta is capped at 0.999.
 */
export function checkAssumption3({ schedule = cosine }: ClaimOptions & { schedule?: typeof cosine } = {}): ClaimResult {
  const sizes = [25, 100, 1000, 10_000];
  const small = 0.01;
  const found = sizes.map((steps) => {
    const sorted = Float64Array.from(schedule(steps).posteriorVariance).sort();
    return {
      largest: sorted[steps - 1],
      median: sorted[steps >> 1],
      above: sorted.filter((variance) => variance > small).length / steps,
    };
  });
  const last = found[found.length - 1];
  const list = (values: number[]) => values.map((value) => Number(value.toPrecision(3))).join(', ');
  return claimResult({
    id: 'assumption-3',
    measured: last.largest,
    expected: { relation: '<=', value: small },
    detail:
      `largest posterior variance of a step at T = 10,000. At T = ${sizes.join(', ')}: largest ${list(found.map((at) => at.largest))}; median ` +
      `${list(found.map((at) => at.median))}; share of steps above ${small}: ${list(found.map((at) => at.above))}`,
    violations:
      last.largest > small
        ? [
            `beta is capped near 1 at the last steps: the largest variance stays ${last.largest.toFixed(3)}, in ${(100 * last.above).toFixed(1)} % of the steps it is above ${small}`,
          ]
        : [],
  });
}

/**
 * Assumption 4: the coefficients of the condition process (Eq. 18) are bounded and converge. Is that enough for its start to be
 * forgotten? Tested on random sequences of two coefficients with limits in a box.
 * @param options `box`: half the side of the box of the limits; below 1/2 every chain forgets, since |a_1| + |a_2| < 1.
 */
export function checkAssumption4({ seed = 0, box = 1 }: ClaimOptions & { box?: number } = {}): ClaimResult {
  const chains = 400;
  const steps = 240;
  const limits = uniform(foldIn(key(seed), 'assumption 4'), 2 * chains, -box, box);
  const forgets = Float64Array.from({ length: chains }, (_, n) => {
    const coefficients = (step: number) => [0, 1].map((j) => limits[2 * n + j] * (1 + 0.5 * 0.8 ** step));
    const { means } = chainMoments({ coefficients, noise: 0, start: [1] }, steps);
    return Math.abs(means[steps - 1][0]) + Math.abs(means[steps - 2][0]) < 0.5 ? 1 : 0;
  });
  const share = forgets.reduce((a, b) => a + b, 0) / chains;
  return claimResult({
    id: 'assumption-4',
    measured: share,
    error: Math.sqrt((share * (1 - share)) / chains),
    samples: chains,
    expected: { relation: '>=', value: 1 },
    detail:
      `share of ${chains} bounded, convergent sequences of two coefficients (limits uniform in [-${box}, ${box}]^2) whose chain forgets its start in ` +
      `${steps} steps. Three quarters of that square have a spectral radius below 1, which is what Theorem 2 needs and boundedness does not give`,
  });
}
