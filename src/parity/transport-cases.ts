import { Matrix, solve } from 'ml-matrix';
import {
  barycentricProjection,
  type DivergenceResult,
  divergenceGradient,
  kernelModules,
  type PointProblem,
  type SelfTerm,
  type SinkhornResult,
  selfTerm,
  sinkhorn,
  sinkhornDivergence,
} from '../transport';
import { exactTransport } from '../transport/exact';
import { type Comparison, TOLERANCE } from './comparison';
import type { ReferenceCase } from './reference';
import type { Runner } from './runner';

const OPTIONS = { tolerance: 1e-13, maxIterations: 4000, engine: 'float64' } as const;

interface RegularisedCase {
  reg: number;
  F: number[];
  G: number[];
  [quantity: string]: number | number[];
}

interface WeightedCase {
  a: number[] | string;
  b: number[] | string;
  exact_cost: number;
  reg: Record<string, RegularisedCase>;
}

/** Entropic and exact transport between point clouds. */
export const transportClouds: Runner = {
  family: 'optimal transport',
  matches: (given) => given.has('X') && given.has('Y') && 'weights' in given.json,
  run: (given, compare) => {
    for (const [weighting, weights] of Object.entries(given.part<Record<string, WeightedCase>>('weights'))) {
      const array = (values: number[] | string) => (typeof values === 'string' ? undefined : Float64Array.from(values));
      const problem: PointProblem = {
        x: given.values('X'),
        y: given.values('Y'),
        dimension: given.shape('X')[1],
        sourceWeights: array(weights.a),
        targetWeights: array(weights.b),
      };
      const exact = exactTransport(problem);
      compare.entries(`${weighting}: exact cost`, exact.cost, weights.exact_cost, TOLERANCE.double);
      compareStored(given, compare, `${weighting}.exact_plan`, exact.plan);
      for (const [name, expected] of Object.entries(weights.reg)) {
        compareRegularised(given, compare, `${weighting}.reg${name}`, problem, expected);
      }
    }
  },
};

function compareRegularised(
  given: ReferenceCase,
  compare: Comparison,
  label: string,
  problem: PointProblem,
  expected: RegularisedCase,
): void {
  const between = converged(problem, expected.reg);
  const { a, b } = between.problem;
  const options = { ...OPTIONS, epsilon: expected.reg };
  const source = selfTerm(problem.x, problem.dimension, a, options);
  const target = selfTerm(problem.y, problem.dimension, b, options);
  const divergence = combine(between, source, target);
  const ours: Record<string, number> = {
    transport_cost: between.cost,
    dual_value: between.dualValue,
    entropy_term: between.entropy,
    self_dual_xx: source.value,
    self_dual_yy: target.value,
    divergence_dual: divergence.value,
    divergence_cost: divergence.costValue,
  };
  for (const [name, value] of Object.entries(ours)) {
    compare.entries(`${label}: ${name}`, value, expected[name] as number, TOLERANCE.double);
  }
  // The cost of a cloud to itself may be 1e-6 of the cost between the clouds: measured against the latter.
  compare.entries(
    `${label}: self_cost_xx`,
    source.cost,
    expected.self_cost_xx as number,
    TOLERANCE.double,
    between.cost,
  );
  compare.entries(
    `${label}: self_cost_yy`,
    target.cost,
    expected.self_cost_yy as number,
    TOLERANCE.double,
    between.cost,
  );
  comparePotentials(compare, label, between, expected);
  compareStored(given, compare, `${label}.plan`, between.plan);
  compareStored(given, compare, `${label}.barycentric`, barycentricProjection(between, problem.y));
  compareStored(given, compare, `${label}.grad_divergence_dual_X`, divergenceGradient(divergence));
  compareSingle(given, compare, label, problem, expected);
}

/** The float32 kernels, where there are any, against the same reference. */
function compareSingle(
  given: ReferenceCase,
  compare: Comparison,
  label: string,
  problem: PointProblem,
  expected: RegularisedCase,
): void {
  if (!kernelModules()) return;
  const divergence = sinkhornDivergence(problem, { epsilon: expected.reg, engine: 'float32' });
  const { between } = divergence;
  const [values, entries] = between.converged
    ? [TOLERANCE.single, TOLERANCE.singleEntries]
    : [TOLERANCE.singleSlow, TOLERANCE.singleSlowEntries];
  const named = `${label}, float32`;
  compare.entries(`${named}: dual_value`, between.dualValue, expected.dual_value as number, values);
  compare.entries(`${named}: transport_cost`, between.cost, expected.transport_cost as number, values);
  compareStored(given, compare, `${label}.plan`, between.plan, entries, named);
  compareStored(given, compare, `${label}.barycentric`, barycentricProjection(between, problem.y), entries, named);
  compareStored(given, compare, `${label}.grad_divergence_dual_X`, divergenceGradient(divergence), entries, named);
}

function combine(between: SinkhornResult, source: SelfTerm, target: SelfTerm): DivergenceResult {
  return {
    value: between.dualValue - (source.value + target.value) / 2,
    costValue: between.cost - (source.cost + target.cost) / 2,
    between,
    source,
    target,
  };
}

/** Compares where the reference stores it, rounded to float32. */
function compareStored(
  given: ReferenceCase,
  compare: Comparison,
  name: string,
  values: Float64Array,
  tolerance: number = TOLERANCE.stored32,
  solver = '',
): void {
  if (given.has(name)) compare.largest(solver ? `${solver}: ${name}` : name, values, given.values(name), tolerance);
}

/** Potentials up to the common shift; where the plan is nearly disconnected they are weakly determined. */
function comparePotentials(
  compare: Comparison,
  label: string,
  result: SinkhornResult,
  expected: RegularisedCase,
): void {
  const { a, b } = result.problem;
  const mean = (weights: Float64Array, values: Float64Array) => values.reduce((sum, v, i) => sum + weights[i] * v, 0);
  const shift = (mean(b, result.g) - mean(a, result.f)) / 2;
  const ours = [...result.f.map((v) => v + shift), ...result.g.map((v) => v - shift)];
  compare.largest(`${label}: potentials`, ours, [...expected.F, ...expected.G], TOLERANCE.stored32);
}

/** A solution to the last digits: Sinkhorn, then, where it converges too slowly, Newton steps on the dual. */
function converged(problem: PointProblem, epsilon: number): SinkhornResult {
  let result = sinkhorn(problem, { ...OPTIONS, epsilon });
  for (let i = 0; i < 5 && !result.converged; i++) {
    result = sinkhorn(problem, { ...OPTIONS, maxIterations: 50, epsilon, start: newtonStep(result) });
  }
  return result;
}

/** One Newton step on the dual, the last target potential held fixed because a common shift changes nothing. */
function newtonStep({ problem, plan, marginals, epsilon, f, g }: SinkhornResult) {
  const { n, m, a, b } = problem;
  const size = n + m - 1;
  const hessian = Matrix.zeros(size, size);
  const residual = Matrix.zeros(size, 1);
  for (let i = 0; i < n; i++) {
    hessian.set(i, i, marginals.source[i]);
    residual.set(i, 0, a[i] - marginals.source[i]);
    for (let j = 0; j < m - 1; j++) {
      hessian.set(i, n + j, plan[i * m + j]);
      hessian.set(n + j, i, plan[i * m + j]);
    }
  }
  for (let j = 0; j < m - 1; j++) {
    hessian.set(n + j, n + j, marginals.target[j]);
    residual.set(n + j, 0, b[j] - marginals.target[j]);
  }
  const step = solve(hessian, residual).to1DArray();
  return {
    f: f.map((value, i) => value + epsilon * step[i]),
    g: g.map((value, j) => value + epsilon * (j < m - 1 ? step[n + j] : 0)),
  };
}
