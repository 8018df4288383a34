import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';
import { type Key, normal } from '../runtime/random';

/**
 * The paper's condition process (Eq. 18): c_i = sum_j a_j c_{i-j} + xi_i in R^width with xi_i ~ N(0, noise^2 I),
 * started from c_0 = c_{-1} = ... = start. Scalar coefficients, so every coordinate is an AR(p) process of its own.
 */
export interface ConditionChain {
  /** a_1 .. a_p, or a function of the step for coefficients that change and converge (Assumption 4). */
  coefficients: readonly number[] | ((step: number) => readonly number[]);
  /** Standard deviation of the innovation per coordinate, >= 0. */
  noise: number;
  /** c_0; its length is the width. */
  start: readonly number[];
}

/** Mean (`[steps][width]`) and per-coordinate variance (`[steps]`) of c_0 .. c_{steps-1}; exact. */
export interface ChainMoments {
  means: Float64Array[];
  variances: Float64Array;
}

/** a_1 .. a_p at a step. */
export function coefficientsAt(chain: ConditionChain, step: number): readonly number[] {
  return typeof chain.coefficients === 'function' ? chain.coefficients(step) : chain.coefficients;
}

/** The companion matrix [p, p] of AR coefficients: first row the coefficients, ones below the diagonal. */
export function companion(coefficients: readonly number[]): Matrix {
  const order = coefficients.length;
  const matrix = Matrix.zeros(order, order);
  for (let j = 0; j < order; j++) matrix.set(0, j, coefficients[j]);
  for (let j = 1; j < order; j++) matrix.set(j, j - 1, 1);
  return matrix;
}

/** Largest modulus of an eigenvalue of the companion matrix; the chain forgets its start if and only if it is below 1. */
export function spectralRadius(coefficients: readonly number[]): number {
  const eigen = new EigenvalueDecomposition(companion(coefficients));
  return Math.max(...eigen.realEigenvalues.map((re, i) => Math.hypot(re, eigen.imaginaryEigenvalues[i])));
}

/** AR coefficients whose companion matrix has the given real eigenvalues: those of prod_j (z - root_j). */
export function coefficientsFromRoots(roots: readonly number[]): number[] {
  let polynomial = [1];
  for (const root of roots) {
    const next = [...polynomial, 0];
    for (let i = 0; i < polynomial.length; i++) next[i + 1] -= root * polynomial[i];
    polynomial = next;
  }
  return polynomial.slice(1).map((c) => -c);
}

/**
 * Smallest K that makes ||C^i v|| <= K rho^i ||v|| follow from the eigenvectors: the condition number of the matrix of
 * eigenvectors of the companion matrix C (a Vandermonde matrix of the roots), known before the chain is run.
 */
export function transientConstant(roots: readonly number[]): number {
  const vandermonde = new Matrix(roots.map((_, power) => roots.map((root) => root ** (roots.length - 1 - power))));
  // Unit columns: scaling eigenvectors is free and lowers the condition number.
  for (let j = 0; j < roots.length; j++) vandermonde.mulColumn(j, 1 / vandermonde.getColumnVector(j).norm());
  const gram = new EigenvalueDecomposition(vandermonde.transpose().mmul(vandermonde), { assumeSymmetric: true });
  return Math.sqrt(Math.max(...gram.realEigenvalues) / Math.min(...gram.realEigenvalues));
}

/** Exact mean and variance of the first `steps` conditions, by the recursion of the companion state. */
export function chainMoments(chain: ConditionChain, steps: number): ChainMoments {
  validateChain(chain);
  const order = coefficientsAt(chain, 1).length;
  const width = chain.start.length;
  let state = Array.from({ length: order }, () => Float64Array.from(chain.start));
  let covariance = Matrix.zeros(order, order);
  const means = [Float64Array.from(chain.start)];
  const variances = new Float64Array(steps);
  for (let step = 1; step < steps; step++) {
    const coefficients = coefficientsAt(chain, step);
    const mean = new Float64Array(width);
    for (let j = 0; j < order; j++) for (let k = 0; k < width; k++) mean[k] += coefficients[j] * state[j][k];
    state = [mean, ...state.slice(0, -1)];
    const transition = companion(coefficients);
    covariance = transition.mmul(covariance).mmul(transition.transpose());
    covariance.set(0, 0, covariance.get(0, 0) + chain.noise ** 2);
    means.push(mean);
    variances[step] = covariance.get(0, 0);
  }
  return { means, variances };
}

/**
 * Per-coordinate variance of the stationary law N(0, v I) of a chain with constant coefficients.
 * @throws InvalidInputError when the spectral radius is not below 1, where there is no stationary law.
 */
export function stationaryVariance({ coefficients, noise }: ConditionChain): number {
  if (typeof coefficients === 'function' || spectralRadius(coefficients) >= 1) {
    throw new InvalidInputError('Stationary law of a condition chain', {
      given:
        typeof coefficients === 'function'
          ? 'coefficients that change with the step'
          : `coefficients ${JSON.stringify(coefficients)} with spectral radius ${spectralRadius(coefficients)}`,
      expected: 'constant coefficients with spectral radius < 1',
      remedy: 'Use the limit of the coefficients; at a radius of 1 or more the variance grows without bound.',
    });
  }
  // P = C P C' + noise^2 e1 e1' by doubling: P_{2n} = P_n + C^n P_n (C^n)'.
  let power = companion(coefficients);
  let covariance = Matrix.zeros(power.rows, power.rows);
  covariance.set(0, 0, noise ** 2);
  for (let round = 0; round < 64; round++) {
    const increment = power.mmul(covariance).mmul(power.transpose());
    covariance = Matrix.add(covariance, increment);
    power = power.mmul(power);
    if (increment.norm() <= 1e-17 * covariance.norm()) break;
  }
  return covariance.get(0, 0);
}

/** Draws `samples` paths of the chain, `[samples, steps, width]` row-major; step 0 is the start. */
export function simulateChain(chain: ConditionChain, samples: number, steps: number, source: Key): Float64Array {
  validateChain(chain);
  const width = chain.start.length;
  const out = new Float64Array(samples * steps * width);
  const innovations = normal(source, samples * steps * width);
  for (let sample = 0; sample < samples; sample++) {
    for (let step = 0; step < steps; step++) {
      const coefficients = coefficientsAt(chain, step);
      for (let k = 0; k < width; k++) {
        const at = (sample * steps + step) * width + k;
        if (step === 0) {
          out[at] = chain.start[k];
          continue;
        }
        let value = chain.noise * innovations[at];
        for (let j = 0; j < coefficients.length; j++) {
          value += coefficients[j] * (step - 1 - j >= 0 ? out[at - (j + 1) * width] : chain.start[k]);
        }
        out[at] = value;
      }
    }
  }
  return out;
}

function validateChain(chain: ConditionChain): void {
  const numbers = [...coefficientsAt(chain, 1), chain.noise, ...chain.start];
  if (
    coefficientsAt(chain, 1).length > 0 &&
    chain.start.length > 0 &&
    chain.noise >= 0 &&
    numbers.every(Number.isFinite)
  )
    return;
  throw new InvalidInputError('Condition chain', {
    given: JSON.stringify({ coefficients: coefficientsAt(chain, 1), noise: chain.noise, start: chain.start }),
    expected: 'at least one finite coefficient, noise >= 0 and a finite start of width >= 1',
    remedy: 'A static condition is coefficients [1] with noise 0.',
  });
}
