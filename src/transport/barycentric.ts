import { finiteNumbers, type Numbers } from './numbers';
import type { SinkhornResult } from './result';

/**
 * Barycentric projection of a plan: T(x_i) = sum_j P_ij y_j / sum_j P_ij, the average target that source point i is sent to.
 * @param given [m, width] row-major values of the target points (any values, not only their positions).
 * @returns [n, width]. A source point without mass gets the average that its potential gives it, the limit of small mass.
 * @throws InvalidInputError when the targets do not have one row for each target point.
 */
export function barycentricProjection(result: SinkhornResult, given: Numbers, width?: number): Float64Array {
  const targets = finiteNumbers('Values to transport', given);
  const columns = width ?? targets.length / result.problem.m;
  // The row factor r_i cancels in the quotient; counted as 1 it serves rows without mass too.
  const { rowSums, product } = result.apply(targets, columns, true);
  for (let i = 0; i < rowSums.length; i++) {
    for (let k = 0; k < columns; k++) product[i * columns + k] /= rowSums[i];
  }
  return product;
}
