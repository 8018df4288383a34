import { foldIn, key, normal } from '../runtime/random';
import { sinkhorn } from '../transport/core';
import { type ClaimOptions, type ClaimResult, claimResult } from './claim';
import { bumps } from './gradient-flow';

/**
 * The Sinkhorn step: alternate scaling contracts in Hilbert's projective metric by at least tanh(Delta / 4)^2 per iteration
 * (Franklin and Lorenz 1989), Delta being the diameter of the kernel exp(-C / epsilon).
 */
export function checkSinkhorn({ seed = 0 }: ClaimOptions = {}): ClaimResult {
  const source = foldIn(key(seed), 'sinkhorn');
  const n = 24;
  const x = normal(foldIn(source, 'x'), 2 * n);
  const y = bumps(foldIn(source, 'y'), n, 3, 1);
  const epsilon = 6;
  const solve = (maxIterations: number, tolerance = 0) =>
    sinkhorn({ x, y, dimension: 2 }, { epsilon, maxIterations, tolerance, engine: 'float64' });
  const limit = solve(3000);
  const oscillation = (f: Float64Array) => {
    const difference = f.map((value, i) => (value - limit.f[i]) / epsilon);
    return difference.reduce((a, b) => Math.max(a, b)) - difference.reduce((a, b) => Math.min(a, b));
  };
  const errors = Float64Array.from({ length: 6 }, (_, k) => oscillation(solve(k + 1).f));
  const ratios = Array.from(errors.subarray(1), (error, k) => error / errors[k]);
  const bound = Math.tanh(projectiveDiameter(x, y, n, epsilon) / 4) ** 2;
  return claimResult({
    id: 'sinkhorn',
    measured: Math.max(...ratios),
    expected: { relation: '<=', value: bound },
    detail:
      `Largest ratio of successive errors of the potentials (Hilbert's metric) over 6 iterations on ${n} x ${n} points, ` +
      `epsilon = ${epsilon}; the last ratio is ${ratios[ratios.length - 1].toFixed(4)}. The plan's marginals are off by ${limit.marginalError.toExponential(1)} in the end.`,
  });
}

/** Delta: the largest log cross-ratio of the kernel exp(-|x_i - y_j|^2 / epsilon). */
function projectiveDiameter(x: Float64Array, y: Float64Array, n: number, epsilon: number): number {
  let diameter = 0;
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      let low = Infinity;
      let high = -Infinity;
      for (let j = 0; j < n; j++) {
        const cost = (row: number) => (x[2 * row] - y[2 * j]) ** 2 + (x[2 * row + 1] - y[2 * j + 1]) ** 2;
        const difference = (cost(i) - cost(k)) / epsilon;
        low = Math.min(low, difference);
        high = Math.max(high, difference);
      }
      diameter = Math.max(diameter, high - low);
    }
  }
  return diameter;
}
