import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { densityCoverage, expectedCoverage } from '../../src/metrics/density-coverage';
import type { Features } from '../../src/metrics/features';
import { foldIn, key, normal } from '../../src/runtime/random';

const cloud = (seed: number, count: number, dimension: number, shift = 0): Features => ({
  data: normal(foldIn(key(seed), count), count * dimension).map((x) => x + shift),
  count,
  dimension,
});

/** The definition word by word: sort all distances of a real row to the other real rows, take the k-th, count. */
function byDefinition(real: Features, fake: Features, k: number) {
  const at = ({ data, dimension }: Features, i: number) => [...data.subarray(i * dimension, (i + 1) * dimension)];
  const distance = (a: number[], b: number[]) => Math.hypot(...a.map((x, j) => x - b[j]));
  const rows = (x: Features) => Array.from({ length: x.count }, (_, i) => at(x, i));
  const balls = rows(real).map((own, i, all) => ({
    own,
    radius: all
      .filter((_, j) => j !== i)
      .map((other) => distance(own, other))
      .sort((a, b) => a - b)[k - 1],
  }));
  const inside = rows(fake).map((y) => balls.map(({ own, radius }) => distance(own, y) <= radius));
  return {
    density: inside.flat().filter(Boolean).length / (k * fake.count),
    coverage: balls.filter((_, i) => inside.some((row) => row[i])).length / real.count,
  };
}

describe('metrics/density-coverage', () => {
  it('is the definition word by word', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 20 }),
        fc.integer({ min: 4, max: 20 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 0, max: 1000 }),
        (n, m, k, seed) => {
          const [real, fake] = [cloud(seed, n, 3), cloud(seed + 5000, m, 3, 0.4)];
          const { density, coverage } = densityCoverage(real, fake, k);
          // counts over counts: equal but for the order of one division
          const expected = byDefinition(real, fake, k);
          assert.ok(Math.abs(density - expected.density) < 1e-12);
          assert.ok(Math.abs(coverage - expected.coverage) < 1e-12);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('has the means of the closed form when both laws are the same: density 1, coverage as attainable', () => {
    const [n, m, k, runs] = [30, 40, 3, 300];
    const draws = Array.from({ length: runs }, (_, run) =>
      densityCoverage(cloud(10_000 + run, n, 2), cloud(20_000 + run, m, 2), k),
    );
    for (const [name, expected] of [
      ['density', 1],
      ['coverage', expectedCoverage(n, m, k)],
    ] as const) {
      const values = draws.map((draw) => draw[name]);
      const mean = values.reduce((sum, x) => sum + x, 0) / runs;
      const error = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (runs - 1) / runs);
      assert.ok(Math.abs(mean - expected) < 4 * error, `${name}: ${mean} ± ${error}, expected ${expected}`);
    }
  });

  it('the attainable coverage for one neighbour is M / (M + N - 1), and refuses impossible counts', () => {
    // 1 - (N-1)/(M+N-1); two roundings
    assert.ok(Math.abs(expectedCoverage(10, 5, 1) - 5 / 14) < 1e-15);
    assert.ok(expectedCoverage(1000, 1000, 5) > 0.96);
    assert.throws(() => expectedCoverage(5, 5, 5), /k = 5/);
  });
});
