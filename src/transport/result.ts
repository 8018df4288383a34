import { kernelModules } from './engine/kernel-modules';
import type { Numbers } from './numbers';
import type { Settings } from './options';
import { applyPlan, applyPlanFloat32, type PlanSums, planEntries, planSums, valuesToApply } from './plan';
import { type PreparedProblem, total } from './problem';
import { type MarginalCheck, type Solution, type Status, sides } from './solution';

const REMEDIES: Record<Status, string> = {
  converged: '',
  'max-iterations':
    'Raise maxIterations, raise epsilon, or anneal it: epsilon: { value, relativeTo, anneal: {} }. Warm start with start: { f, g }.',
  'precision-limit':
    "The marginal error stopped falling at the rounding of float32. Accept it, or ask for engine: 'float64'.",
  underflow:
    "Scaling left the range of float32. Use method: 'auto' or 'log', or anneal epsilon: epsilon: { value, relativeTo, anneal: {} }.",
  'unequal-mass':
    'The two sides have different total mass, so no plan meets both marginals. Normalise the weights, or pass unbalanced: { penalty }.',
};

/**
 * The answer of a Sinkhorn solve. Potentials are at hand; what costs a pass over all pairs (cost, mass, entropy, plan)
 * is computed in float64 when first asked for and then kept.
 *
 * Convention: P_ij = r_i q_j exp((f_i + g_j - C_ij) / epsilon), with r = a and q = b unless the problem is unbalanced
 * with `reference: 'entropy'` (then r = q = 1). In balanced problems the b-weighted mean of g is zero.
 */
export class SinkhornResult {
  /** [n] source potential, finite, in the cost's unit. */
  readonly f: Float64Array;
  /** [m] target potential, finite, in the cost's unit. */
  readonly g: Float64Array;
  /** Regularisation in effect, in the cost's unit. */
  readonly epsilon: number;
  readonly iterations: number;
  /** Marginal error at each check. */
  readonly checks: MarginalCheck[];
  readonly status: Status;
  /** What to do when `status` is not `converged`, in words; empty when it is. */
  readonly remedy: string;
  /** What ran, e.g. `float64 log domain`. */
  readonly method: string;
  /** How often scalings were absorbed into the source and the target potential. */
  readonly absorptions: Solution['absorptions'];
  /** Milliseconds for the matrix and for everything else. */
  readonly timings: Solution['timings'];
  private sums?: PlanSums;
  private entries?: Float64Array;

  constructor(
    readonly problem: PreparedProblem,
    readonly settings: Settings,
    solution: Solution,
  ) {
    this.epsilon = settings.epsilons[settings.epsilons.length - 1];
    const balanced = settings.rho[0] === Infinity && settings.rho[1] === Infinity;
    const shift = balanced ? weightedMean(problem.b, solution.g) : 0;
    this.f = solution.f.map((value) => value + shift);
    this.g = solution.g.map((value) => value - shift);
    this.iterations = solution.iterations;
    this.checks = solution.checks;
    this.status = solution.status;
    this.remedy = REMEDIES[solution.status];
    this.method = solution.method;
    this.absorptions = solution.absorptions;
    this.timings = solution.timings;
  }

  get converged(): boolean {
    return this.status === 'converged';
  }

  /** The last measured relative L1 error of the source marginal (the target marginal is met exactly); Infinity if never measured. */
  get marginalError(): number {
    return this.checks.length ? this.checks[this.checks.length - 1].error : Infinity;
  }

  /**
   * Value of the dual problem, at convergence that of <P, C> + epsilon KL(P | a b^T), or of the objective that
   * `Unbalanced.reference` names, with the penalties of its marginals. For balanced measures of mass one it is <a, f> + <b, g>.
   */
  get dualValue(): number {
    const { a, b } = this.problem;
    const { rho, reference } = this.settings;
    const referenceMass = reference === 'product' ? total(a) * total(b) : 0;
    // An exact marginal fixes the mass of the plan: no pass over all pairs is needed.
    const mass = rho[1] === Infinity ? total(b) : rho[0] === Infinity ? total(a) : this.mass;
    return (
      dualOfMarginal(a, this.f, rho[0]) + dualOfMarginal(b, this.g, rho[1]) - this.epsilon * (mass - referenceMass)
    );
  }

  /** <P, C>, the transport cost without the entropy. */
  get cost(): number {
    return this.planSums.cost;
  }

  /** Total mass of the plan. */
  get mass(): number {
    return this.planSums.mass;
  }

  /** sum P log P (0 log 0 = 0). */
  get entropy(): number {
    return this.planSums.entropy;
  }

  /** Row sums [n] and column sums [m] of the plan, recomputed from the potentials. */
  get marginals(): { source: Float64Array; target: Float64Array } {
    return { source: this.planSums.source, target: this.planSums.target };
  }

  /** The plan P [n, m], row-major, in float64: 8 n m bytes, kept once asked for. */
  get plan(): Float64Array {
    this.entries ??= planEntries(this);
    return this.entries;
  }

  /**
   * P V [n, width] for row-major values V [m, width], and the row sums [n] of P, without keeping P; by the kernels (float32)
   * when they solved the problem. With `unitRows` every r_i counts as 1, so that rows without mass have a quotient too.
   * @throws InvalidInputError unless the values are finite numbers, `width` for each target point.
   */
  apply(given: Numbers, width: number, unitRows = false): { rowSums: Float64Array; product: Float64Array } {
    const values = valuesToApply(this.problem, given, width);
    const modules = this.method.startsWith('float32') ? kernelModules() : undefined;
    return modules
      ? applyPlanFloat32(this, values, width, unitRows, modules, this.settings.threads)
      : applyPlan(this, values, width, unitRows);
  }

  /** Reference masses r [n] and q [m] of the convention above. */
  get references(): [Float64Array, Float64Array] {
    const [rows, columns] = sides(this.problem, this.settings, this.epsilon);
    return [rows.reference, columns.reference];
  }

  private get planSums(): PlanSums {
    this.sums ??= planSums(this);
    return this.sums;
  }
}

function dualOfMarginal(mass: Float64Array, potential: Float64Array, rho: number): number {
  let value = 0;
  for (let i = 0; i < mass.length; i++) {
    if (mass[i] > 0) value += mass[i] * (rho === Infinity ? potential[i] : -rho * Math.expm1(-potential[i] / rho));
  }
  return value;
}

function weightedMean(weights: Float64Array, values: Float64Array): number {
  let value = 0;
  for (let i = 0; i < weights.length; i++) value += weights[i] * values[i];
  return value / total(weights);
}
