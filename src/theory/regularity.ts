import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { type Measurement, meanWithError } from '../metrics/confidence';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, key, normal } from '../runtime/random';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { planarExample } from './example-mixtures';
import {
  conditional,
  diffuse,
  evaluate,
  type GaussianMixture,
  gaussianMixture,
  logDensity,
  row,
  sampleMixture,
  squaredDistance,
  squaredNorm,
} from './gaussian-mixture';
import { spectralNorm } from './linear-gaussian';
import { jointFromCorrelations, type LinearControl, linearControl } from './patch-denoising';
import { supportBox } from './quadrature';
import { chiSquaredSurvival } from './special-functions';

/** Mean of a mixture, `[dimension]`. */
export function mixtureMean({ dimension, components }: GaussianMixture): Float64Array {
  const mean = new Float64Array(dimension);
  for (const part of components) {
    for (let i = 0; i < dimension; i++) mean[i] += Math.exp(part.logWeight) * part.mean[i];
  }
  return mean;
}

/** Where a lower bound `delta` on a density fails. */
export interface LowerBoundFailure {
  /** Largest distance from the mean up to which p >= delta in every direction tried; 0 when it fails at the mean. */
  innerRadius: number;
  /** Smallest distance from the mean beyond which p < delta in every direction tried. */
  outerRadius: number;
  /** P(p(x) < delta) under the law itself, with its standard error. */
  massBelow: Measurement;
}

/**
 * Lemma 4's hypothesis p_t(x|c) >= delta > 0, measured: no such delta exists on all of R^d, since every normal tail falls
 * below it; this says from which radius on, and how much probability lies there.
 * @param directions rays tried (default 180: every 2 degrees in the plane, random in higher dimensions).
 */
export function lowerBoundFailure(
  mixture: GaussianMixture,
  delta: number,
  source: Key,
  { samples = 20_000, directions = 180 }: { samples?: number; directions?: number } = {},
): LowerBoundFailure {
  if (!(delta > 0)) {
    throw new InvalidInputError('Lower bound of a density', {
      given: `delta = ${delta}`,
      expected: 'a number > 0',
      remedy: 'Lemma 4 needs a strictly positive bound; try 1e-3.',
    });
  }
  const { dimension } = mixture;
  const centre = mixtureMean(mixture);
  const { low, high } = supportBox(mixture, 40);
  const reach = Math.max(...high.map((h, i) => h - low[i]));
  const below = (radius: number, way: Float64Array) =>
    logDensity(
      mixture,
      way.map((w, i) => centre[i] + radius * w),
    ) < Math.log(delta);
  let innerRadius = Number.POSITIVE_INFINITY;
  let outerRadius = 0;
  for (const way of rays(dimension, directions, foldIn(source, 'rays'))) {
    // A mixture may dip below and rise again along a ray: find first and last crossing on a grid, then bisect.
    const grid = Array.from({ length: 400 }, (_, k) => (reach * k) / 399);
    const flags = grid.map((radius) => below(radius, way));
    const first = flags.indexOf(true);
    const last = flags.lastIndexOf(false);
    if (first === 0) innerRadius = 0;
    else if (first > 0)
      innerRadius = Math.min(
        innerRadius,
        crossing(grid[first - 1], grid[first], (r) => below(r, way)),
      );
    if (last >= 0)
      outerRadius = Math.max(
        outerRadius,
        crossing(grid[last], grid[last + 1], (r) => below(r, way)),
      );
  }
  const { points } = sampleMixture(mixture, foldIn(source, 'mass'), samples);
  const indicator = Float64Array.from({ length: samples }, (_, n) =>
    logDensity(mixture, row(points, n, dimension)) < Math.log(delta) ? 1 : 0,
  );
  return { innerRadius, outerRadius, massBelow: meanWithError(indicator) };
}

/** Unit vectors: evenly spaced in the plane, both ways on the line, random otherwise. */
function rays(dimension: number, count: number, source: Key): Float64Array[] {
  if (dimension === 1) return [Float64Array.of(1), Float64Array.of(-1)];
  if (dimension === 2) {
    return Array.from({ length: count }, (_, k) => {
      const angle = (2 * Math.PI * k) / count;
      return Float64Array.of(Math.cos(angle), Math.sin(angle));
    });
  }
  return Array.from({ length: count }, (_, k) => {
    const z = normal(foldIn(source, k), dimension);
    return z.map((value) => value / Math.sqrt(squaredNorm(z)));
  });
}

/** The point in (low, high) where a property that is false at `low` becomes true at `high`. */
function crossing(low: number, high: number, property: (at: number) => boolean): number {
  let [a, b] = [low, high];
  for (let round = 0; round < 60; round++) {
    const middle = (a + b) / 2;
    if (property(middle)) b = middle;
    else a = middle;
  }
  return (a + b) / 2;
}

/** log of the largest delta with P(p(x) >= delta) = `mass` for N(0, variance I) in `dimension` dimensions; exact. */
export function logDeltaForMass(dimension: number, variance: number, mass: number): number {
  // p >= delta is a ball, whose squared radius over the variance is a chi-squared quantile.
  const quantile = crossing(0, 20 * dimension + 200, (q) => chiSquaredSurvival(q, dimension) < 1 - mass);
  return -0.5 * (dimension * Math.log(2 * Math.PI * variance) + quantile);
}

/**
 * Largest possible ||grad p|| of any density that was diffused with noise variance `variance`: that of the noise alone,
 * (2 pi variance)^(-d/2) exp(-1/2) / sqrt(variance), since diffusion averages over shifted copies of it.
 */
export function gradientBound(dimension: number, variance: number): number {
  return (2 * Math.PI * variance) ** (-dimension / 2) * Math.exp(-0.5) * variance ** -0.5;
}

/** The steepest place of a density, and the largest score where the density is at least `delta`. */
export interface Steepness {
  gradient: number;
  scoreAboveDelta: number;
}

/** Searches a planar (or scalar) density on a grid of `points` per dimension over its support. */
export function steepness(mixture: GaussianMixture, delta: number, points = 161): Steepness {
  const { low, high } = supportBox(mixture, 5);
  const { dimension } = mixture;
  const found: Steepness = { gradient: 0, scoreAboveDelta: 0 };
  const x = new Float64Array(dimension);
  for (let n = 0; n < points ** dimension; n++) {
    let index = n;
    for (let i = 0; i < dimension; i++) {
      x[i] = low[i] + ((index % points) * (high[i] - low[i])) / (points - 1);
      index = Math.floor(index / points);
    }
    const at = evaluate(mixture, x);
    const size = Math.sqrt(squaredNorm(at.score));
    const density = Math.exp(at.logDensity);
    found.gradient = Math.max(found.gradient, density * size);
    if (density >= delta) found.scoreAboveDelta = Math.max(found.scoreAboveDelta, size);
  }
  return found;
}

/** Lemma 4: p_t(x|c) is bounded below by delta. False on the whole space; the check measures the mass where it fails. */
export function checkLemma4({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const delta = 1e-3;
  const samples = 20_000;
  const law = conditional(diffuse(planarExample(), 0.7), 2);
  const { innerRadius, outerRadius, massBelow } = lowerBoundFailure(law, delta, foldIn(key(seed), 'lemma-4'), {
    samples,
  });
  const perToken = logDeltaForMass(16, 1, 0.99) / Math.LN10;
  return claimResult({
    id: 'lemma-4',
    measured: massBelow.value,
    error: massBelow.error,
    samples,
    expected: { relation: '<=', value: 0 },
    detail:
      `probability that p_t(x|c) < delta = ${delta} for the broad class at alphaBar 0.7. Smoothness holds at every t > 0 ` +
      '(diffusion convolves with a Gaussian); the lower bound holds on bounded sets only',
    violations: [
      `p_t(x|c) >= ${delta} fails from radius ${innerRadius.toFixed(2)} on in the worst direction and beyond ` +
        `${outerRadius.toFixed(2)} in all, with ${(100 * massBelow.value).toFixed(2)} +- ${(100 * massBelow.error).toFixed(2)} % of the mass`,
      `a standard normal token of 16 channels needs delta = 1e${perToken.toFixed(1)} to keep 99 % of its mass, so constants in 1/delta say nothing`,
    ],
  });
}

/** Lemma 5: the derivative of p_t is bounded, by the steepest slope of the noise; the score is bounded only where p_t >= delta. */
export function checkLemma5(_: ClaimOptions = {}): ClaimResult {
  const delta = 1e-3;
  const clean = planarExample();
  let measured = 0;
  let vacuity = '';
  for (const alphaBar of [0.95, 0.7, 0.3, 0.02]) {
    const bound = gradientBound(2, 1 - alphaBar);
    for (let c = 0; c < clean.classes; c++) {
      const { gradient, scoreAboveDelta } = steepness(conditional(diffuse(clean, alphaBar), c), delta, 101);
      measured = Math.max(measured, gradient / bound);
      if (alphaBar === 0.7 && c === 2) {
        const implied = bound / delta;
        vacuity = `largest score ${scoreAboveDelta.toFixed(2)} where p_t >= ${delta}, against the bound/delta = ${implied.toFixed(0)} that Lemma 4 gives (${(implied / scoreAboveDelta).toFixed(0)} times too large)`;
      }
    }
  }
  return claimResult({
    id: 'lemma-5',
    measured,
    expected: { relation: '<=', value: 1 },
    detail:
      `largest ||grad p_t(x|c)|| over its bound (2 pi s)^(-d/2) exp(-1/2) s^(-1/2), s = 1 - alphaBar, for 3 classes at 4 noise ` +
      `levels; the score itself grows without bound in the tails: ${vacuity}`,
  });
}

/** Exact Lipschitz constants in c of the jointly normal model at one noise level. */
export interface ConditionLipschitz {
  /** Of grad_x log p_t(x|c): the spectral norm of its (constant) derivative in c. */
  score: number;
  /** Of p_t(x|c): peak density times exp(-1/2) times the norm of the whitened signal. */
  density: number;
}

/** Lipschitz constants of score and density in the condition, for x_t | c ~ N(signal c, noise). */
export function conditionLipschitz({ onCondition, noise, signal }: LinearControl): ConditionLipschitz {
  const { realEigenvalues: variances, eigenvectorMatrix: axes } = new EigenvalueDecomposition(noise, {
    assumeSymmetric: true,
  });
  const whitener = Matrix.diag(variances.map((v) => v ** -0.5)).mmul(axes.transpose());
  const peak = variances.reduce((product, v) => product / Math.sqrt(2 * Math.PI * v), 1);
  return { score: spectralNorm(onCondition), density: peak * Math.exp(-0.5) * spectralNorm(whitener.mmul(signal)) };
}

/**
 * Change of the score per change of c, at distance `radius`, for a condition that turns the line between two modes:
 * x | c ~ half N((m, c), I) + half N((-m, -c), I) at c = 0 and x = (0, radius). The exact value is m radius: every p(x|c) is
 * smooth, yet no Lipschitz constant serves the whole plane.
 */
export function bimodalSlope(radius: number, m = 1): number {
  const step = 1e-4;
  const scoreAt = (c: number) =>
    evaluate(
      gaussianMixture([
        { weight: 1, mean: [m, c], covariance: 1 },
        { weight: 1, mean: [-m, -c], covariance: 1 },
      ]),
      [0, radius],
    ).score;
  return Math.sqrt(squaredDistance(scoreAt(step), scoreAt(-step))) / (2 * step);
}

/** Lemma 8: score and density are Lipschitz in the condition; exact constants for a jointly normal token. */
export function checkLemma8({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const source = foldIn(key(seed), 'lemma-8');
  const joint = jointFromCorrelations([0.9, 0.6, 0.3], foldIn(source, 'problem'));
  const control = linearControl(joint, 0.8);
  const bound = conditionLipschitz(control);
  const { score, density } = sampledLipschitz(control, foldIn(source, 'pairs'), 4000);
  return claimResult({
    id: 'lemma-8',
    measured: Math.max(score / bound.score, density / bound.density),
    samples: 4000,
    expected: { relation: '<=', value: 1 },
    detail:
      `largest ratio of change to bound over random pairs of conditions (score ${(score / bound.score).toFixed(3)} of ` +
      `${bound.score.toFixed(3)}, density ${(density / bound.density).toFixed(3)} of ${bound.density.toExponential(2)}). ` +
      `A condition that chooses between modes has no global constant: ${bimodalSlope(1).toFixed(2)} at |x| = 1, ${bimodalSlope(10).toFixed(2)} at 10`,
  });
}

/** Largest difference quotients in c of score and density over random x and pairs (c, c'). */
export function sampledLipschitz(control: LinearControl, source: Key, pairs: number): ConditionLipschitz {
  const { noise, signal } = control;
  const { realEigenvalues: variances, eigenvectorMatrix: axes } = new EigenvalueDecomposition(noise, {
    assumeSymmetric: true,
  });
  const [d, D] = [signal.rows, signal.columns];
  const precision = axes.mmul(Matrix.diag(variances.map((v) => 1 / v))).mmul(axes.transpose());
  const peak = variances.reduce((product, v) => product / Math.sqrt(2 * Math.PI * v), 1);
  const density = (x: Matrix, c: Matrix) => {
    const off = Matrix.sub(x, signal.mmul(c));
    return peak * Math.exp(-0.5 * off.transpose().mmul(precision).mmul(off).get(0, 0));
  };
  const found: ConditionLipschitz = { score: 0, density: 0 };
  const z = normal(source, pairs * (d + 2 * D));
  for (let n = 0; n < pairs; n++) {
    const draw = z.subarray(n * (d + 2 * D), (n + 1) * (d + 2 * D));
    const c = Matrix.columnVector([...draw.subarray(0, D)]);
    const step = Matrix.columnVector([...draw.subarray(D, 2 * D)]).mul(0.05);
    const x = Matrix.add(signal.mmul(c), Matrix.columnVector([...draw.subarray(2 * D)]));
    const moved = Matrix.add(c, step);
    // grad_x log p(x|c') - grad_x log p(x|c) = precision signal (c' - c); written through the densities' own exponents.
    const change = Matrix.sub(
      precision.mmul(Matrix.sub(x, signal.mmul(c))),
      precision.mmul(Matrix.sub(x, signal.mmul(moved))),
    );
    found.score = Math.max(found.score, change.norm() / step.norm());
    found.density = Math.max(found.density, Math.abs(density(x, moved) - density(x, c)) / step.norm());
  }
  return found;
}
