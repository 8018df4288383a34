import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { key, permutation } from '../../src/runtime/random';
import { releaseKernelMemory, type SinkhornOptions, sinkhorn } from '../../src/transport';
import { kernelModules } from '../../src/transport/engine/kernel-modules';
import { Workspace } from '../../src/transport/engine/workspace';
import { prepareProblem, type TransportProblem } from '../../src/transport/problem';
import { cloud } from './clouds';
import { randomSolves } from './random-problems';

/** Everything that a solve, and its plan applied by the kernels, gives. */
function outcome(problem: TransportProblem, options: SinkhornOptions) {
  const result = sinkhorn(problem, { engine: 'float32', maxIterations: 60, ...options });
  const { f, g, iterations, checks, status, method, absorptions } = result;
  const values = cloud(1, g.length, 3);
  return {
    f,
    g,
    iterations,
    checks,
    status,
    method,
    absorptions,
    applied: [result.apply(values, 3), result.apply(values, 3, true)],
  };
}

/** Leaves `pattern` all over the memory that the next solves get. */
function fillKernelMemory(pattern: number, threads: number): void {
  const shape = prepareProblem({ cost: new Float64Array(256 * 256), rows: 256, columns: 256 });
  const space = new Workspace(shape, kernelModules()!, threads);
  space.doubles(2 ** 16, (space.bytes - 2 ** 16) / 8).fill(pattern);
  space.release();
}

describe('a solve by the kernels does not depend on earlier ones', () => {
  before(function () {
    if (!kernelModules()) {
      console.log('skipped: no compiled kernels here (npm run build:kernels)');
      this.skip();
    }
  });
  afterEach(releaseKernelMemory);

  const solves = fc.sample(randomSolves, { seed: 21, numRuns: 150 });

  it('in any order, of any shapes and methods: bit for bit what memory fresh from the system gives', () => {
    const fresh = solves.map(({ problem, options }) => {
      releaseKernelMemory();
      return outcome(problem, options);
    });
    for (const round of [1, 2, 3]) {
      for (const k of permutation(key(round), solves.length)) {
        assert.deepEqual(outcome(solves[k].problem, solves[k].options), fresh[k], `round ${round}, solve ${k}`);
      }
    }
  });

  it('whatever the memory held, on one thread and on two', () => {
    for (const threads of [1, 2]) {
      // Shared memory is reserved whole (4 GB of addresses), so fewer of these are made.
      for (const { problem, options } of solves.slice(0, threads === 1 ? 60 : 8)) {
        releaseKernelMemory();
        const fresh = outcome(problem, { ...options, threads });
        for (const pattern of [Number.NaN, -Infinity, Infinity, -1e300, 1e300, -7]) {
          fillKernelMemory(pattern, threads);
          assert.deepEqual(
            outcome(problem, { ...options, threads }),
            fresh,
            `${threads} threads, memory full of ${pattern}`,
          );
        }
      }
    }
  });

  it('equals the first solve of a new process', () => {
    const line = (count: number, start: number) => Float64Array.from({ length: count }, (_, i) => start + i / 10);
    const problem = { x: line(1, 0), y: line(1, 4), dimension: 1 };
    sinkhorn({ x: line(7, 0), y: line(1, 0), dimension: 1 }, { epsilon: 0.05 });
    const here = sinkhorn(problem, { epsilon: 0.05 });
    const script = `const { sinkhorn } = require('./src/transport');
      const { f, g, iterations, status } = sinkhorn({ x: Float64Array.of(0), y: Float64Array.of(4), dimension: 1 }, { epsilon: 0.05 });
      console.log(JSON.stringify({ f: [...f], g: [...g], iterations, status }));`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '-e', script], { encoding: 'utf8' });
    assert.ok(stdout, stderr);
    const { f, g, iterations, status } = here;
    assert.deepEqual({ f: [...f], g: [...g], iterations, status }, JSON.parse(stdout));
    assert.equal(iterations, 2);
    // One point on each side: f + g is the cost, 16.
    assert.ok(Math.abs(f[0] + g[0] - 16) < 1e-12);
  });
});
