import { key, normal } from '../../src/runtime/random';
import {
  divergenceGradient,
  exactTransport,
  gaussianDistance,
  gaussianOfPoints,
  jkoStep,
  sinkhorn,
  sinkhornDivergence,
} from '../../src/transport/core';

/** What a case gives: numbers to compare, and what ran. */
export interface Outcome {
  values: number[];
  ran: string;
}

const cloud = (seed: number, count: number, dimension: number, shift = 0) =>
  Float32Array.from(normal(key(seed), count * dimension), (x) => x + shift);

/** The same problems in Node and in a browser; `large` adds one of a size for which Node takes a second thread. */
export function run(large: boolean): Record<string, Outcome> {
  const problem = { x: cloud(1, 60, 3), y: cloud(2, 50, 3, 0.4), dimension: 3 };
  const masked = {
    ...problem,
    sourceWeights: Float64Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 0 : 1 / 51)),
    targetMask: Uint8Array.from({ length: 50 }, (_, j) => (j % 5 === 0 ? 0 : 1)),
  };
  const far = { x: cloud(5, 64, 4), y: cloud(6, 64, 4, 20), dimension: 4 };
  const solves = {
    scaling: sinkhorn(problem),
    'log domain': sinkhorn(problem, { method: 'log' }),
    'fall-back': sinkhorn(far, { epsilon: { value: 1e-3, relativeTo: 'mean' }, maxIterations: 80 }),
    annealed: sinkhorn(problem, { epsilon: { value: 0.01, relativeTo: 'mean', anneal: {} } }),
    masked: sinkhorn(masked, { maxIterations: 100 }),
    unbalanced: sinkhorn(problem, { unbalanced: { penalty: 1, reference: 'entropy' } }),
    oracle: sinkhorn(problem, { engine: 'float64', maxIterations: 50, tolerance: 0 }),
  };
  const outcomes: Record<string, Outcome> = {};
  for (const [name, { f, g, cost, method }] of Object.entries(solves)) {
    outcomes[name] = { values: [...f, ...g, cost], ran: method };
  }
  if (large) {
    const problem = { x: cloud(3, 2100, 2), y: cloud(4, 2050, 2, 0.5), dimension: 2 };
    const { f, g, method } = sinkhorn(problem, { maxIterations: 3, tolerance: 0 });
    outcomes.large = { values: [...f, ...g], ran: method };
  }
  const divergence = sinkhornDivergence(problem);
  outcomes.divergence = {
    values: [divergence.value, ...divergenceGradient(divergence)],
    ran: divergence.between.method,
  };
  const step = jkoStep(problem, { eta: 0.4, debiased: true });
  outcomes.step = { values: [...step.points, step.energies.total], ran: step.coupling.method };
  const laws = [gaussianOfPoints(problem.x, 3), gaussianOfPoints(problem.y, 3)] as const;
  outcomes.closed = { values: [gaussianDistance(...laws).squared, exactTransport(problem).cost], ran: 'float64' };
  return outcomes;
}
