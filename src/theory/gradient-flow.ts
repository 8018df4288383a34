import { Matrix } from 'ml-matrix';
import { foldIn, type Key, normal } from '../runtime/random';
import {
  exactTransport,
  type Gaussian,
  gaussianDistance,
  gaussianMap,
  jkoStep,
  type NumberArray,
  type ParticleStepOptions,
} from '../transport/core';

/** Contraction factor of W2 to the target per exact JKO step on F = W2^2: 1 / (1 + 2 eta). */
export function proximalRate(eta: number): number {
  return 1 / (1 + 2 * eta);
}

/** Contraction factor of W2 per explicit Euler step: |1 - 2 eta|; above eta = 1 the flow diverges. */
export function eulerRate(eta: number): number {
  return Math.abs(1 - 2 * eta);
}

/** The law of condition c and its inverse image r = T^-1(x), jointly Gaussian: what a step with lambda > 0 moves. */
export interface JointGaussian {
  condition: Gaussian;
  anchor: Gaussian;
  /** Cov(c, r) `[d, d]` row-major. */
  cross: Float64Array;
}

/**
 * One step of Algorithm 1's proximal update on the joint law, exact: c' = (T c + lambda r + c / (2 eta)) / (1 + lambda + 1 / (2 eta))
 * with T the optimal map from law(c) to the target.
 */
export function jointStep(joint: JointGaussian, target: Gaussian, eta: number, lambda: number): JointGaussian {
  const d = target.mean.length;
  const inertia = 1 / (2 * eta);
  const total = 1 + lambda + inertia;
  const map = gaussianMap(joint.condition, target);
  const A = matrixOf(map.matrix, d)
    .add(Matrix.eye(d).mul(inertia))
    .mul(1 / total);
  const G = lambda / total;
  const cc = matrixOf(joint.condition.covariance, d);
  const cr = matrixOf(joint.cross, d);
  const rr = matrixOf(joint.anchor.covariance, d);
  const mixed = A.mmul(cr).mul(G);
  const covariance = A.mmul(cc)
    .mmul(A.transpose())
    .add(mixed)
    .add(mixed.transpose())
    .add(Matrix.mul(rr, G * G));
  const moved = A.mmul(Matrix.columnVector(Array.from(joint.condition.mean))).to1DArray();
  const mean = Float64Array.from(moved, (value, k) => value + map.offset[k] / total + G * joint.anchor.mean[k]);
  return {
    anchor: joint.anchor,
    condition: { mean, covariance: flat(Matrix.add(covariance, covariance.transpose()).mul(0.5)) },
    cross: flat(A.mmul(cr).add(Matrix.mul(rr, G))),
  };
}

/** F = W2^2(law(c), target) + lambda E||c - r||^2 of a joint law; exact. */
export function jointEnergy({ condition, anchor, cross }: JointGaussian, target: Gaussian, lambda: number): number {
  const d = target.mean.length;
  let attachment = 0;
  for (let k = 0; k < d; k++) {
    const at = k * d + k;
    attachment +=
      (condition.mean[k] - anchor.mean[k]) ** 2 + condition.covariance[at] + anchor.covariance[at] - 2 * cross[at];
  }
  return gaussianDistance(condition, target).squared + lambda * attachment;
}

/**
 * The bias that lambda > 0 causes: the minimiser of F is the Wasserstein barycentre of the target and law(T^-1(x)) with weights
 * 1 and lambda, at the distance lambda / (1 + lambda) W2(target, law(T^-1(x))) from the target.
 */
export function anchorBias(target: Gaussian, anchor: Gaussian, lambda: number): number {
  return (lambda / (1 + lambda)) * Math.sqrt(gaussianDistance(target, anchor).squared);
}

/** Particles along a flow, and measurements at each step. */
export interface ParticlePath {
  /** `[steps + 1]` clouds, each `[n, dimension]`. */
  clouds: Float64Array[];
  /** W2 to the target's particles, `[steps + 1]`, by exact transport. */
  distances: Float64Array;
  /** F at each cloud, `[steps + 1]`. */
  energies: Float64Array;
  /** Mean squared displacement of each step, `[steps]`. */
  displacements: Float64Array;
}

/**
 * Moves particles by exact proximal steps (exact transport to as many target particles, then the closed-form minimiser at that
 * plan), with an optional anchor per particle.
 */
export function particleFlow(
  start: Float64Array,
  target: Float64Array,
  {
    dimension,
    eta,
    steps,
    lambda = 0,
    anchors = start,
  }: {
    dimension: number;
    eta: number;
    steps: number;
    lambda?: number;
    anchors?: Float64Array;
  },
): ParticlePath {
  const n = start.length / dimension;
  const path: ParticlePath = {
    clouds: [start],
    distances: new Float64Array(steps + 1),
    energies: new Float64Array(steps + 1),
    displacements: new Float64Array(steps),
  };
  for (let step = 0; step <= steps; step++) {
    const x = path.clouds[step];
    const { plan, cost } = exactTransport({ x, y: target, dimension });
    path.distances[step] = Math.sqrt(cost);
    path.energies[step] = cost + (lambda * squaredDistance(x, anchors)) / n;
    if (step === steps) break;
    const goal = barycentres(plan, target, n, dimension);
    const inertia = 1 / (2 * eta);
    const next = x.map((value, at) => (goal[at] + lambda * anchors[at] + inertia * value) / (1 + lambda + inertia));
    path.displacements[step] = squaredDistance(next, x) / n;
    path.clouds.push(next);
  }
  return path;
}

/**
 * Moves particles by Sinkhorn steps (Algorithm 1's update) and measures each cloud by exact transport: the effect of entropy on the
 * rate and on the limit of the flow.
 */
export function entropicFlow(
  start: Float64Array,
  target: Float64Array,
  steps: number,
  { dimension, ...options }: ParticleStepOptions & { dimension: number },
): Float64Array {
  const distances = new Float64Array(steps + 1);
  let x: NumberArray = start;
  for (let step = 0; step <= steps; step++) {
    distances[step] = Math.sqrt(exactTransport({ x, y: target, dimension }).cost);
    if (step < steps) x = jkoStep({ x, y: target, dimension }, options).points;
  }
  return distances;
}

/** A random Gaussian law of dimension d with a well-conditioned covariance. */
export function randomGaussian(source: Key, dimension: number, spread = 1): Gaussian {
  const factor = matrixOf(normal(foldIn(source, 'factor'), dimension * dimension), dimension);
  const covariance = factor
    .mmul(factor.transpose())
    .mul(spread / dimension)
    .add(Matrix.eye(dimension).mul(0.2 * spread));
  return { mean: normal(foldIn(source, 'mean'), dimension), covariance: flat(covariance) };
}

/** A cloud of `count` points around `centres` equal bumps on a circle of radius `radius` in the plane, `[count, 2]`. */
export function bumps(source: Key, count: number, centres: number, radius: number): Float64Array {
  return normal(source, 2 * count).map((z, at) => {
    const angle = (2 * Math.PI * ((at >> 1) % centres)) / centres;
    return radius * (at % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 0.25 * z;
  });
}

/** Where a plan `[n, m]` between equally weighted points sends each of n points: the mean of its targets, `[n, dimension]`. */
export function barycentres(plan: Float64Array, target: Float64Array, n: number, dimension: number): Float64Array {
  const m = target.length / dimension;
  const out = new Float64Array(n * dimension);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < m; j++) {
      const share = plan[i * m + j] * n;
      if (share > 0) for (let k = 0; k < dimension; k++) out[i * dimension + k] += share * target[j * dimension + k];
    }
  }
  return out;
}

function squaredDistance(x: Float64Array, y: Float64Array): number {
  return x.reduce((sum, value, k) => sum + (value - y[k]) ** 2, 0);
}

function matrixOf(values: Float64Array, d: number): Matrix {
  return Matrix.from1DArray(d, d, Array.from(values));
}

function flat(matrix: Matrix): Float64Array {
  return Float64Array.from(matrix.to1DArray());
}
