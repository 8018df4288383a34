import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import {
  barycentricProjection,
  releaseKernelMemory,
  retainedKernelBytes,
  type SinkhornOptions,
  type SinkhornResult,
  sinkhorn,
} from '../../src/transport';
import { kernelsFromFiles, startThreads } from '../../src/transport/engine/kernel-files';
import { kernelModules, loadKernels, provideKernels } from '../../src/transport/engine/kernel-modules';
import { planSums } from '../../src/transport/plan';
import type { TransportProblem } from '../../src/transport/problem';
import { cloud, largest, largestDifference } from './clouds';

const mean = (value: number) => ({ value, relativeTo: 'mean' }) as const;

/** Largest plan error relative to the largest entry, against the float64 oracle after the same number of iterations. */
function planError(problem: TransportProblem, options: SinkhornOptions): { error: number; result: SinkhornResult } {
  const result = sinkhorn(problem, { ...options, engine: 'float32' });
  const truth = sinkhorn(problem, { ...options, engine: 'float64', tolerance: 0, maxIterations: result.iterations });
  return { error: largestDifference(result.plan, truth.plan) / largest(truth.plan), result };
}

const finite = (result: SinkhornResult) =>
  [result.f, result.g].every((p) => p.every(Number.isFinite)) &&
  [result.cost, result.dualValue, result.mass, result.entropy].every(Number.isFinite);

describe('transport kernels against the float64 oracle', () => {
  before(function () {
    if (!kernelModules()) {
      console.log('skipped: no compiled kernels here (npm run build:kernels)');
      this.skip();
    }
  });

  for (const build of ['relaxed', 'simd']) {
    describe(`the ${build} build`, () => {
      before(function () {
        if (build === 'simd') process.env.CER_KERNELS = 'simd';
        provideKernels(kernelsFromFiles, startThreads);
        releaseKernelMemory();
        if (kernelModules()!.relaxed !== (build === 'relaxed')) {
          console.log('skipped: this engine has no relaxed SIMD');
          this.skip();
        }
      });
      after(() => {
        delete process.env.CER_KERNELS;
        provideKernels(kernelsFromFiles, startThreads);
        releaseKernelMemory();
      });

      for (const [n, m, d] of [
        [1, 1, 1],
        [3, 5, 2],
        [33, 30, 7],
        [64, 64, 16],
        [130, 257, 70],
      ]) {
        it(`${n} x ${m} in dimension ${d}: every epsilon, scaling, log domain and automatic`, () => {
          const problem = { x: cloud(1, n, d), y: cloud(2, m, d, 0.3), dimension: d };
          for (const value of [1, 0.05, 1e-2, 1e-3, 1e-4]) {
            for (const method of ['auto', 'log'] as const) {
              const { error, result } = planError(problem, { epsilon: mean(value), method, maxIterations: 60 });
              // The bound. A small epsilon is no harder: exponents are made in float64 (kernels/build.ts).
              assert.ok(error <= 5e-6, `epsilon ${value} ${method}: plan error ${error}`);
              assert.ok(finite(result));
              // The fall-back would hide a fault of the scaling: where nothing can underflow it must not be needed.
              if (method === 'auto' && value >= 0.05) assert.doesNotMatch(result.method, /log domain/);
            }
          }
        });
      }
    });
  }

  it('cost matrices, weights with zeros, masks: plan and potentials, also of the points without mass', () => {
    const [n, m] = [45, 38];
    const x = cloud(3, n, 2);
    const y = cloud(4, m, 2, 1);
    const sourceWeights = Float64Array.from({ length: n }, (_, i) => (i % 4 === 0 ? 0 : 1 + (i % 3)));
    const targetWeights = Float64Array.from({ length: m }, (_, j) => (j % 5 === 0 ? 0 : 1));
    const total = (w: Float64Array) => w.reduce((s, v) => s + v, 0);
    const normalised = {
      sourceWeights: sourceWeights.map((w) => w / total(sourceWeights)),
      targetWeights: targetWeights.map((w) => w / total(targetWeights)),
    };
    for (let j = 0; j < 2 * m; j += 10) y[j] = 1e4; // points without mass may lie anywhere
    const options = { epsilon: 0.3, maxIterations: 40, tolerance: 0 };
    const points = { x, y, dimension: 2, ...normalised };
    const { error, result } = planError(points, options);
    assert.ok(error < 5e-6, `plan error ${error}`);
    const oracle = sinkhorn(points, { ...options, engine: 'float64' });
    assert.ok(largestDifference(result.f, oracle.f) < 1e-5);
    assert.ok(largestDifference(result.g, oracle.g) < 1e-6 * largest(oracle.g)); // 1e8 at the far points
    const cost = Float64Array.from({ length: n * m }, (_, k) => {
      const [i, j] = [Math.floor(k / m), k % m];
      return (x[2 * i] - y[2 * j]) ** 2 + (x[2 * i + 1] - y[2 * j + 1]) ** 2;
    });
    const matrix = sinkhorn({ cost, rows: n, columns: m, ...normalised }, { ...options, engine: 'float32' });
    assert.ok(largestDifference(matrix.plan, result.plan) < 1e-6 * largest(result.plan));
    const mask = Uint8Array.from({ length: m }, (_, j) => (j % 5 === 0 ? 0 : 1));
    const masked = sinkhorn(
      { x, y, dimension: 2, sourceWeights: normalised.sourceWeights, targetMask: mask },
      { ...options, engine: 'float32' },
    );
    assert.ok(largestDifference(masked.plan, result.plan) < 1e-6 * largest(result.plan));
    const projected = barycentricProjection(result, y, 2);
    assert.ok(
      projected.every((v) => Math.abs(v) < 10),
      'the far points carry no mass, so nothing is sent there',
    );
  });

  it('points without mass that lie near do not push the others out of range', () => {
    const x = cloud(3, 16, 2);
    const y = cloud(4, 16, 2, 20);
    const targetMask = Uint8Array.from({ length: 16 }, (_, j) => (j < 3 ? 0 : 1));
    y.set(x.subarray(0, 6)); // padding on top of source points, the targets themselves at squared distances of about 800
    const { error, result } = planError({ x, y, dimension: 2, targetMask }, { epsilon: 6, maxIterations: 30 });
    assert.ok(error < 5e-6);
    assert.doesNotMatch(result.method, /log domain/);
  });

  it('absorbs scalings on both potentials, and gives the same plan as the log domain', () => {
    // Two far groups whose masses differ slightly: potentials must travel many epsilons in either direction.
    const x = Float32Array.from({ length: 40 }, (_, i) => (i < 20 ? 0.01 * i : 3 + 0.01 * i));
    const y = Float32Array.from({ length: 40 }, (_, i) => (i < 22 ? 0.013 * i : 3 + 0.01 * i));
    const options = { epsilon: 0.02, maxIterations: 400, tolerance: 0, engine: 'float32' } as const;
    const there = sinkhorn(
      { x, y, dimension: 1 },
      { ...options, method: 'scaling', start: { g: new Float64Array(40) } },
    );
    const back = sinkhorn({ x: y, y: x, dimension: 1 }, { ...options, method: 'scaling' });
    const truth = sinkhorn({ x, y, dimension: 1 }, { ...options, engine: 'float64' });
    assert.ok(there.absorptions.source + back.absorptions.source > 0, 'source potential absorbed');
    assert.ok(there.absorptions.target + back.absorptions.target > 0, 'target potential absorbed');
    assert.ok(largestDifference(there.plan, truth.plan) < 5e-6 * largest(truth.plan));
  });

  it('falls back to the log domain by itself, and says so when it is not allowed to', () => {
    const problem = { x: cloud(5, 64, 4), y: cloud(6, 64, 4, 20), dimension: 4 };
    const auto = planError(problem, { epsilon: mean(1e-3), maxIterations: 80 });
    assert.match(auto.result.method, /log domain/);
    assert.ok(auto.error < 5e-6);
    const forced = sinkhorn(problem, { epsilon: mean(1e-3), method: 'scaling', engine: 'float32' });
    assert.equal(forced.status, 'underflow');
    assert.match(forced.remedy, /method: 'auto'/);
    assert.ok(finite(forced));
  });

  it('never gives NaN: duplicated points, far-apart clouds, one point, tiny and huge costs', () => {
    const same = new Float32Array(64).fill(2);
    const cases: TransportProblem[] = [
      { x: same, y: same.slice(), dimension: 4 },
      { x: same, y: cloud(1, 16, 4, 1e4), dimension: 4 },
      { x: cloud(1, 16, 4).map((v) => v * 1e-15), y: cloud(2, 16, 4).map((v) => v * 1e-15), dimension: 4 },
      { x: cloud(1, 16, 4).map((v) => v * 1e15), y: cloud(2, 16, 4).map((v) => v * 1e15), dimension: 4 },
      { x: cloud(1, 1, 4), y: cloud(2, 16, 4), dimension: 4 },
    ];
    for (const problem of cases) {
      for (const value of [1, 1e-2, 1e-4]) {
        const { error, result } = planError(problem, { epsilon: mean(value), maxIterations: 50 });
        assert.ok(finite(result), `${result.status} ${result.cost}`);
        assert.ok(error < 5e-6, `plan error ${error} at epsilon ${value}`);
      }
    }
  });

  it('annealing and warm starts give the same plan in fewer iterations', () => {
    const problem = { x: cloud(9, 200, 3), y: cloud(10, 200, 3, 0.5), dimension: 3 };
    const cold = sinkhorn(problem, { epsilon: mean(0.005), maxIterations: 20000, tolerance: 1e-5 });
    const annealed = sinkhorn(problem, {
      epsilon: { ...mean(0.005), anneal: {} },
      maxIterations: 20000,
      tolerance: 1e-5,
    });
    const warm = sinkhorn(problem, { epsilon: mean(0.005), tolerance: 2e-5, start: { f: cold.f, g: cold.g } });
    for (const result of [cold, annealed, warm]) assert.equal(result.status, 'converged');
    assert.ok(annealed.iterations < cold.iterations, `${annealed.iterations} < ${cold.iterations}`);
    assert.ok(warm.iterations <= 3, `${warm.iterations}`);
    assert.ok(Math.abs(annealed.dualValue / cold.dualValue - 1) < 1e-5);
  });

  it('threads give what one thread gives, at n = 2048 and 8192 and from 1 down to 1e-4 of the mean cost', function () {
    this.timeout(120_000);
    for (const [n, values] of [
      [2048, [1, 0.05, 1e-4]],
      [8192, [0.05]],
    ] as const) {
      const problem = { x: cloud(11, n, 2), y: cloud(12, n, 2, 0.5), dimension: 2 };
      for (const value of values) {
        const options = {
          epsilon: mean(value),
          maxIterations: n > 4000 ? 6 : 12,
          tolerance: 0,
          engine: 'float32',
        } as const;
        const two = sinkhorn(problem, { ...options, threads: 2 });
        assert.match(two.method, /threads: 2/);
        assert.ok(two.f.every(Number.isFinite) && two.g.every(Number.isFinite));
        const one = sinkhorn(problem, { ...options, threads: 1 });
        // Partial sums are added in another order: rounding of float32, in units of epsilon.
        assert.ok(largestDifference(two.f, one.f) < 1e-5 * two.epsilon + 1e-6 * largest(one.f));
        if (n === 2048) {
          const { source, target } = planSums(two);
          assert.ok(source.every(Number.isFinite));
          // The last half-step was the columns': they are met exactly, up to float32.
          for (const mass of target) assert.ok(Math.abs(mass * n - 1) < 2e-5, `column mass ${mass * n}`);
        }
      }
    }
    releaseKernelMemory();
  });

  it('keeps no more memory after many solves than after one', () => {
    const solve = (n: number) => sinkhorn({ x: cloud(1, n, 4), y: cloud(2, n, 4), dimension: 4 }, { maxIterations: 3 });
    releaseKernelMemory();
    solve(600);
    const kept = retainedKernelBytes();
    for (let k = 0; k < 30; k++) solve(100 + 10 * k);
    assert.equal(retainedKernelBytes(), kept);
    releaseKernelMemory();
    assert.equal(retainedKernelBytes(), 0);
  });

  it('loads from bytes, as a browser does, and without kernels runs the oracle', async () => {
    const problem = { x: cloud(1, 30, 2), y: cloud(2, 30, 2), dimension: 2 };
    const expected = sinkhorn(problem);
    try {
      await loadKernels(async (name) => readFileSync(`src/transport/kernels/${name}`));
      releaseKernelMemory();
      assert.deepEqual(sinkhorn(problem).f, expected.f);
      provideKernels(() => undefined);
      assert.equal(sinkhorn(problem).method, 'float64 log domain');
      assert.throws(() => sinkhorn(problem, { engine: 'float32' }), /npm run build:kernels/);
    } finally {
      provideKernels(kernelsFromFiles, startThreads);
      releaseKernelMemory();
    }
  });
});
