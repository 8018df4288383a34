import { InvalidInputError } from '../runtime/errors';
import { costRow, type NumberArray, type PreparedProblem } from './problem';

/** What a plan is made of: potentials, their references and the costs. */
export interface PlanParts {
  problem: PreparedProblem;
  f: Float64Array;
  g: Float64Array;
  epsilon: number;
  references: [Float64Array, Float64Array];
}

/** Sums over all entries of a plan. */
export interface PlanSums {
  mass: number;
  cost: number;
  entropy: number;
  source: Float64Array;
  target: Float64Array;
}

/** Calls `visit` with each row of the plan and of the cost, in float64; the arrays are reused from row to row. */
export function forEachPlanRow(
  { problem, f, g, epsilon, references: [r, q] }: PlanParts,
  visit: (i: number, plan: Float64Array, cost: Float64Array) => void,
): void {
  const { n, m } = problem;
  const cost = new Float64Array(m);
  const plan = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    costRow(problem, i, cost);
    for (let j = 0; j < m; j++) {
      const weight = r[i] * q[j];
      plan[j] = weight === 0 ? 0 : weight * Math.exp((f[i] + g[j] - cost[j]) / epsilon);
    }
    visit(i, plan, cost);
  }
}

/** The plan [n, m], row-major. */
export function planEntries(parts: PlanParts): Float64Array {
  const { n, m } = parts.problem;
  const out = new Float64Array(n * m);
  forEachPlanRow(parts, (i, row) => out.set(row, i * m));
  return out;
}

/** Mass, transport cost, entropy and both marginals in one pass. */
export function planSums(parts: PlanParts): PlanSums {
  const { n, m } = parts.problem;
  const sums: PlanSums = { mass: 0, cost: 0, entropy: 0, source: new Float64Array(n), target: new Float64Array(m) };
  forEachPlanRow(parts, (i, row, cost) => {
    let rowMass = 0;
    for (let j = 0; j < m; j++) {
      const p = row[j];
      if (p === 0) continue;
      rowMass += p;
      sums.cost += p * cost[j];
      sums.entropy += p * Math.log(p);
      sums.target[j] += p;
    }
    sums.source[i] = rowMass;
    sums.mass += rowMass;
  });
  return sums;
}

/**
 * P V for row-major values V [m, width]: [n, width], row by row, P never stored.
 * @throws InvalidInputError when the values do not have m rows.
 */
export function applyPlan(parts: PlanParts, values: NumberArray, width: number): Float64Array {
  const { n, m } = parts.problem;
  if (values.length !== m * width || width < 1) {
    throw new InvalidInputError('Values to transport', {
      given: `${values.length} numbers with width = ${width}`,
      expected: `target points x width = ${m} x ${width}`,
      remedy: 'Pass one row of values for each target point, row-major.',
    });
  }
  const out = new Float64Array(n * width);
  forEachPlanRow(parts, (i, row) => {
    const at = i * width;
    for (let j = 0; j < m; j++) {
      const p = row[j];
      if (p === 0) continue;
      for (let k = 0, from = j * width; k < width; k++) out[at + k] += p * values[from + k];
    }
  });
  return out;
}
