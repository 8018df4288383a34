import { foldIn, type Key, key } from '../runtime/random';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { planarExample } from './example-mixtures';
import {
  conditional,
  diffuse,
  evaluate,
  type GaussianMixture,
  row,
  sampleMixture,
  squaredDistance,
  squaredNorm,
} from './gaussian-mixture';
import { expectations } from './quadrature';
import { posteriorMean, posteriorSpread } from './score-matching';
import { type Estimate, meanWithError } from './statistics';

/** The condition error of a law in the paper's two definitions, and the quantity that both are in expectation. */
export interface ConditionErrors {
  /** Definition 1: E||grad log p(x|c)||^2 - E||grad log p(x)||^2. */
  differenceOfNorms: number;
  /** Definition 2: E||grad log p(x|c) - grad log p(x)||^2. */
  normOfDifference: number;
}

/** Both definitions over the joint law of (x, c), by quadrature (one or two dimensions). */
export function conditionErrors(mixture: GaussianMixture): ConditionErrors {
  const [conditionalNorm, norm, normOfDifference] = expectations(mixture, [
    (_, at) => posteriorMean(at, (c) => squaredNorm(at.classScores[c])),
    (_, at) => squaredNorm(at.score),
    (_, at) => posteriorSpread(at),
  ]);
  return { differenceOfNorms: conditionalNorm - norm, normOfDifference };
}

/**
 * Both definitions for one class alone, over p(x|c). Here they are different numbers, and the first can be negative: the
 * cross term <grad log p(x|c) - grad log p(x), grad log p(x)> vanishes only on average over the classes.
 */
export function conditionErrorsOfClass(mixture: GaussianMixture, label: number, points = 141): ConditionErrors {
  const [differenceOfNorms, normOfDifference] = expectations(
    conditional(mixture, label),
    [
      (x) => {
        const at = evaluate(mixture, x);
        return squaredNorm(at.classScores[label]) - squaredNorm(at.score);
      },
      (x) => {
        const at = evaluate(mixture, x);
        return squaredDistance(at.classScores[label], at.score);
      },
    ],
    points,
  );
  return { differenceOfNorms, normOfDifference };
}

/** Definition 1 by samples of (x, c), any dimension. */
export function sampledDifferenceOfNorms(mixture: GaussianMixture, samples: number, source: Key): Estimate {
  const { points, labels } = sampleMixture(mixture, source, samples);
  const draws = new Float64Array(samples);
  for (let n = 0; n < samples; n++) {
    const at = evaluate(mixture, row(points, n, mixture.dimension));
    draws[n] = squaredNorm(at.classScores[labels[n]]) - squaredNorm(at.score);
  }
  return meanWithError(draws);
}

/**
 * grad_x log p(c|x) by central differences of the log posterior: knows nothing of scores, so it can check them. Its error
 * is about 1e-9 for densities with curvature of order one.
 * @param step width of the difference (default 1e-5, near the optimum between truncation and rounding).
 */
export function posteriorGradient(
  mixture: GaussianMixture,
  label: number,
  x: ArrayLike<number>,
  step = 1e-5,
): Float64Array {
  const moved = Float64Array.from(x);
  return Float64Array.from({ length: x.length }, (_, i) => {
    moved[i] = x[i] + step;
    const up = evaluate(mixture, moved).classLogPosterior[label];
    moved[i] = x[i] - step;
    const down = evaluate(mixture, moved).classLogPosterior[label];
    moved[i] = x[i];
    return (up - down) / (2 * step);
  });
}

/** E||grad_x log p(c|x)||^2 from the posterior alone, by quadrature of finite differences (relative error about 1e-8). */
export function posteriorInformation(mixture: GaussianMixture, points = 141): number {
  const [value] = expectations(
    mixture,
    [(x, at) => posteriorMean(at, (c) => squaredNorm(posteriorGradient(mixture, c, x)))],
    points,
  );
  return value;
}

const ALPHA_BAR = 0.7;

/** Definition 1: the difference of norms is E||grad_x log p(c|x)||^2. */
export function checkDefinition1({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const samples = 150_000;
  const mixture = diffuse(planarExample(), ALPHA_BAR);
  const { value, error } = sampledDifferenceOfNorms(mixture, samples, foldIn(key(seed), 'definition-1'));
  const classes = Array.from({ length: mixture.classes }, (_, c) => conditionErrorsOfClass(mixture, c));
  const negative = classes.flatMap(({ differenceOfNorms }, c) =>
    differenceOfNorms < 0 ? [`${differenceOfNorms.toFixed(3)} for class ${c}`] : [],
  );
  return claimResult({
    id: 'definition-1',
    measured: value,
    error,
    samples,
    expected: { relation: '=', value: posteriorInformation(mixture) },
    detail:
      `difference of norms by samples against E||grad_x log p(c|x)||^2 from the posterior alone; an error only on average ` +
      `over classes: for a single one it can be negative (${negative.join(', ') || 'not here'})`,
  });
}

/** Definition 2: the norm of the difference equals the difference of norms (Definition 1) in expectation. */
export function checkDefinition2(_: ClaimOptions = {}): ClaimResult {
  const mixture = diffuse(planarExample(), ALPHA_BAR);
  const { differenceOfNorms, normOfDifference } = conditionErrors(mixture);
  const classes = Array.from({ length: mixture.classes }, (_, c) => conditionErrorsOfClass(mixture, c));
  const apart = classes.map(
    (e, c) => `${e.normOfDifference.toFixed(3)} and ${e.differenceOfNorms.toFixed(3)} (class ${c})`,
  );
  return claimResult({
    id: 'definition-2',
    measured: normOfDifference,
    expected: { relation: '=', value: differenceOfNorms },
    detail: `both by quadrature at alphaBar ${ALPHA_BAR}; class by class the two differ: ${apart.join(', ')}`,
  });
}
