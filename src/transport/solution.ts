import type { Settings } from './options';
import type { PreparedProblem } from './problem';

/** How a solve ended. */
export type Status = 'converged' | 'max-iterations' | 'precision-limit' | 'underflow' | 'unequal-mass';

/** One measurement of the source marginal: relative L1 error just before iteration `iteration` repaired it. */
export interface MarginalCheck {
  iteration: number;
  epsilon: number;
  error: number;
}

/** What an engine returns: potentials of P_ij = r_i q_j exp((f_i + g_j - C_ij) / epsilon). */
export interface Solution {
  f: Float64Array;
  g: Float64Array;
  iterations: number;
  checks: MarginalCheck[];
  status: Status;
  /** What ran, e.g. `float32 kernel scaling (relaxed SIMD)`. */
  method: string;
  /** How often a scaling that grew too large was absorbed into each potential (never in the log domain). */
  absorptions: { source: number; target: number };
  /** Milliseconds spent on the matrix of costs or kernel values (all builds together), and on everything else. */
  timings: { setup: number; iterations: number };
}

/** An engine solves a validated problem with resolved settings. */
export type Engine = (problem: PreparedProblem, settings: Settings) => Solution;

/**
 * Reference measures r, q of the entropy, and the damping that an inexact marginal brings: with potentials relative to r,
 * f_i = damping ((log(a_i / r_i)) epsilon - epsilon log sum_j q_j exp((g_j - C_ij) / epsilon)).
 */
export interface Side {
  /** Reference masses; 0 where the point has no mass. */
  reference: Float64Array;
  /** log(mass / reference), 0 where the point has no mass. */
  logRatio: Float64Array;
  /** rho / (rho + epsilon); 1 when balanced. */
  damping: number;
}

/** The two sides of a problem under given settings and epsilon. */
export function sides({ a, b }: PreparedProblem, { rho, reference }: Settings, epsilon: number): [Side, Side] {
  return [side(a, rho[0], reference, epsilon), side(b, rho[1], reference, epsilon)];
}

function side(mass: Float64Array, rho: number, reference: 'product' | 'entropy', epsilon: number): Side {
  const damping = rho === Infinity ? 1 : rho / (rho + epsilon);
  if (reference === 'product') return { reference: mass, logRatio: new Float64Array(mass.length), damping };
  return {
    reference: mass.map((weight) => (weight > 0 ? 1 : 0)),
    logRatio: mass.map((weight) => (weight > 0 ? Math.log(weight) : 0)),
    damping,
  };
}
