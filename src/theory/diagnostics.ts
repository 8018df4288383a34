import { LuDecomposition, Matrix } from 'ml-matrix';
import { quantile } from '../metrics/confidence';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, normal } from '../runtime/random';
import { inverseRoot } from './predictive-subspace';
import { chiSquaredSurvival, normalCdf } from './special-functions';
import { centredStep, type Trajectories, validateTrajectories } from './trajectories';

/** A test of an assumption: the statistic, its law if the assumption is true, and how large the departure is. */
export interface AssumptionTest {
  /** What is assumed, e.g. `Markov: c_5 given c_4 forgets c_3`. */
  null: string;
  statistic: number;
  /** Law of the statistic under the null. */
  law: string;
  /** Probability of a statistic this extreme under the null. */
  probability: number;
  /** Effect size with its name, because with enough samples any departure is significant. */
  effect: { name: string; value: number };
  samples: number;
}

/**
 * Is the law of the conditions at one step Gaussian? Mardia's skewness (chi-squared) and kurtosis (normal) tests.
 * Reduce wide conditions first: `samples` should be well above width^3 / 6 for the skewness' law to be right.
 */
export function gaussianityTests(trajectories: Trajectories, step: number): AssumptionTest[] {
  validateTrajectories('Conditions tested for Gaussianity', trajectories, 4 * trajectories.width);
  const centred = centredStep(trajectories, step);
  const { rows: n, columns: width } = centred;
  const z = centred.mmul(
    inverseRoot(
      centred
        .transpose()
        .mmul(centred)
        .mul(1 / n),
    ),
  );
  const gram = z.mmul(z.transpose());
  let skewness = 0;
  let kurtosis = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) skewness += gram.get(i, j) ** 3 / (n * n);
    kurtosis += gram.get(i, i) ** 2 / n;
  }
  const degrees = (width * (width + 1) * (width + 2)) / 6;
  // Mardia's small-sample factor.
  const factor = ((width + 1) * (n + 1) * (n + 3)) / (n * ((n + 1) * (width + 1) - 6));
  const skewStatistic = (n * skewness * factor) / 6;
  const normalKurtosis = (width * (width + 2) * (n - 1)) / (n + 1);
  const kurtosisStatistic = (kurtosis - normalKurtosis) / Math.sqrt((8 * width * (width + 2)) / n);
  return [
    {
      null: `Gaussian: no skewness at step ${step}`,
      statistic: skewStatistic,
      law: `chi-squared, ${degrees} degrees of freedom`,
      probability: chiSquaredSurvival(skewStatistic, degrees),
      effect: { name: 'skewness per third moment', value: Math.sqrt(skewness / degrees) },
      samples: n,
    },
    {
      null: `Gaussian: kurtosis of a normal law at step ${step}`,
      statistic: kurtosisStatistic,
      law: 'standard normal, two-sided',
      probability: 2 * normalCdf(-Math.abs(kurtosisStatistic)),
      effect: { name: 'kurtosis / normal kurtosis', value: kurtosis / normalKurtosis },
      samples: n,
    },
  ];
}

/**
 * Does c_{step} given c_{step-1} forget c_{step-2} (Lemma 3, in its linear part)? Wilks' likelihood ratio of the two
 * regressions with Bartlett's chi-squared law.
 * @param step 2 .. steps - 1.
 * @throws InvalidInputError when there are not more than 4 samples per regressor.
 */
export function markovTest(trajectories: Trajectories, step: number): AssumptionTest {
  const { width, steps } = trajectories;
  validateTrajectories('Conditions tested for the Markov property', trajectories, 8 * width + 4);
  if (step < 2 || step >= steps) {
    throw new InvalidInputError('Markov test', {
      given: `step ${step} of ${steps}`,
      expected: 'a step with two before it',
      remedy: 'Use steps 2 .. steps - 1.',
    });
  }
  const [before, last, now] = [step - 2, step - 1, step].map((at) => centredStep(trajectories, at));
  const restricted = residualOf(now, last);
  const full = residualOf(restricted, residualOf(before, last));
  const logRatio = logDeterminant(full) - logDeterminant(restricted);
  const scale = now.rows - 2 * width - 1.5;
  const statistic = -scale * logRatio;
  return {
    null: `Markov: c_${step} given c_${step - 1} forgets c_${step - 2}`,
    statistic,
    law: `chi-squared, ${width * width} degrees of freedom`,
    probability: chiSquaredSurvival(statistic, width * width),
    effect: { name: 'partial R2 per direction', value: 1 - Math.exp(logRatio / width) },
    samples: now.rows,
  };
}

/** Local Lipschitz constants of a map at given points, as an interval that contains each one. */
export interface LipschitzEstimate {
  /** Largest gain ||f(c + h) - f(c)|| / ||h|| found per point: a lower bound of the local constant. */
  lower: Float64Array;
  /** Frobenius norm of the Jacobian per point (from the mean squared gain): an upper bound, up to sampling error. */
  upper: Float64Array;
  median: number;
  largest: number;
}

/**
 * Local Lipschitz constants of `map` (`[points, width]` row-major in, `[points, any]` out) by finite differences along
 * random directions, and along the direction from each point to the next (where the data lie).
 * @param radius length of the step relative to the root mean square norm of the points; default 1e-3.
 */
export async function localLipschitz(
  map: (points: Float64Array) => Float64Array | Promise<Float64Array>,
  points: Float64Array,
  width: number,
  { directions = 16, radius = 1e-3, source }: { directions?: number; radius?: number; source: Key },
): Promise<LipschitzEstimate> {
  const count = points.length / width;
  if (!Number.isInteger(count) || count < 2) {
    throw new InvalidInputError('Points of a Lipschitz estimate', {
      given: `${points.length} numbers of width ${width}`,
      expected: 'at least 2 whole rows',
      remedy: 'Pass [points, width] row-major.',
    });
  }
  const step = radius * Math.sqrt(points.reduce((sum, value) => sum + value * value, 0) / count);
  const base = await map(points);
  const outWidth = base.length / count;
  const lower = new Float64Array(count);
  const squares = new Float64Array(count);
  for (let direction = 0; direction <= directions; direction++) {
    const random = direction < directions;
    const moves = random
      ? normal(foldIn(source, direction), points.length)
      : points.map((value, at) => points[(at + width) % points.length] - value);
    const moved = Float64Array.from(points);
    for (let p = 0; p < count; p++) {
      const norm = Math.hypot(...moves.subarray(p * width, (p + 1) * width)) || 1;
      for (let k = 0; k < width; k++) moved[p * width + k] += (step * moves[p * width + k]) / norm;
    }
    const out = await map(moved);
    for (let p = 0; p < count; p++) {
      let gain = 0;
      for (let k = p * outWidth; k < (p + 1) * outWidth; k++) gain += ((out[k] - base[k]) / step) ** 2;
      lower[p] = Math.max(lower[p], Math.sqrt(gain));
      if (random) squares[p] += (gain * width) / directions;
    }
  }
  return {
    lower,
    upper: squares.map(Math.sqrt),
    median: quantile(lower, 0.5),
    largest: lower.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Residual of a least-squares regression of `target` on `regressors` (both centred). */
function residualOf(target: Matrix, regressors: Matrix): Matrix {
  const basis = regressors.mmul(inverseRoot(regressors.transpose().mmul(regressors)));
  return Matrix.sub(target, basis.mmul(basis.transpose().mmul(target)));
}

function logDeterminant(residual: Matrix): number {
  const factors = new LuDecomposition(residual.transpose().mmul(residual)).upperTriangularMatrix.diagonal();
  return factors.reduce((sum, value) => sum + Math.log(Math.abs(value)), 0);
}
