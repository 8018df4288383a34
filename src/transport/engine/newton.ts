import type { PreparedProblem } from '../problem';
import type { Side } from '../solution';

/** Points on both sides together up to which the oracle finishes slow problems by Newton steps (a dense system per step). */
export const NEWTON_POINTS = 512;

/**
 * One damped Newton step on the dual of a balanced problem, in place: alternate scaling crawls where a plan is nearly
 * disconnected, Newton's method does not (Brauer et al. 2017). All weights must be positive.
 * @returns whether the marginal error fell; if not, f and g are as before.
 */
export function newtonStep(
  cost: Float64Array,
  { n, m, a, b }: PreparedProblem,
  [{ reference: r }, { reference: q }]: [Side, Side],
  f: Float64Array,
  g: Float64Array,
  epsilon: number,
): boolean {
  const plan = new Float64Array(n * m);
  const rows = new Float64Array(n);
  const columns = new Float64Array(m);
  const error = (fs: Float64Array, gs: Float64Array) => {
    rows.fill(0);
    columns.fill(0);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++) {
        const p = r[i] * q[j] * Math.exp((fs[i] + gs[j] - cost[i * m + j]) / epsilon);
        plan[i * m + j] = p;
        rows[i] += p;
        columns[j] += p;
      }
    }
    return distance(rows, a) + distance(columns, b);
  };
  const before = error(f, g);
  if (!(before < 1e-2)) return false;
  // Eliminating df leaves S dg = epsilon (b - c - P^T ((a - r) / r)) with S = diag(c) - P^T diag(1 / r) P, singular only
  // along the shift of all g, which the mean of its diagonal fixes.
  const schur = new Float64Array(m * m);
  const right = new Float64Array(m);
  for (let j = 0; j < m; j++) right[j] = b[j] - columns[j];
  for (let i = 0; i < n; i++) {
    const row = plan.subarray(i * m, (i + 1) * m);
    for (let j = 0; j < m; j++) {
      const share = row[j] / rows[i];
      right[j] -= share * (a[i] - rows[i]);
      for (let k = 0; k <= j; k++) schur[j * m + k] -= share * row[k];
    }
  }
  const fix = columns.reduce((sum, c) => sum + c, 0) / m / m;
  for (let j = 0; j < m; j++) {
    schur[j * m + j] += columns[j];
    for (let k = 0; k <= j; k++) schur[j * m + k] += fix;
  }
  if (!solveInPlace(schur, right)) return false;
  const df = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    let moved = 0;
    for (let j = 0; j < m; j++) moved += plan[i * m + j] * right[j];
    df[i] = (a[i] - rows[i] - moved) / rows[i];
  }
  for (let step = 1; step > 1e-3; step /= 2) {
    const tryF = f.map((value, i) => value + step * epsilon * df[i]);
    const tryG = g.map((value, j) => value + step * epsilon * right[j]);
    if (error(tryF, tryG) < before) {
      f.set(tryF);
      g.set(tryG);
      return true;
    }
  }
  return false;
}

/** Cholesky on the lower triangle, then both substitutions; false when the matrix is not positive definite. */
function solveInPlace(lower: Float64Array, right: Float64Array): boolean {
  const m = right.length;
  for (let j = 0; j < m; j++) {
    for (let k = 0; k <= j; k++) {
      let value = lower[j * m + k];
      for (let l = 0; l < k; l++) value -= lower[j * m + l] * lower[k * m + l];
      if (k < j) lower[j * m + k] = value / lower[k * m + k];
      else if (!(value > 0)) return false;
      else lower[j * m + j] = Math.sqrt(value);
    }
    for (let l = 0; l < j; l++) right[j] -= lower[j * m + l] * right[l];
    right[j] /= lower[j * m + j];
  }
  for (let j = m - 1; j >= 0; j--) {
    for (let l = j + 1; l < m; l++) right[j] -= lower[l * m + j] * right[l];
    right[j] /= lower[j * m + j];
  }
  return true;
}

function distance(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.abs(x[i] - y[i]);
  return sum;
}
