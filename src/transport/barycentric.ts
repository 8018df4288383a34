import { applyPlan, type PlanParts } from './plan';
import type { NumberArray } from './problem';
import type { SinkhornResult } from './result';

/**
 * Barycentric projection of a plan: T(x_i) = sum_j P_ij y_j / sum_j P_ij, the average target that source point i is sent to.
 * @param targets [m, width] row-major values of the target points (any values, not only their positions).
 * @returns [n, width]. A source point without mass gets the average that its potential gives it, the limit of small mass.
 * @throws InvalidInputError when the targets do not have one row for each target point.
 */
export function barycentricProjection(result: SinkhornResult, targets: NumberArray, width?: number): Float64Array {
  const { problem, f, g, epsilon, references } = result;
  const { n, m } = problem;
  const columns = width ?? targets.length / m;
  // The row factor r_i cancels in the quotient; with r = 1 rows without mass are served too.
  const parts: PlanParts = { problem, f, g, epsilon, references: [new Float64Array(n).fill(1), references[1]] };
  const rowSums = applyPlan(parts, new Float64Array(m).fill(1), 1);
  const out = applyPlan(parts, targets, columns);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < columns; k++) out[i * columns + k] /= rowSums[i];
  }
  return out;
}
