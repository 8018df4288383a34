import { InvalidInputError } from '../runtime/errors';
import type { KernelModules } from './engine/kernel-modules';
import { Workspace } from './engine/workspace';
import { finiteNumbers, type NumberArray, type Numbers } from './numbers';
import { costRow, type PreparedProblem } from './problem';

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
 * Row sums [n] of P and P V [n, width] for row-major values V [m, width], row by row in float64, P never stored. With
 * `unitRows` every r_i counts as 1: quotients of the two then exist for rows without mass too.
 */
export function applyPlan(
  parts: PlanParts,
  values: NumberArray,
  width: number,
  unitRows = false,
): { rowSums: Float64Array; product: Float64Array } {
  const { n, m } = parts.problem;
  const [r, q] = parts.references;
  const product = new Float64Array(n * width);
  const rowSums = new Float64Array(n);
  forEachPlanRow(unitRows ? { ...parts, references: [r.map(() => 1), q] } : parts, (i, row) => {
    const at = i * width;
    for (let j = 0; j < m; j++) {
      const p = row[j];
      if (p === 0) continue;
      rowSums[i] += p;
      for (let k = 0, from = j * width; k < width; k++) product[at + k] += p * values[from + k];
    }
  });
  return { rowSums, product };
}

/** The same by the kernels: the plan is built again in float32 from the float64 potentials (4 n m bytes for the time of the call). */
export function applyPlanFloat32(
  parts: PlanParts,
  values: NumberArray,
  width: number,
  unitRows: boolean,
  modules: KernelModules,
  threads: number,
): { rowSums: Float64Array; product: Float64Array } {
  const { problem, f, g, epsilon, references } = parts;
  const { n, m } = problem;
  const [r, q] = references;
  // One more column, of ones, gives the row sums; the width is padded to whole SIMD blocks.
  const padded = Math.ceil((width + 1) / 8) * 8;
  const space = new Workspace(problem, modules, threads, padded);
  try {
    space.build(problem, epsilon, g, f, false);
    const { pointer, stride } = space;
    const weighted = space.floats(pointer.values, stride * padded).fill(0);
    for (let j = 0; j < m; j++) {
      if (q[j] === 0) continue;
      for (let k = 0; k < width; k++) weighted[j * padded + k] = q[j] * values[j * width + k];
      weighted[j * padded + width] = q[j];
    }
    space.parallel('applyRows', (t) => [
      ...[pointer.matrix, stride, space.shareStart(t), space.shareStart(t + 1), pointer.values, padded, pointer.out],
    ]);
    const out = space.floats(pointer.out, n * padded);
    const product = new Float64Array(n * width);
    const rowSums = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const weight = unitRows ? 1 : r[i];
      for (let k = 0; k < width; k++) product[i * width + k] = weight === 0 ? 0 : weight * out[i * padded + k];
      rowSums[i] = weight === 0 ? 0 : weight * out[i * padded + width];
    }
    return { rowSums, product };
  } finally {
    space.release();
  }
}

/**
 * Values [m, width] as `applyPlan` takes them.
 * @throws InvalidInputError unless they are finite numbers, `width` for each target point.
 */
export function valuesToApply({ m }: PreparedProblem, given: Numbers, width: number): NumberArray {
  const values = finiteNumbers('Values to transport', given);
  if (Number.isInteger(width) && width >= 1 && values.length === m * width) return values;
  throw new InvalidInputError('Values to transport', {
    given: `${values.length} numbers with width = ${width}`,
    expected: `target points x width = ${m} x ${width}`,
    remedy: 'Pass one row of values for each target point, row-major.',
  });
}
