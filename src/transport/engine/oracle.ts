import type { Settings } from '../options';
import { costRow, type PreparedProblem, total } from '../problem';
import { type MarginalCheck, type Side, type Solution, type Status, sides } from '../solution';
import { NEWTON_POINTS, newtonStep } from './newton';

/** A problem that has not converged after so many rounds is tried with Newton steps, then again every so many rounds. */
const NEWTON_AFTER = 500;
const NEWTON_EVERY = 100;

/**
 * Sinkhorn in the log domain, float64, plain TypeScript: the slow truth that the kernels are tested against, and what
 * runs when more precision is asked for than float32 has. Stores the cost matrix: 8 n m bytes.
 */
export function solveFloat64(problem: PreparedProblem, settings: Settings): Solution {
  const { n, m, a, b } = problem;
  const began = performance.now();
  const cost = new Float64Array(n * m);
  for (let i = 0; i < n; i++) costRow(problem, i, cost.subarray(i * m, (i + 1) * m));
  const setup = performance.now() - began;
  const f = Float64Array.from(settings.start.f ?? new Float64Array(n));
  const g = Float64Array.from(settings.start.g ?? new Float64Array(m));
  const mass = total(a);
  const equalMass =
    settings.rho[0] !== Infinity || settings.rho[1] !== Infinity || Math.abs(mass / total(b) - 1) < 1e-6;
  const checks: MarginalCheck[] = [];
  let status: Status = 'max-iterations';
  let iterations = 0;
  let newtonSteps = 0;
  const mayFinish =
    settings.tolerance > 0 && // 0 asks for a number of plain iterations
    settings.rho[0] === Infinity &&
    settings.rho[1] === Infinity &&
    equalMass &&
    !settings.symmetric &&
    n + m <= NEWTON_POINTS &&
    a.every((weight) => weight > 0) &&
    b.every((weight) => weight > 0);
  for (const epsilon of settings.epsilons) {
    const last = epsilon === settings.epsilons[settings.epsilons.length - 1];
    const tolerance = last ? settings.tolerance : Math.max(settings.tolerance, 1e-2);
    const [rows, columns] = sides(problem, settings, epsilon);
    for (let round = 0; iterations < settings.maxIterations; round++) {
      const before = settings.symmetric ? f.slice() : f;
      const error = updateRows(cost, f, g, a, rows, columns, epsilon) / mass;
      if (settings.symmetric) {
        for (let i = 0; i < n; i++) g[i] = f[i] = (f[i] + before[i]) / 2;
      } else {
        updateColumns(cost, f, g, rows, columns, epsilon);
      }
      iterations++;
      if (mayFinish && last && round >= NEWTON_AFTER && round % NEWTON_EVERY === 0) {
        for (let step = 0; step < 20 && newtonStep(cost, problem, [rows, columns], f, g, epsilon); step++)
          newtonSteps++;
      }
      // The very first error compares with arbitrary starting potentials: meaningful only once g has been updated.
      if (round > 0 || settings.start.g) checks.push({ iteration: iterations, epsilon, error });
      if (round > 0 && error <= tolerance) {
        if (last) status = 'converged';
        break;
      }
    }
  }
  if (!equalMass) status = 'unequal-mass';
  const timings = { setup, iterations: performance.now() - began - setup };
  return {
    f,
    g,
    iterations,
    checks,
    status,
    method: newtonSteps > 0 ? `float64 log domain + ${newtonSteps} Newton steps` : 'float64 log domain',
    absorptions: { source: 0, target: 0 },
    timings,
  };
}

/** f_i from all g_j; returns sum_i a_i |exp((f_old - f_new) / epsilon) - 1|, the L1 error of the old source marginal. */
function updateRows(
  cost: Float64Array,
  f: Float64Array,
  g: Float64Array,
  a: Float64Array,
  rows: Side,
  columns: Side,
  epsilon: number,
): number {
  const m = g.length;
  let error = 0;
  for (let i = 0; i < f.length; i++) {
    const offset = i * m;
    let largest = -Infinity;
    for (let j = 0; j < m; j++) {
      if (columns.reference[j] > 0) largest = Math.max(largest, g[j] - cost[offset + j]);
    }
    let total = 0;
    for (let j = 0; j < m; j++) {
      total += columns.reference[j] * Math.exp((g[j] - cost[offset + j] - largest) / epsilon);
    }
    const soft = largest + epsilon * Math.log(total);
    const updated = rows.damping * (epsilon * rows.logRatio[i] - soft);
    if (a[i] > 0) error += a[i] * Math.abs(Math.expm1(Math.min(700, (f[i] - updated) / epsilon)));
    f[i] = updated;
  }
  return error;
}

function updateColumns(
  cost: Float64Array,
  f: Float64Array,
  g: Float64Array,
  rows: Side,
  columns: Side,
  epsilon: number,
): void {
  const m = g.length;
  const largest = new Float64Array(m).fill(-Infinity);
  for (let i = 0; i < f.length; i++) {
    if (rows.reference[i] === 0) continue;
    for (let j = 0, at = i * m; j < m; j++, at++) {
      const value = f[i] - cost[at];
      if (value > largest[j]) largest[j] = value;
    }
  }
  const total = new Float64Array(m);
  for (let i = 0; i < f.length; i++) {
    const weight = rows.reference[i];
    if (weight === 0) continue;
    for (let j = 0, at = i * m; j < m; j++, at++) {
      total[j] += weight * Math.exp((f[i] - cost[at] - largest[j]) / epsilon);
    }
  }
  for (let j = 0; j < m; j++) {
    g[j] = columns.damping * (epsilon * columns.logRatio[j] - largest[j] - epsilon * Math.log(total[j]));
  }
}
