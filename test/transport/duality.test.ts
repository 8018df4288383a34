import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { type SinkhornOptions, type SinkhornResult, sinkhorn, sinkhornDivergence } from '../../src/transport';
import { kernelModules } from '../../src/transport/engine/kernel-modules';
import { costRow } from '../../src/transport/problem';
import { largestDifference } from './clouds';
import { randomSolves } from './random-problems';

/** sum p log(p / q) - p + q, the Kullback-Leibler divergence of measures of any mass. */
function divergence(p: ArrayLike<number>, q: ArrayLike<number>): number {
  let value = 0;
  for (let i = 0; i < p.length; i++) value += (p[i] > 0 ? p[i] * Math.log(p[i] / q[i]) : 0) - p[i] + q[i];
  return value;
}

/** The objective at the plan: cost, entropy against the reference, penalties of the sides that are not exact. */
function primalValue({ plan, problem, epsilon, settings }: SinkhornResult): number {
  const { n, m, a, b } = problem;
  const [rows, columns, cost] = [new Float64Array(n), new Float64Array(m), new Float64Array(m)];
  const product = Float64Array.from(plan, (_, at) => a[Math.floor(at / m)] * b[at % m]);
  let value = 0;
  for (let i = 0; i < n; i++) {
    costRow(problem, i, cost);
    for (let j = 0; j < m; j++) {
      const p = plan[i * m + j];
      rows[i] += p;
      columns[j] += p;
      value += p * cost[j];
    }
  }
  const logarithms = plan.reduce((sum, p) => sum + (p > 0 ? p * (Math.log(p) - 1) : 0), 0);
  value += epsilon * (settings.reference === 'product' ? divergence(plan, product) : logarithms);
  [rows, columns].forEach((sums, k) => {
    const rho = settings.rho[k];
    if (rho < Infinity) value += rho * divergence(sums, k === 0 ? a : b);
  });
  return value;
}

/** A number of the size of the terms that duality cancels. */
function sizeOf({ f, g, problem: { a, b }, epsilon, mass }: SinkhornResult): number {
  const weighted = (masses: Float64Array, values: Float64Array) =>
    masses.reduce((sum, weight, i) => sum + (weight > 0 ? weight * Math.abs(values[i]) : 0), 0);
  return weighted(a, f) + weighted(b, g) + epsilon * (1 + mass);
}

describe('the dual value is the primal value', () => {
  before(function () {
    if (!kernelModules()) {
      console.log('skipped: no compiled kernels here (npm run build:kernels)');
      this.skip();
    }
  });

  const engines: SinkhornOptions[] = [
    { engine: 'float64' },
    { engine: 'float32', method: 'scaling' },
    { engine: 'float32', method: 'log' },
    { engine: 'float32', method: 'auto', threads: 2 },
  ];

  it("two points, reference 'entropy', exact sides: the closed form", () => {
    const problem = {
      ...{ cost: Float64Array.of(0, 1, 1, 0), rows: 2, columns: 2 },
      ...{ sourceWeights: Float64Array.of(0.5, 0.5), targetWeights: Float64Array.of(0.5, 0.5) },
    };
    // By symmetry P = [[p, q], [q, p]] with p + q = 1/2 and q = p / e: both marginals are met, no penalty is paid.
    const p = 0.5 / (1 + Math.exp(-1));
    const q = 0.5 - p;
    const value = 2 * q + 2 * (p * (Math.log(p) - 1) + q * (Math.log(q) - 1));
    assert.ok(Math.abs(value + 2.00641) < 1e-5);
    const penalties = [{ source: Infinity, target: 1 }, { source: 1, target: Infinity }, Infinity, 1e9];
    for (const penalty of penalties) {
      for (const how of engines) {
        const result = sinkhorn(problem, { ...how, epsilon: 1, unbalanced: { penalty, reference: 'entropy' } });
        const named = `${JSON.stringify(penalty)} ${result.method}`;
        assert.equal(result.status, 'converged', named);
        assert.ok(Math.abs(result.dualValue - value) < 1e-6, `${named}: ${result.dualValue}, expected ${value}`);
        assert.ok(largestDifference(result.plan, [p, q, q, p]) < 1e-6, named);
      }
    }
  });

  for (const how of engines) {
    it(`random problems with every option, ${JSON.stringify(how)}`, () => {
      let converged = 0;
      for (const { problem, options } of fc.sample(randomSolves, { seed: 2, numRuns: 200 })) {
        const double = how.engine === 'float64';
        const result = sinkhorn(problem, {
          ...{ ...options, ...how, maxIterations: 3000, tolerance: double ? 1e-11 : 1e-6 },
        });
        if (!result.converged) continue;
        converged++;
        // A marginal that is met up to e costs e times the potentials, and rho e^2 / 2 of penalty.
        const e = double ? 1e-9 : 1e-5;
        const rho = Math.max(0, ...result.settings.rho.filter((value) => value < Infinity));
        const bound = e * sizeOf(result) + rho * e * e;
        const gap = Math.abs(result.dualValue - primalValue(result));
        assert.ok(gap <= bound, `gap ${gap} > ${bound}, ${result.method}, ${JSON.stringify(options)}`);
      }
      // Scaling alone underflows where epsilon is small; the others end in nearly all problems.
      assert.ok(converged >= (how.method === 'scaling' ? 100 : 180), `only ${converged} converged`);
    });
  }

  it('the divergence of measures of unequal mass: the closed form of two single points, >= 0 on random ones', () => {
    // One point of mass a against one of mass b at cost c, penalty rho: p minimises
    // p c + epsilon (p log(p / (a b)) - p + a b) + rho KL(p | a) + rho KL(p | b).
    const value = (a: number, b: number, c: number, epsilon: number, rho: number) => {
      const p = Math.exp((epsilon * Math.log(a * b) + rho * Math.log(a * b) - c) / (epsilon + 2 * rho));
      const kl = (q: number) => p * Math.log(p / q) - p + q;
      return p * c + epsilon * kl(a * b) + rho * (kl(a) + kl(b));
    };
    const [a, b, epsilon, rho] = [1, 3, 0.7, 0.2];
    const one = { x: Float64Array.of(0), y: Float64Array.of(2), dimension: 1 };
    const weights = { sourceWeights: Float64Array.of(a), targetWeights: Float64Array.of(b) };
    const options = { epsilon, unbalanced: { penalty: rho }, tolerance: 1e-13 };
    const expected =
      value(a, b, 4, epsilon, rho) -
      (value(a, a, 0, epsilon, rho) + value(b, b, 0, epsilon, rho)) / 2 +
      (epsilon * (a - b) ** 2) / 2;
    assert.ok(Math.abs(sinkhornDivergence({ ...one, ...weights }, options).value - expected) < 1e-11);
    // The same points with more mass on one side are not the same measure.
    const same = sinkhornDivergence({ ...one, y: one.x, ...weights }, options).value;
    assert.ok(same > 0.01, `${same}`);
    for (const { problem, options } of fc.sample(randomSolves, { seed: 3, numRuns: 200 })) {
      const { penalty = Infinity, reference = 'product' } = options.unbalanced ?? {};
      if (!('x' in problem) || problem.metric || typeof penalty !== 'number' || reference === 'entropy') continue;
      const { between, value } = sinkhornDivergence(problem, { ...options, engine: 'float64', tolerance: 1e-9 });
      if (between.converged) assert.ok(value > -1e-6 * sizeOf(between), `${value}`);
    }
  });
});
