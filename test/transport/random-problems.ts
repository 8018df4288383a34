import * as fc from 'fast-check';
import { key, normal, uniform } from '../../src/runtime/random';
import type { SinkhornOptions } from '../../src/transport';
import type { TransportProblem } from '../../src/transport/problem';
import { cloud } from './clouds';

export interface RandomSolve {
  problem: TransportProblem;
  options: SinkhornOptions;
}

const side = fc.record({
  count: fc.oneof(fc.constantFrom(1, 2, 7, 8), fc.integer({ min: 1, max: 40 })),
  weights: fc.constantFrom('uniform', 'uniform', 'random', 'some zero'),
  mask: fc.boolean(),
});

/**
 * Problems and options of every kind: points, a cloud against itself, cost matrices; weights, zeros and masks; balanced and
 * unbalanced on either side; relative and annealed epsilons; every method.
 */
export const randomSolves: fc.Arbitrary<RandomSolve> = fc
  .record({
    seed: fc.integer({ min: 0, max: 1e6 }),
    source: side,
    target: side,
    dimension: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(64, 67)),
    kind: fc.constantFrom('points', 'points', 'float64', 'itself', 'matrix', 'euclidean'),
    value: fc.constantFrom(0.02, 0.1, 0.5, 2),
    anneal: fc.boolean(),
    penalty: fc.constantFrom<'none' | number | { source: number; target: number }>(
      ...(['none', 'none', 'none', 0.3, 5, 1e9, Infinity] as const),
      ...[
        { source: Infinity, target: 1 },
        { source: 0.5, target: Infinity },
        { source: 0.5, target: 4 },
      ],
    ),
    reference: fc.constantFrom<'product' | 'entropy'>('product', 'entropy'),
    mass: fc.constantFrom(1, 1, 0.4, 2.5),
    method: fc.constantFrom<'auto' | 'scaling' | 'log'>('auto', 'auto', 'scaling', 'log'),
  })
  .map(({ seed, source, target, dimension, kind, value, anneal, penalty, reference, mass, method }) => {
    const n = source.count;
    const m = kind === 'itself' ? n : target.count;
    const x = cloud(seed, n, dimension);
    const y = kind === 'itself' ? x : cloud(seed + 1, m, dimension, 0.5);
    // Only a penalised side can differ in mass from the other.
    const exact = penalty === 'none' || penalty === Infinity;
    const masses = {
      ...marginal('source', exact || kind === 'itself' ? source : { ...source, mass }, n, seed + 2),
      ...marginal('target', kind === 'itself' ? source : target, m, kind === 'itself' ? seed + 2 : seed + 3),
    };
    const problems: Record<string, TransportProblem> = {
      float64: { x: Float64Array.from(x), y: Float64Array.from(y), dimension },
      matrix: { cost: uniform(key(seed), n * m, -1, 4), rows: n, columns: m },
      euclidean: { x, y, dimension, metric: 'euclidean' },
    };
    return {
      problem: { ...(problems[kind] ?? { x, y, dimension }), ...masses },
      options: {
        epsilon: { value, relativeTo: 'mean' as const, ...(anneal ? { anneal: {} } : {}) },
        method,
        ...(penalty === 'none' ? {} : { unbalanced: { penalty, reference } }),
      },
    };
  });

/** Weights of total mass one or `mass`, and a mask; the first point always keeps its mass. */
function marginal(
  name: 'source' | 'target',
  { weights, mask, mass = 1 }: { weights: string; mask: boolean; mass?: number },
  count: number,
  seed: number,
) {
  const draws = normal(key(seed), count).map((z, i) =>
    weights === 'some zero' && i % 3 === 2 ? 0 : 0.2 + Math.abs(z),
  );
  const keep = Uint8Array.from({ length: count }, (_, i) => (mask && i % 4 === 3 ? 0 : 1));
  const total = draws.reduce((sum, w, i) => sum + (keep[i] ? w : 0), 0);
  return {
    ...(weights === 'uniform' && mass === 1 ? {} : { [`${name}Weights`]: draws.map((w) => (mass * w) / total) }),
    ...(mask ? { [`${name}Mask`]: keep } : {}),
  };
}
