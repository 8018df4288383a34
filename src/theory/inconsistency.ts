import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { meanWithError } from '../metrics/confidence';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, key, normal } from '../runtime/random';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { inverseRoot, predictiveSubspace } from './predictive-subspace';
import { centredStep, type Trajectories, validateTrajectories } from './trajectories';

/** Lemma 6 at one step: energies of c = c* + eta and of eta = carried over + newly injected. */
export interface Inconsistency {
  /** Autoregressive step. */
  step: number;
  /** Dimension of I*, and the share of the linear predictive information it keeps. */
  dimension: number;
  share: number;
  /** tr Cov(c*): what is needed to predict the token. */
  ideal: number;
  /** tr Cov(eta): what is not. */
  redundant: number;
  /** Part of `redundant` that is a linear function of the previous step's eta, and the rest. */
  carried: number;
  injected: number;
}

/**
 * A linear-Gaussian model in which Lemma 6 is exact: a stationary chain c_i = transition c_{i-1} + noise xi_i, and tokens
 * x^(i) = observations[i] c_i + tokenNoise n_i.
 */
export interface LinearGaussianModel {
  transition: Matrix;
  noise: number;
  /** One `[tokenWidth, width]` matrix per step. */
  observations: Matrix[];
  tokenNoise: number;
}

/** Covariance of the stationary law of c_i = A c_{i-1} + noise xi_i, by doubling. */
export function stationaryCovariance({ transition, noise }: LinearGaussianModel): Matrix {
  let power = transition;
  let covariance = Matrix.eye(transition.rows, transition.rows).mul(noise ** 2);
  for (let round = 0; round < 64; round++) {
    const increment = power.mmul(covariance).mmul(power.transpose());
    covariance = Matrix.add(covariance, increment);
    power = power.mmul(power);
    if (!(increment.norm() > 1e-17 * covariance.norm())) return covariance;
  }
  throw new InvalidInputError('Stationary covariance of a linear chain', {
    given: 'a transition whose powers do not vanish',
    expected: 'spectral radius < 1',
    remedy: 'Scale the transition down.',
  });
}

/**
 * Exact energies of Lemma 6 at `step` >= 1. With Q_i = I - P_i, eta_i = Q_i c_i = Q_i A eta_{i-1} + Q_i (A c*_{i-1} + noise xi):
 * c* and eta of one step are independent, so the first term is what is carried over and the second what is injected.
 */
export function exactInconsistency(model: LinearGaussianModel, step: number, share = 0.99): Inconsistency {
  const covariance = stationaryCovariance(model);
  const [now, before] = [step, step - 1].map((i) => {
    const observation = model.observations[i];
    const cross = covariance.mmul(observation.transpose());
    const tokenWidth = observation.rows;
    const token = observation.mmul(cross).add(Matrix.eye(tokenWidth, tokenWidth).mul(model.tokenNoise ** 2));
    const subspace = predictiveSubspace({ condition: covariance, cross, token }, { share });
    const residual = Matrix.eye(covariance.rows, covariance.rows).sub(subspace.projection);
    return { subspace, residual };
  });
  const moved = now.residual.mmul(model.transition);
  const energyOf = (map: Matrix, law: Matrix) => map.mmul(law).mmul(map.transpose()).trace();
  const law = (map: Matrix) => map.mmul(covariance).mmul(map.transpose());
  return {
    step,
    dimension: now.subspace.dimension,
    share: now.subspace.share,
    ideal: energyOf(now.subspace.projection, covariance),
    redundant: energyOf(now.residual, covariance),
    carried: energyOf(moved, law(before.residual)),
    injected:
      energyOf(moved, law(before.subspace.projection)) +
      model.noise ** 2 * energyOf(now.residual, Matrix.eye(covariance.rows)),
  };
}

/**
 * Measures Lemma 6 from conditions and tokens alone, without the model: projection on the canonical directions of c_i
 * with x^(i), then a linear regression of eta_i on eta_{i-1}. Injected energy is the residual with its degrees of freedom
 * corrected, so that unrelated steps give carried = 0 on average.
 * @param conditions `[samples, steps, width]`; reduce wide ones with `principalTrajectories` first (width below samples / 4).
 * @param tokens `[samples, steps, tokenWidth]`, the token that each condition is to predict.
 * @returns one entry per step 1 .. steps - 1.
 * @throws InvalidInputError when shapes do not fit or there are fewer than 4 samples per condition number.
 */
export function measureInconsistency(
  conditions: Trajectories,
  tokens: Trajectories,
  { share = 0.99, units }: { share?: number; units?: ArrayLike<number> } = {},
): Inconsistency[] {
  const { samples, steps, width } = conditions;
  validateTrajectories('Conditions of the inconsistency', conditions, 4 * width);
  validateTrajectories('Tokens of the inconsistency', tokens, 4 * tokens.width);
  if (tokens.samples !== samples || tokens.steps !== steps) {
    throw new InvalidInputError('Conditions and tokens', {
      given: `${samples} x ${steps} conditions and ${tokens.samples} x ${tokens.steps} tokens`,
      expected: 'one token per condition',
      remedy: 'Collect both in the same pass of the model.',
    });
  }
  const n = units ? units.length : samples;
  const parts = Array.from({ length: steps }, (_, step) => {
    const c = centredStep(conditions, step, units);
    const x = centredStep(tokens, step, units);
    const scale = 1 / (n - 1);
    const condition = c.transpose().mmul(c).mul(scale);
    const joint = { condition, cross: c.transpose().mmul(x).mul(scale), token: x.transpose().mmul(x).mul(scale) };
    const subspace = predictiveSubspace(joint, { share, samples: n });
    const ideal = c.mmul(subspace.projection.transpose());
    return { subspace, ideal, eta: Matrix.sub(c, ideal) };
  });
  return parts.slice(1).map(({ subspace, ideal, eta }, index) => {
    const rank = width - parts[index].subspace.dimension;
    return {
      step: index + 1,
      dimension: subspace.dimension,
      share: subspace.share,
      ideal: energy(ideal) / (n - 1),
      ...redundantEnergy(eta, parts[index].eta, { rank, freedom: n - 1 }),
    };
  });
}

/**
 * E||eta_i||^2 as carried over from eta_{i-1}, by a linear regression, and newly injected: the residual with its degrees of freedom
 * corrected, so that unrelated steps give carried = 0 on average.
 * @param eta,previous `[samples, width]`, centred; `rank` directions of `previous` vary, `freedom` is samples minus the means taken off.
 */
export function redundantEnergy(
  eta: Matrix,
  previous: Matrix,
  { rank, freedom }: { rank: number; freedom: number },
): Pick<Inconsistency, 'redundant' | 'carried' | 'injected'> {
  const whitened = previous.mmul(inverseRoot(previous.transpose().mmul(previous)));
  const explained = energy(whitened.transpose().mmul(eta));
  const redundant = energy(eta) / freedom;
  const injected = (energy(eta) - explained) / (freedom - rank);
  return { redundant, carried: redundant - injected, injected };
}

/** Draws conditions and tokens of a linear-Gaussian model, started from its stationary law. */
export function simulateLinearGaussian(model: LinearGaussianModel, samples: number, source: Key) {
  const steps = model.observations.length;
  const width = model.transition.rows;
  const tokenWidth = model.observations[0].rows;
  const root = symmetricRoot(stationaryCovariance(model));
  const draw = (name: string, columns: number) =>
    Matrix.from1DArray(samples, columns, normal(foldIn(source, name), samples * columns) as unknown as number[]);
  const conditions: Trajectories = { data: new Float64Array(samples * steps * width), samples, steps, width };
  const tokens: Trajectories = {
    data: new Float64Array(samples * steps * tokenWidth),
    samples,
    steps,
    width: tokenWidth,
  };
  let c = draw('start', width).mmul(root);
  for (let step = 0; step < steps; step++) {
    if (step > 0) c = c.mmul(model.transition.transpose()).add(draw(`innovation ${step}`, width).mul(model.noise));
    const x = c.mmul(model.observations[step].transpose()).add(draw(`token ${step}`, tokenWidth).mul(model.tokenNoise));
    for (let s = 0; s < samples; s++) {
      for (let k = 0; k < width; k++) conditions.data[(s * steps + step) * width + k] = c.get(s, k);
      for (let k = 0; k < tokenWidth; k++) tokens.data[(s * steps + step) * tokenWidth + k] = x.get(s, k);
    }
  }
  return { conditions, tokens };
}

/** A random linear-Gaussian model: width 6, tokens of 2 numbers that see two directions, memory of the given radius. */
export function randomLinearGaussian(source: Key, { width = 6, tokenWidth = 2, steps = 3, memory = 0.8 } = {}) {
  const square = (name: string, rows: number, columns: number) =>
    Matrix.from1DArray(rows, columns, Array.from(normal(foldIn(source, name), rows * columns)));
  const random = square('transition', width, width);
  const eigen = new EigenvalueDecomposition(random);
  const radius = Math.max(...eigen.realEigenvalues.map((re, k) => Math.hypot(re, eigen.imaginaryEigenvalues[k])));
  return {
    transition: random.mul(memory / radius),
    noise: 0.6,
    observations: Array.from({ length: steps }, (_, step) => square(`observation ${step}`, tokenWidth, width)),
    tokenNoise: 0.5,
  };
}

/** Draws of the check of Lemma 6, in groups whose spread is the error, and the exact energies beside them. */
function lemma6Groups(seed: number, samples: number): { exact: Inconsistency; measured: Inconsistency[] } {
  const model = randomLinearGaussian(foldIn(key(seed), 'lemma 6'), { steps: 2 });
  const groups = 16;
  // Every direction that informs is kept, so that the exact and the measured subspace are the same one.
  const share = 1;
  const measured = Array.from({ length: groups }, (_, group) => {
    const source = foldIn(foldIn(key(seed), 'draws'), group);
    const { conditions, tokens } = simulateLinearGaussian(model, samples / groups, source);
    return measureInconsistency(conditions, tokens, { share })[0];
  });
  return { exact: exactInconsistency(model, 1, share), measured };
}

function lemma6Part(
  id: 'lemma-6' | 'lemma-6-carried' | 'lemma-6-injected',
  { seed = 0, samples = id === 'lemma-6-carried' ? 64_000 : 24_000, factor = 1 }: Lemma6Options,
): ClaimResult {
  const { exact, measured } = lemma6Groups(seed, samples);
  const part = (
    {
      'lemma-6': ['E||eta||^2', (at) => at.redundant, exact.carried + exact.injected],
      'lemma-6-carried': ['energy carried over from the last step', (at) => at.carried, exact.carried],
      'lemma-6-injected': ['energy newly injected', (at) => at.injected, exact.injected],
    } satisfies Record<typeof id, [string, (at: Inconsistency) => number, number]>
  )[id];
  const [name, of, value] = part;
  const { value: mean, error } = meanWithError(measured.map(of));
  return claimResult({
    id,
    measured: mean,
    error,
    samples,
    expected: { relation: '=', value: value * factor },
    resolution: 0.05 * value,
    detail:
      `${name}, measured from draws of conditions and tokens alone (projection on canonical directions, regression of eta on the eta before), against the ` +
      `closed form; I* has dimension ${measured[0].dimension} of 6 (exact ${exact.dimension})`,
  });
}

/** Options of the checks of Lemma 6: `factor` multiplies the closed form that is claimed. */
export interface Lemma6Options extends ClaimOptions {
  samples?: number;
  factor?: number;
}

/** Lemma 6, what is carried over: measured by regression against its closed form. */
export function checkLemma6Carried(options: Lemma6Options = {}): ClaimResult {
  return lemma6Part('lemma-6-carried', options);
}

/** Lemma 6, what is injected: measured as the residual of the regression against its closed form. */
export function checkLemma6Injected(options: Lemma6Options = {}): ClaimResult {
  return lemma6Part('lemma-6-injected', options);
}

/** The orthogonal projector on the space onto which `projection` projects. */
function orthogonalProjector(projection: Matrix): Matrix {
  const { eigenvectorMatrix, realEigenvalues } = new EigenvalueDecomposition(projection.mmul(projection.transpose()), {
    assumeSymmetric: true,
  });
  const kept = realEigenvalues.flatMap((value, k) => (value > 1e-9 ? [k] : []));
  const basis = eigenvectorMatrix.subMatrixColumn(kept);
  return basis.mmul(basis.transpose());
}

/** What projects on the rest of c at steps 0 and 1 of a model: I minus the projection on I* (share 1). */
function residualProjectors(model: LinearGaussianModel, projector: 'orthogonal' | 'canonical'): [Matrix, Matrix] {
  const covariance = stationaryCovariance(model);
  const at = (step: number) => {
    const cross = covariance.mmul(model.observations[step].transpose());
    const width = model.observations[step].rows;
    const token = model.observations[step].mmul(cross).add(Matrix.eye(width, width).mul(model.tokenNoise ** 2));
    const { projection } = predictiveSubspace({ condition: covariance, cross, token }, { share: 1 });
    const kept = projector === 'orthogonal' ? orthogonalProjector(projection) : projection;
    return Matrix.eye(covariance.rows, covariance.rows).sub(kept);
  };
  return [at(0), at(1)];
}

/** 2 E<carried, injected> over E||eta||^2, exact: carried = Q_1 A Q_0 c, injected = Q_1 (A (I - Q_0) c + noise). */
export function crossTerm(model: LinearGaussianModel, projector: 'orthogonal' | 'canonical'): number {
  const covariance = stationaryCovariance(model);
  const [before, now] = residualProjectors(model, projector);
  const moved = now.mmul(model.transition);
  const kept = Matrix.eye(covariance.rows, covariance.rows).sub(before);
  const cross = moved.mmul(before).mmul(covariance).mmul(kept.transpose()).mmul(moved.transpose()).trace();
  return (2 * cross) / now.mmul(covariance).mmul(now.transpose()).trace();
}

/**
 * Lemma 6 with eta orthogonal to I*: with the orthogonal projector the energy of eta is carried + injected + 2 E<carried, injected>, and the
 * lemma's two-part sum needs the cross term to vanish. Measured on draws of the one of eight random models where it is largest.
 * @param options `projector`: `canonical` takes the projection by canonical directions instead, whose cross term is 0.
 */
export function checkLemma6Cross({
  seed = 0,
  samples = 32_000,
  projector = 'orthogonal',
}: ClaimOptions & { samples?: number; projector?: 'orthogonal' | 'canonical' } = {}): ClaimResult {
  const models = Array.from({ length: 8 }, (_, n) =>
    randomLinearGaussian(foldIn(foldIn(key(seed), 'lemma 6 cross'), n), { steps: 2 }),
  );
  const terms = models.map((model) => crossTerm(model, projector));
  const sizes = terms.map(Math.abs);
  const worst = sizes.indexOf(Math.max(...sizes));
  const model = models[worst];
  const [before, now] = residualProjectors(model, projector);
  const groups = 16;
  const measured = Array.from({ length: groups }, (_, group) => {
    const source = foldIn(foldIn(key(seed), 'draws'), group);
    const { conditions } = simulateLinearGaussian(model, samples / groups, source);
    const [earlier, later] = [0, 1].map((step) => centredStep(conditions, step));
    const carried = earlier.mmul(before.transpose()).mmul(model.transition.transpose()).mmul(now.transpose());
    const eta = later.mmul(now.transpose());
    return (2 * Matrix.mul(carried, Matrix.sub(eta, carried)).sum()) / energy(eta);
  });
  const { value, error } = meanWithError(measured);
  const name = projector === 'orthogonal' ? 'orthogonal projector on I*' : 'projection by canonical directions';
  return claimResult({
    id: 'lemma-6-cross',
    measured: value,
    error,
    samples,
    expected: { relation: '=', value: 0 },
    resolution: 0.02,
    detail:
      `2 E<carried, injected> over E||eta||^2 with the ${name}, from draws of the worst of ${models.length} models (exact ${terms[worst].toFixed(4)}; all ` +
      `${terms.map((term) => term.toFixed(3)).join(', ')}). The projection by canonical directions makes c* and eta uncorrelated, and the cross term 0`,
  });
}

/** Lemma 6: the energy of eta measured on drawn conditions equals carried + injected of the exact model. */
export function checkLemma6(options: Lemma6Options = {}): ClaimResult {
  return lemma6Part('lemma-6', options);
}

function energy(matrix: Matrix): number {
  return matrix.norm('frobenius') ** 2;
}

function symmetricRoot(covariance: Matrix): Matrix {
  const eigen = new EigenvalueDecomposition(covariance, { assumeSymmetric: true });
  const scaled = eigen.eigenvectorMatrix.clone();
  eigen.realEigenvalues.forEach((value, k) => scaled.mulColumn(k, Math.sqrt(Math.max(0, value))));
  return scaled.mmul(eigen.eigenvectorMatrix.transpose());
}
