import { InvalidInputError } from '../runtime/errors';
import { barycentricProjection } from './barycentric';
import { type Gaussian, gaussianGeodesic } from './bures';
import { finiteNumbers, type NumberArray, type Numbers, shown } from './numbers';
import type { SinkhornOptions } from './options';
import { type PointProblem, pointsOf, total } from './problem';
import type { SinkhornResult } from './result';
import { sinkhorn } from './sinkhorn';

/**
 * Exact step of the scheme of Jordan, Kinderlehrer and Otto for F(P) = W2^2(P, target) on Gaussians:
 * argmin_P W2^2(P, target) + W2^2(P, current) / (2 eta) lies on the geodesic at the fraction 2 eta / (1 + 2 eta), so
 * W2 to the target shrinks by exactly rho = 1 / (1 + 2 eta).
 */
export function jkoGaussian(current: Gaussian, target: Gaussian, eta: number): Gaussian {
  requireStep(eta);
  return gaussianGeodesic(current, target, (2 * eta) / (1 + 2 * eta));
}

/** Explicit Euler step of the same flow: x + 2 eta (T(x) - x), so W2 changes by the factor |1 - 2 eta| (for eta <= 1/2). */
export function eulerGaussian(current: Gaussian, target: Gaussian, eta: number): Gaussian {
  requireStep(eta);
  return gaussianGeodesic(current, target, 2 * eta);
}

/** A term lambda sum_i a_i |x_i - anchor_i|^2 that holds each particle near a point of its own. */
export interface Anchor {
  /** [n, dimension] */
  points: Numbers;
  /** lambda >= 0 */
  weight: number;
}

/** How particles move in one step. */
export interface ParticleStepOptions extends SinkhornOptions {
  /** Step size eta > 0. */
  eta: number;
  /** `proximal` (default): the closed-form minimiser at fixed plan; `euler`: an explicit step along minus the gradient. */
  scheme?: 'proximal' | 'euler';
  anchor?: Anchor;
  /** Subtract the self-transport's pull (default false): with it equal clouds stay where they are, whatever epsilon. */
  debiased?: boolean;
}

/** Energies per unit of mass, in the cost's unit, at given particles. */
export interface StepEnergies {
  /** Dual value of the entropic transport to the target. */
  transport: number;
  /** lambda sum a |x - anchor|^2 */
  anchor: number;
  total: number;
}

export interface ParticleStep {
  /** [n, dimension] moved particles. */
  points: Float64Array;
  /** The transport that was used, at the particles before the step. */
  coupling: SinkhornResult;
  /** Energies before the step. */
  energies: StepEnergies;
  /** Mean squared displacement sum a |x' - x|^2 / sum a: the step's own W2^2 as long as it crosses no paths. */
  displacement: number;
}

/**
 * One step of a particle cloud down the flow of W2^2(., target) + lambda |x - anchor|^2 (paper, Theorem 3 and Algorithm 1):
 * proximal: x' = (b + lambda r + x / (2 eta)) / (1 + lambda + 1 / (2 eta)), b the barycentric projection and r the anchor;
 * euler: x' = x - 2 eta ((x - b) + lambda (x - r)). `debiased` replaces b by x + b - b_self.
 * @throws InvalidInputError for wrong input, eta <= 0 or an anchor that does not fit.
 */
export function jkoStep(problem: PointProblem, options: ParticleStepOptions): ParticleStep {
  const { eta, scheme = 'proximal', anchor, debiased = false, ...rest } = options;
  requireStep(eta);
  if (scheme !== 'proximal' && scheme !== 'euler') {
    throw new InvalidInputError('Step of the gradient flow, scheme', {
      given: shown(scheme),
      expected: 'proximal | euler',
      remedy: 'Correct the name, or leave it out for proximal.',
    });
  }
  const coupling = sinkhorn(problem, rest);
  const { dimension } = problem;
  const x = pointsOf('x', problem.x, dimension);
  const lambda = anchor ? anchor.weight : 0;
  const place = anchor ? finiteNumbers('Anchor of a particle step', anchor.points) : x;
  if (place.length !== x.length || !(Number.isFinite(lambda) && lambda >= 0)) {
    throw new InvalidInputError('Anchor of a particle step', {
      given: `${place.length} numbers, weight ${shown(lambda)}`,
      expected: `${x.length} numbers, one point per particle, and a finite weight >= 0`,
      remedy: 'Give each particle its own anchor, row-major.',
    });
  }
  const goal = barycentricProjection(coupling, problem.y, dimension);
  if (debiased) {
    const { a } = coupling.problem;
    const self = sinkhorn(
      { x, y: x, dimension, sourceWeights: a, targetWeights: a },
      { ...rest, start: {}, epsilon: coupling.epsilon },
    );
    const own = barycentricProjection(self, x, dimension);
    for (let k = 0; k < goal.length; k++) goal[k] += x[k] - own[k];
  }
  const points = new Float64Array(x.length);
  const inertia = 1 / (2 * eta);
  for (let k = 0; k < points.length; k++) {
    const held = lambda * place[k];
    points[k] =
      scheme === 'proximal'
        ? (goal[k] + held + inertia * x[k]) / (1 + lambda + inertia)
        : x[k] - 2 * eta * (x[k] - goal[k] + lambda * x[k] - held);
  }
  const { a } = coupling.problem;
  const mass = total(a);
  const attachment = (lambda * meanSquare(x, place, a, dimension)) / mass;
  const transport = coupling.dualValue / mass;
  return {
    points,
    coupling,
    energies: { transport, anchor: attachment, total: transport + attachment },
    displacement: meanSquare(points, x, a, dimension) / mass,
  };
}

function meanSquare(x: NumberArray, y: NumberArray, weights: Float64Array, dimension: number): number {
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += weights[Math.floor(k / dimension)] * (x[k] - y[k]) ** 2;
  return sum;
}

function requireStep(eta: number): void {
  if (!(Number.isFinite(eta) && eta > 0)) {
    throw new InvalidInputError('Step of the gradient flow, eta', {
      given: shown(eta),
      expected: 'a finite number > 0',
      remedy: 'Use e.g. 0.5, which halves the distance in each proximal step.',
    });
  }
}
