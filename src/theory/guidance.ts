import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, key, normal } from '../runtime/random';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { posteriorGradients } from './condition-error';
import { planarExample, randomMixture } from './example-mixtures';
import {
  diffuse,
  evaluate,
  type GaussianMixture,
  type MixtureEvaluation,
  row,
  sampleMixture,
  squaredDistance,
  squaredNorm,
} from './gaussian-mixture';
import { expectations } from './quadrature';
import { posteriorMean } from './score-matching';

/** The control term g(x, c) = grad_x log p(c|x) = grad log p(x|c) - grad log p(x), `[dimension]`. */
export function controlTerm(at: MixtureEvaluation, label: number): Float64Array {
  return at.classScores[label].map((s, i) => s - at.score[i]);
}

/** The guided score grad log p(x) + scale g(x, c); scale 0 is unconditional, 1 conditional, above 1 extrapolates. */
export function guidedScore(at: MixtureEvaluation, label: number, scale: number): Float64Array {
  return at.classScores[label].map((s, i) => at.score[i] + scale * (s - at.score[i]));
}

/** What guided scores at several scales determine. */
export interface RecoveredControl {
  /** grad log p(x), the guided score at scale 0. */
  unconditional: Float64Array;
  /** g(x, c), the slope of the guided score in the scale. */
  control: Float64Array;
  /** Root mean square of the residual of a line in the scale; 0 for scores that are of the guided form. */
  residual: number;
}

/**
 * Lemma 2 backwards: the control term and the unconditional score from guided scores of one x and c, by least squares.
 * @param scores one guided score `[dimension]` per scale.
 * @throws InvalidInputError with fewer than two different scales: then (u + scale d, g - d) fits as well for every d.
 */
export function recoverControl(scores: readonly ArrayLike<number>[], scales: readonly number[]): RecoveredControl {
  const mean = scales.reduce((sum, w) => sum + w, 0) / scales.length;
  const spread = scales.reduce((sum, w) => sum + (w - mean) ** 2, 0);
  if (scores.length !== scales.length || !(spread > 0)) {
    throw new InvalidInputError('Recovery of the control term', {
      given: `${scores.length} guided scores at scales [${scales}]`,
      expected: 'one score per scale and at least two different scales',
      remedy: 'Add a score at another guidance scale; a single scale leaves the control term undetermined.',
    });
  }
  const dimension = scores[0].length;
  const control = new Float64Array(dimension);
  const unconditional = new Float64Array(dimension);
  for (let i = 0; i < dimension; i++) {
    const level = scores.reduce((sum, s) => sum + s[i], 0) / scores.length;
    control[i] = scores.reduce((sum, s, k) => sum + (scales[k] - mean) * s[i], 0) / spread;
    unconditional[i] = level - mean * control[i];
  }
  const left = scores.reduce((sum, s, k) => {
    const line = unconditional.map((u, i) => u + scales[k] * control[i]);
    return sum + squaredDistance(line, s);
  }, 0);
  return { unconditional, control, residual: Math.sqrt(left / (scores.length * dimension)) };
}

/** Unnormalised log of the law that guidance aims at, p(x) p(c|x)^scale. */
export function tiltedLogDensity(at: MixtureEvaluation, label: number, scale: number): number {
  return at.logDensity + scale * at.classLogPosterior[label];
}

/** Signal share of the continuous cosine schedule at time t in [0, 1]. */
export function cosineAlphaBar(time: number): number {
  return Math.cos((Math.PI / 2) * time) ** 2;
}

/**
 * Deterministic (DDIM) sampling from pure noise with exact guided scores: classifier-free guidance with a
 * perfect model.
 * @returns `[count, dimension]` row-major.
 */
export function sampleGuided(
  clean: GaussianMixture,
  label: number,
  scale: number,
  source: Key,
  { count, steps = 100 }: { count: number; steps?: number },
): Float64Array {
  const { dimension } = clean;
  const points = normal(source, count * dimension);
  // From almost pure noise to almost no noise; the ends themselves have no score.
  const times = Array.from({ length: steps + 1 }, (_, k) => 0.998 - (0.996 * k) / steps);
  for (let k = 0; k < steps; k++) {
    const now = cosineAlphaBar(times[k]);
    const next = cosineAlphaBar(times[k + 1]);
    const mixture = diffuse(clean, now);
    for (let n = 0; n < count; n++) {
      const x = row(points, n, dimension);
      const s = guidedScore(evaluate(mixture, x), label, scale);
      for (let i = 0; i < dimension; i++) {
        const estimate = (x[i] + (1 - now) * s[i]) / Math.sqrt(now);
        x[i] = Math.sqrt(next) * estimate - Math.sqrt((1 - next) * (1 - now)) * s[i];
      }
    }
  }
  return points;
}

/** Largest errors of Lemma 2's three parts over random points, relative to the size of the control term there. */
export interface ControlErrors {
  /** Recovered control term against finite differences of log p(c|x). */
  recovery: number;
  /** || sum_c p(c|x) g(x, c) ||, with g recovered from guided scores. */
  mean: number;
  /** Departure of the guided scores from a line in the scale. */
  residual: number;
}

/** Measures recovery, zero mean and uniqueness of the control term at `count` random points of the law. */
export function controlErrors(mixture: GaussianMixture, count: number, source: Key): ControlErrors {
  const { points } = sampleMixture(mixture, source, count);
  const scales = [0.5, 1.5, 3, 7];
  const worst: ControlErrors = { recovery: 0, mean: 0, residual: 0 };
  for (let n = 0; n < count; n++) {
    const x = row(points, n, mixture.dimension);
    const at = evaluate(mixture, x);
    const mean = new Float64Array(mixture.dimension);
    const truths = posteriorGradients(mixture, x);
    for (let c = 0; c < mixture.classes; c++) {
      const found = recoverControl(
        scales.map((w) => guidedScore(at, c, w)),
        scales,
      );
      const size = 1 + Math.sqrt(squaredNorm(found.control));
      worst.recovery = Math.max(worst.recovery, Math.sqrt(squaredDistance(found.control, truths[c])) / size);
      worst.residual = Math.max(worst.residual, found.residual / size);
      const share = Math.exp(at.classLogPosterior[c]);
      for (let i = 0; i < mean.length; i++) mean[i] += share * found.control[i];
    }
    worst.mean = Math.max(worst.mean, Math.sqrt(squaredNorm(mean)));
  }
  return worst;
}

/**
 * What the difference of norms of Eq. 16 says about the control term, by quadrature in the plane.
 * @returns `difference` E||s_w||^2 - E||s_0||^2 over w^2, which is E||g||^2, and `distance` the root mean square distance of
 *   `other(g)` to g over that of g, after both were found to have the same difference of norms (`apart` is by how much they have not).
 */
export function differenceOfNorms(
  mixture: GaussianMixture,
  scale: number,
  other: (g: Float64Array) => Float64Array,
): { difference: number; energy: number; apart: number; distance: number } {
  const guided = (control: (g: Float64Array) => Float64Array) => (_: Float64Array, at: MixtureEvaluation) =>
    posteriorMean(at, (c) => {
      const g = control(controlTerm(at, c));
      return squaredNorm(g.map((value, i) => at.score[i] + scale * value)) - squaredNorm(at.score);
    });
  const [mine, theirs, energy, moved] = expectations(mixture, [
    guided((g) => g),
    guided(other),
    (_, at) => posteriorMean(at, (c) => squaredNorm(controlTerm(at, c))),
    (_, at) => posteriorMean(at, (c) => squaredDistance(other(controlTerm(at, c)), controlTerm(at, c))),
  ]);
  return {
    difference: mine / scale ** 2,
    energy,
    apart: Math.abs(mine - theirs) / scale ** 2,
    distance: Math.sqrt(moved / energy),
  };
}

/** A quarter turn in the plane. */
const turned = (g: Float64Array) => Float64Array.of(-g[1], g[0]);

/**
 * Lemma 2 from norms alone: does the difference of norms of Eq. 16 determine the control term? A quarter turn of g keeps the difference
 * and the zero mean under p(c|x).
 */
export function checkLemma2Norms({ other = turned }: ClaimOptions & { other?: typeof turned } = {}): ClaimResult {
  const scale = 2;
  const { difference, energy, apart, distance } = differenceOfNorms(diffuse(planarExample(), 0.7), scale, other);
  return claimResult({
    id: 'lemma-2-norms',
    measured: distance,
    expected: { relation: '=', value: 0 },
    resolution: 0.01,
    rounding: 1e-9,
    detail:
      `distance, relative to E||g||^2 = ${energy.toFixed(4)}, between two control terms with the same difference of norms at w = ${scale} ` +
      `(${difference.toFixed(4)} w^2, equal to ${apart.toExponential(0)}) and zero mean under p(c|x): the second is the first turned by 90 degrees. ` +
      'The scalar fixes the energy of g alone; g itself needs the scores as vectors',
  });
}

/** Lemma 2: guided scores determine the control term, which is grad_x log p(c|x), and its mean under p(c|x) is zero. */
export function checkLemma2({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const source = foldIn(key(seed), 'lemma-2');
  const clean = randomMixture(foldIn(source, 'problem'), { dimension: 6, classes: 4, perClass: 2 });
  const { recovery, mean, residual } = controlErrors(diffuse(clean, 0.6), 400, foldIn(source, 'points'));
  return claimResult({
    id: 'lemma-2',
    measured: Math.max(recovery, mean, residual),
    // Central differences at 1e-5 leave about 1e-9 of truncation and 1e-10 of rounding.
    expected: { relation: '<=', value: 1e-6 },
    detail:
      `largest of: recovered g against differences of log p(c|x) ${recovery.toExponential(1)}, mean of g under p(c|x) ` +
      `${mean.toExponential(1)}, departure from a line in the scale ${residual.toExponential(1)}; 6 dimensions, 4 classes, ` +
      '400 points. One scale alone determines nothing: two different ones are needed',
  });
}
