import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { categorical, foldIn, type Key, normal } from '../runtime/random';

/** One Gaussian of a mixture, as given by the caller. */
export interface ComponentInput {
  /** Relative weight, > 0; weights are normalised to sum 1. */
  weight: number;
  mean: readonly number[];
  /** Symmetric positive definite, `[dimension, dimension]`; a number stands for that multiple of the identity. */
  covariance: number | readonly (readonly number[])[];
  /** The class (condition c) it belongs to, 0, 1, ...; default 0. Several components may form one class. */
  label?: number;
}

/** A component in its own eigenbasis, where diffusion changes nothing but the variances. */
export interface Component {
  logWeight: number;
  label: number;
  mean: Float64Array;
  /** Eigenvectors as rows, `[dimension, dimension]`. */
  axes: Float64Array;
  /** Variances along the axes, > 0. */
  variances: Float64Array;
}

/** A mixture of Gaussians with full covariances and class labels: ground truth for scores, posteriors and guidance. */
export interface GaussianMixture {
  dimension: number;
  /** Number of classes. */
  classes: number;
  components: readonly Component[];
}

/** Everything that one pass over the components gives at a point x. */
export interface MixtureEvaluation {
  /** log p(x). */
  logDensity: number;
  /** grad log p(x), `[dimension]`. */
  score: Float64Array;
  /** Laplacian of log p(x), the divergence of the score. */
  divergence: number;
  /** log p(x | c) per class. */
  classLogDensity: Float64Array;
  /** log p(c | x) per class. */
  classLogPosterior: Float64Array;
  /** grad log p(x | c) per class, each `[dimension]`. */
  classScores: Float64Array[];
}

/**
 * Builds a mixture; each covariance is diagonalised once, so that noise levels cost nothing afterwards.
 * @throws InvalidInputError for weights <= 0, shapes that differ, unused labels, or a covariance that is not symmetric
 *   positive definite.
 */
export function gaussianMixture(inputs: readonly ComponentInput[]): GaussianMixture {
  const dimension = inputs[0]?.mean.length ?? 0;
  const classes = 1 + Math.max(...inputs.map(({ label = 0 }) => label));
  const total = inputs.reduce((sum, { weight }) => sum + weight, 0);
  const components = inputs.map((input, index) => component(input, index, dimension, total));
  const used = new Set(components.map(({ label }) => label));
  if (dimension < 1 || used.size !== classes) {
    throw new InvalidInputError('Gaussian mixture', {
      given: `${inputs.length} components of dimension ${dimension} with labels {${[...used].sort().join(', ')}}`,
      expected: 'at least one component and labels 0 .. classes-1, each used',
      remedy: 'Number the classes from 0 without gaps.',
    });
  }
  return { dimension, classes, components };
}

function component(input: ComponentInput, index: number, dimension: number, total: number): Component {
  const { weight, mean, covariance, label = 0 } = input;
  const matrix =
    typeof covariance === 'number'
      ? Matrix.eye(dimension, dimension, covariance)
      : new Matrix(covariance.map((row) => [...row]));
  const wellFormed =
    weight > 0 && Number.isInteger(label) && label >= 0 && mean.length === dimension && matrix.rows === dimension;
  const symmetric = wellFormed && matrix.isSymmetric();
  const eigen = symmetric ? new EigenvalueDecomposition(matrix, { assumeSymmetric: true }) : undefined;
  if (!eigen?.realEigenvalues.every((value) => value > 0)) {
    throw new InvalidInputError(`Component ${index} of a Gaussian mixture`, {
      given: `weight ${weight}, label ${label}, mean [${mean}], covariance ${JSON.stringify(covariance)}`,
      expected: `weight > 0, an integer label >= 0, ${dimension} means and a symmetric positive definite covariance`,
      remedy: 'Correct the component; symmetrise the covariance or add a small multiple of the identity.',
    });
  }
  return {
    logWeight: Math.log(weight / total),
    label,
    mean: Float64Array.from(mean),
    axes: Float64Array.from(eigen.eigenvectorMatrix.transpose().to1DArray()),
    variances: Float64Array.from(eigen.realEigenvalues),
  };
}

/**
 * The law p_t of x_t = sqrt(alphaBar) x_0 + sqrt(1 - alphaBar) n for x_0 from the mixture and standard normal n.
 * @param alphaBar signal share in [0, 1]: 1 leaves the mixture as it is, 0 is pure noise.
 */
export function diffuse(mixture: GaussianMixture, alphaBar: number): GaussianMixture {
  if (!(alphaBar >= 0 && alphaBar <= 1)) {
    throw new InvalidInputError('Noise level of a diffused mixture', {
      given: `alphaBar = ${alphaBar}`,
      expected: 'a number in [0, 1]',
      remedy: 'Pass the cumulative product of the schedule (the share of signal in the variance).',
    });
  }
  const components = mixture.components.map((part) => ({
    ...part,
    mean: part.mean.map((m) => Math.sqrt(alphaBar) * m),
    variances: part.variances.map((v) => alphaBar * v + 1 - alphaBar),
  }));
  return { ...mixture, components };
}

/** The law of x given its class, as a mixture with one class. */
export function conditional(mixture: GaussianMixture, label: number): GaussianMixture {
  const parts = mixture.components.filter((part) => part.label === label);
  const logPrior = logSumExp(parts.map((part) => part.logWeight));
  const components = parts.map((part) => ({ ...part, label: 0, logWeight: part.logWeight - logPrior }));
  return { ...mixture, classes: 1, components };
}

/** Prior probability of each class. */
export function classPrior({ classes, components }: GaussianMixture): Float64Array {
  const prior = new Float64Array(classes);
  for (const { label, logWeight } of components) prior[label] += Math.exp(logWeight);
  return prior;
}

/**
 * Density, score, divergence and class posterior at `x`, in logarithms throughout: exact far out in the tails, where the
 * density itself underflows.
 */
export function evaluate(mixture: GaussianMixture, x: ArrayLike<number>): MixtureEvaluation {
  const { dimension, classes, components } = mixture;
  const logs = new Float64Array(components.length);
  const scores = components.map((part, k) => {
    const s = new Float64Array(dimension);
    logs[k] = part.logWeight + componentLogDensity(part, x, s);
    return s;
  });
  const classLogJoint = new Float64Array(classes).fill(Number.NEGATIVE_INFINITY);
  const classLogWeight = new Float64Array(classes).fill(Number.NEGATIVE_INFINITY);
  components.forEach(({ label, logWeight }, k) => {
    classLogJoint[label] = logAdd(classLogJoint[label], logs[k]);
    classLogWeight[label] = logAdd(classLogWeight[label], logWeight);
  });
  const logDensity = logSumExp(classLogJoint);
  const score = new Float64Array(dimension);
  const classScores = Array.from({ length: classes }, () => new Float64Array(dimension));
  let divergence = 0;
  components.forEach(({ label, variances }, k) => {
    const share = Math.exp(logs[k] - logDensity);
    const classShare = Math.exp(logs[k] - classLogJoint[label]);
    let squared = 0;
    let precision = 0;
    for (let i = 0; i < dimension; i++) {
      const s = scores[k][i];
      score[i] += share * s;
      classScores[label][i] += classShare * s;
      squared += s * s;
      precision += 1 / variances[i];
    }
    divergence += share * (squared - precision);
  });
  return {
    logDensity,
    score,
    divergence: divergence - squaredNorm(score),
    classLogDensity: classLogJoint.map((joint, c) => joint - classLogWeight[c]),
    classLogPosterior: classLogJoint.map((joint) => joint - logDensity),
    classScores,
  };
}

/** log p(x). */
export function logDensity(mixture: GaussianMixture, x: ArrayLike<number>): number {
  const unused = new Float64Array(mixture.dimension);
  return logSumExp(mixture.components.map((part) => part.logWeight + componentLogDensity(part, x, unused.fill(0))));
}

/** grad log p(x), `[dimension]`. */
export function score(mixture: GaussianMixture, x: ArrayLike<number>): Float64Array {
  return evaluate(mixture, x).score;
}

/** Log-density of one component; its score is added to `into`. */
function componentLogDensity(part: Component, x: ArrayLike<number>, into: Float64Array): number {
  const dimension = x.length;
  let sum = -0.5 * dimension * Math.log(2 * Math.PI);
  for (let j = 0; j < dimension; j++) {
    let along = 0;
    for (let i = 0; i < dimension; i++) along += part.axes[j * dimension + i] * (x[i] - part.mean[i]);
    const scaled = along / part.variances[j];
    sum -= 0.5 * (along * scaled + Math.log(part.variances[j]));
    for (let i = 0; i < dimension; i++) into[i] -= part.axes[j * dimension + i] * scaled;
  }
  return sum;
}

/** Draws from a mixture: points `[count, dimension]` row-major, and the class of each. */
export interface MixtureDraws {
  points: Float64Array;
  labels: Int32Array;
}

/** `count` independent draws of (x, c). */
export function sampleMixture(mixture: GaussianMixture, source: Key, count: number): MixtureDraws {
  const { dimension, components } = mixture;
  const weights = components.map(({ logWeight }) => Math.exp(logWeight));
  const chosen = categorical(foldIn(source, 'component'), count, weights);
  const noise = normal(foldIn(source, 'noise'), count * dimension);
  const points = new Float64Array(count * dimension);
  for (let n = 0; n < count; n++) {
    const part = components[chosen[n]];
    for (let i = 0; i < dimension; i++) points[n * dimension + i] = part.mean[i];
    for (let j = 0; j < dimension; j++) {
      const step = Math.sqrt(part.variances[j]) * noise[n * dimension + j];
      for (let i = 0; i < dimension; i++) points[n * dimension + i] += step * part.axes[j * dimension + i];
    }
  }
  return { points, labels: Int32Array.from(chosen, (k) => components[k].label) };
}

/** Row `n` of row-major points, without copying. */
export function row(points: Float64Array, n: number, dimension: number): Float64Array {
  return points.subarray(n * dimension, (n + 1) * dimension);
}

/** ||v||^2. */
export function squaredNorm(v: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < v.length; i++) sum += v[i] * v[i];
  return sum;
}

/** ||a - b||^2. */
export function squaredDistance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum;
}

function logAdd(a: number, b: number): number {
  const largest = Math.max(a, b);
  return largest === Number.NEGATIVE_INFINITY ? largest : largest + Math.log1p(Math.exp(-Math.abs(a - b)));
}

function logSumExp(values: ArrayLike<number>): number {
  let sum = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) sum = logAdd(sum, values[i]);
  return sum;
}
