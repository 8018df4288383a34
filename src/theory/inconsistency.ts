import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, key, normal } from '../runtime/random';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { inverseRoot, predictiveSubspace } from './predictive-subspace';
import { bootstrap } from './statistics';
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
 * Measures Lemma 6 on conditions and tokens alone, knowing nothing of the model: projection on the canonical directions of c_i
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

/** Lemma 6: the energy of eta measured on drawn conditions equals carried + injected of the exact model. */
export function checkLemma6({ seed = 0, samples = 1500 }: ClaimOptions & { samples?: number } = {}): ClaimResult {
  const model = randomLinearGaussian(foldIn(key(seed), 'lemma 6'));
  // Every direction that informs is kept, so that the exact and the measured subspace are the same one.
  const share = 1;
  const exact = exactInconsistency(model, 2, share);
  const { conditions, tokens } = simulateLinearGaussian(model, samples, foldIn(key(seed), 'draws'));
  const [, measured] = measureInconsistency(conditions, tokens, { share });
  const spread = bootstrap(
    foldIn(key(seed), 'bootstrap'),
    samples,
    (units) => measureInconsistency(conditions, tokens, { share, units })[1].redundant,
    { resamples: 30 },
  );
  return claimResult({
    id: 'lemma-6',
    measured: measured.redundant,
    error: spread.error,
    samples,
    expected: { relation: '=', value: exact.carried + exact.injected },
    resolution: 0.3 * (exact.carried + exact.injected),
    detail:
      `E||eta||^2 of drawn conditions against the exact carried-over + injected energy. Carried over ${measured.carried.toFixed(3)} ` +
      `(exact ${exact.carried.toFixed(3)}), injected ${measured.injected.toFixed(3)} (exact ${exact.injected.toFixed(3)}); ` +
      `I* has dimension ${measured.dimension} of ${conditions.width} (exact ${exact.dimension}).`,
  });
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
