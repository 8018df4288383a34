import { costRow, prepareProblem, type TransportProblem } from './problem';

/** How far the textbook loop got. */
export interface TextbookRun {
  /** First iteration with a number that is not finite; undefined when all went well. */
  brokenAt?: number;
  /** Shares of the rows and columns of exp(-C / epsilon) that are zero everywhere in float32. */
  deadRows: number;
  deadColumns: number;
  /** [n, m] plan after the iterations; holds NaN when broken. */
  plan: Float32Array;
}

/**
 * Sinkhorn as it stands in textbooks, u = a / (K v), v = b / (K^T u) with K = exp(-C / epsilon), every number rounded to
 * float32: kept to show where it breaks, and for nothing else.
 */
export function textbookScaling(given: TransportProblem, epsilon: number, iterations: number): TextbookRun {
  const problem = prepareProblem(given);
  const { n, m, a, b } = problem;
  const kernel = new Float32Array(n * m);
  const row = new Float64Array(m);
  for (let i = 0; i < n; i++) {
    costRow(problem, i, row);
    for (let j = 0; j < m; j++) kernel[i * m + j] = Math.exp(-row[j] / epsilon);
  }
  const u = new Float32Array(n).fill(1);
  const v = new Float32Array(m).fill(1);
  let brokenAt: number | undefined;
  for (let iteration = 1; iteration <= iterations; iteration++) {
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < m; j++) sum = Math.fround(sum + Math.fround(kernel[i * m + j] * v[j]));
      u[i] = a[i] / sum;
    }
    for (let j = 0; j < m; j++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum = Math.fround(sum + Math.fround(kernel[i * m + j] * u[i]));
      v[j] = b[j] / sum;
    }
    if (brokenAt === undefined && !(u.every(Number.isFinite) && v.every(Number.isFinite))) brokenAt = iteration;
  }
  const isDeadRow = (i: number) => kernel.subarray(i * m, (i + 1) * m).every((k) => k === 0);
  const isDeadColumn = (j: number) => Array.from({ length: n }, (_, i) => kernel[i * m + j]).every((k) => k === 0);
  const share = (count: number, dead: (index: number) => boolean) =>
    Array.from({ length: count }, (_, index) => dead(index)).filter(Boolean).length / count;
  return {
    brokenAt,
    deadRows: share(n, isDeadRow),
    deadColumns: share(m, isDeadColumn),
    plan: kernel.map((k, at) => u[Math.floor(at / m)] * k * v[at % m]),
  };
}
