import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { key, normal } from '../../src/runtime/random';
import {
  divergenceGradient,
  eulerGaussian,
  exactTransport,
  type Gaussian,
  gaussianBarycentre,
  gaussianDistance,
  gaussianGeodesic,
  gaussianMap,
  gaussianSinkhorn,
  jkoGaussian,
  jkoStep,
  sinkhorn,
  sinkhornDivergence,
  transportOnLine,
} from '../../src/transport';
import { cloud, largestDifference } from './clouds';

const size = fc.integer({ min: 1, max: 12 });
const seed = fc.integer({ min: 0, max: 1e6 });
const relativeEpsilon = fc.constantFrom(0.05, 0.1, 0.5, 2);

/** Random clouds and positive weights of total mass one. */
const problems = fc
  .record({ n: size, m: size, d: fc.integer({ min: 1, max: 4 }), seed, value: relativeEpsilon })
  .map(({ n, m, d, seed, value }) => {
    const weights = (s: number, count: number) => {
      const raw = normal(key(s), count).map((z) => 0.2 + Math.abs(z));
      const total = raw.reduce((sum, w) => sum + w, 0);
      return raw.map((w) => w / total);
    };
    return {
      problem: {
        x: Float64Array.from(cloud(seed, n, d)),
        y: Float64Array.from(cloud(seed + 1, m, d, 0.5)),
        dimension: d,
        sourceWeights: weights(seed + 2, n),
        targetWeights: weights(seed + 3, m),
      },
      epsilon: { value, relativeTo: 'mean' } as const,
    };
  });

/** A random Gaussian whose covariance has eigenvalues of order one. */
function gaussian(s: number, d: number): Gaussian {
  const root = normal(key(s), d * d);
  const covariance = new Float64Array(d * d);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) {
      for (let k = 0; k < d; k++) covariance[i * d + j] += (root[i * d + k] * root[j * d + k]) / d;
    }
    covariance[i * d + i] += 0.3;
  }
  return { mean: normal(key(s + 1), d), covariance };
}

const distance = (p: Gaussian, q: Gaussian) => Math.sqrt(gaussianDistance(p, q).squared);

describe('properties of transport', () => {
  for (const engine of ['float64', 'float32'] as const) {
    // float64: the tolerance of the solve; float32: a marginal error of 1e-6 and its rounding
    const slack = engine === 'float64' ? 1e-9 : 1e-5;
    const options = { engine, tolerance: engine === 'float64' ? 1e-11 : 1e-6, maxIterations: 100000 };

    it(`${engine}: marginals are met, the plan is non-negative, potentials have zero mean`, () => {
      fc.assert(
        fc.property(problems, ({ problem, epsilon }) => {
          const result = sinkhorn(problem, { ...options, epsilon });
          assert.equal(result.status, 'converged');
          assert.ok(largestDifference(result.marginals.source, problem.sourceWeights) < slack);
          assert.ok(largestDifference(result.marginals.target, problem.targetWeights) < slack);
          assert.ok(result.plan.every((p) => p >= 0));
          const mean = result.g.reduce((sum, g, j) => sum + g * problem.targetWeights[j], 0);
          assert.ok(Math.abs(mean) < 1e-9 * (1 + Math.abs(result.dualValue)));
        }),
        { numRuns: 40 },
      );
    });

    it(`${engine}: swapping the sides transposes the plan; translating both leaves it, translating one adds a known cost`, () => {
      fc.assert(
        fc.property(problems, fc.double({ min: -5, max: 5, noNaN: true }), ({ problem, epsilon }, shift) => {
          const { x, y, dimension, sourceWeights, targetWeights } = problem;
          const [n, m] = [sourceWeights.length, targetWeights.length];
          const result = sinkhorn(problem, { ...options, epsilon });
          const fixed = { ...options, epsilon: result.epsilon };
          const swapped = sinkhorn(
            { x: y, y: x, dimension, sourceWeights: targetWeights, targetWeights: sourceWeights },
            fixed,
          );
          for (let i = 0; i < n; i++) {
            for (let j = 0; j < m; j++) {
              assert.ok(Math.abs(result.plan[i * m + j] - swapped.plan[j * n + i]) < 3 * slack);
            }
          }
          const both = sinkhorn({ ...problem, x: x.map((v) => v + shift), y: y.map((v) => v + shift) }, fixed);
          assert.ok(largestDifference(both.plan, result.plan) < 3 * slack);
          // |x + s - y|^2 = |x - y|^2 + 2 s (x - y) + s^2: constant in the marginals
          const one = sinkhorn({ ...problem, x: x.map((v) => v + shift) }, fixed);
          assert.ok(largestDifference(one.plan, result.plan) < 3 * slack);
        }),
        { numRuns: 20 },
      );
    });

    it(`${engine}: the divergence is >= 0, symmetric, and 0 on equal clouds in any order`, () => {
      fc.assert(
        fc.property(problems, ({ problem, epsilon }) => {
          const result = sinkhornDivergence(problem, { ...options, epsilon });
          const scale = 1 + Math.abs(result.between.dualValue);
          assert.ok(result.value > -3 * slack * scale, `${result.value}`);
          const { x, y, dimension, sourceWeights, targetWeights } = problem;
          const back = sinkhornDivergence(
            { x: y, y: x, dimension, sourceWeights: targetWeights, targetWeights: sourceWeights },
            { ...options, epsilon: result.between.epsilon },
            result.source, // the old source is the new target: its cached self term serves
          );
          assert.ok(Math.abs(back.value - result.value) < 3 * slack * scale);
          const n = sourceWeights.length;
          const order = Array.from({ length: n }, (_, i) => (i + 1) % n);
          const shuffled = Float64Array.from(order.flatMap((i) => [...x.subarray(i * dimension, (i + 1) * dimension)]));
          const same = sinkhornDivergence(
            {
              ...{ x, y: shuffled, dimension, sourceWeights },
              targetWeights: Float64Array.from(order, (i) => sourceWeights[i]),
            },
            { ...options, epsilon: result.between.epsilon },
          );
          assert.ok(Math.abs(same.value) < 3 * slack * scale, `${same.value}`);
        }),
        { numRuns: 25 },
      );
    });
  }

  it('the transport cost falls towards the exact cost as epsilon falls', () => {
    fc.assert(
      fc.property(problems, ({ problem }) => {
        const exact = exactTransport(problem).cost;
        let above = Infinity;
        for (const value of [2, 0.5, 0.1, 0.03]) {
          const { cost } = sinkhorn(problem, {
            ...{ epsilon: { value, relativeTo: 'mean' }, tolerance: 1e-9, maxIterations: 50000, engine: 'float64' },
          });
          assert.ok(cost <= above + 1e-7 && cost >= exact - 1e-7, `${cost} between ${exact} and ${above}`);
          above = cost;
        }
      }),
      { numRuns: 15 },
    );
  });

  it('exact transport: dual certificate, marginals, zero weights and ties; the line agrees with it', () => {
    fc.assert(
      fc.property(problems, fc.boolean(), ({ problem }, ties) => {
        const round = (points: Float64Array) => (ties ? points.map(Math.round) : points);
        const given = { ...problem, x: round(problem.x), y: round(problem.y) };
        if (given.sourceWeights.length > 2) {
          given.sourceWeights = given.sourceWeights.slice();
          given.sourceWeights[1] += given.sourceWeights[0];
          given.sourceWeights[0] = 0;
        }
        const { cost, plan, f, g } = exactTransport(given);
        const [n, m, d] = [given.sourceWeights.length, given.targetWeights.length, given.dimension];
        let dual = 0;
        for (let i = 0; i < n; i++) dual += given.sourceWeights[i] * f[i];
        for (let j = 0; j < m; j++) dual += given.targetWeights[j] * g[j];
        assert.ok(Math.abs(dual - cost) < 1e-9, `dual ${dual}, primal ${cost}`);
        for (let i = 0; i < n; i++) {
          let row = 0;
          for (let j = 0; j < m; j++) {
            row += plan[i * m + j];
            let c = 0;
            for (let k = 0; k < d; k++) c += (given.x[i * d + k] - given.y[j * d + k]) ** 2;
            assert.ok(f[i] + g[j] <= c + 1e-9, 'potentials stay below the cost');
          }
          assert.ok(Math.abs(row - given.sourceWeights[i]) < 1e-12);
        }
        if (d === 1) {
          const line = transportOnLine(given.x, given.y, 2, given.sourceWeights, given.targetWeights);
          assert.ok(Math.abs(line - cost) < 1e-10);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('the gradient of the divergence agrees with central differences', () => {
    const problem = { x: Float64Array.from(cloud(1, 5, 2)), y: Float64Array.from(cloud(2, 6, 2)), dimension: 2 };
    const options = { epsilon: 0.3, tolerance: 1e-13, maxIterations: 100000 };
    const gradient = divergenceGradient(sinkhornDivergence(problem, options));
    const step = 1e-4; // truncation 1e-8 of the third derivative, rounding 1e-12 / 1e-4
    problem.x.forEach((_, k) => {
      const at = (sign: number) =>
        sinkhornDivergence({ ...problem, x: problem.x.map((v, i) => (i === k ? v + sign * step : v)) }, options).value;
      assert.ok(Math.abs((at(1) - at(-1)) / (2 * step) - gradient[k]) < 1e-6);
    });
  });

  it('one-dimensional laws on a grid give the closed-form entropic value and plan of Gaussians', () => {
    const grid = Float64Array.from({ length: 241 }, (_, i) => -9 + (18 * i) / 240);
    const law = (mean: number, variance: number) => {
      const raw = grid.map((z) => Math.exp(-((z - mean) ** 2) / (2 * variance)));
      const total = raw.reduce((sum, w) => sum + w, 0);
      return raw.map((w) => w / total);
    };
    for (const epsilon of [0.4, 2, 10]) {
      const truth = gaussianSinkhorn(
        { mean: Float64Array.of(0.3), covariance: Float64Array.of(1.2) },
        { mean: Float64Array.of(-0.4), covariance: Float64Array.of(0.5) },
        epsilon,
      );
      for (const [engine, slack] of [
        ['float64', 1e-9], // the trapezium rule is exact to rounding for smooth, fast falling functions
        ['float32', 1e-5],
      ] as const) {
        const result = sinkhorn(
          { x: grid, y: grid, dimension: 1, sourceWeights: law(0.3, 1.2), targetWeights: law(-0.4, 0.5) },
          { epsilon, engine, tolerance: engine === 'float64' ? 1e-12 : 1e-6, maxIterations: 5000 },
        );
        assert.ok(Math.abs(result.dualValue - truth.value) < slack, `${result.dualValue} ${truth.value}`);
        const moved = result.apply(
          grid.map((z) => z + 0.4),
          1,
        ).product;
        const cross = moved.reduce((sum, value, i) => sum + value * (grid[i] - 0.3), 0);
        assert.ok(Math.abs(cross - truth.crossCovariance[0]) < 3 * slack, `${cross}`);
      }
    }
  });

  it('Gaussians: map pushes forward, geodesic has constant speed, barycentre of two lies on it, entropy vanishes', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: 5 }), fc.double({ min: 0.05, max: 0.95, noNaN: true }), (s, d, t) => {
        const [p, q] = [gaussian(s, d), gaussian(s + 9, d)];
        const whole = distance(p, q);
        const pushed = gaussianGeodesic(p, q, 1);
        assert.ok(largestDifference(pushed.covariance, q.covariance) < 1e-8);
        const between = gaussianGeodesic(p, q, t);
        // distances are roots of differences of traces: 1e-15 in the square is 3e-8 in the distance
        assert.ok(Math.abs(distance(p, between) - t * whole) < 1e-6);
        assert.ok(Math.abs(distance(between, q) - (1 - t) * whole) < 1e-6);
        const centre = gaussianBarycentre([p, q], [1 - t, t]);
        assert.ok(largestDifference(centre.covariance, between.covariance) < 1e-6);
        assert.ok(largestDifference(centre.mean, between.mean) < 1e-12);
        const { matrix, offset } = gaussianMap(p, p);
        assert.ok(matrix.every((v, k) => Math.abs(v - (k % (d + 1) === 0 ? 1 : 0)) < 1e-7));
        assert.ok(offset.every((v) => Math.abs(v) < 1e-6));
        assert.ok(Math.abs(gaussianSinkhorn(p, q, 1e-7).value - whole ** 2) < 1e-4);
      }),
      { numRuns: 40 },
    );
  });

  it('a JKO step contracts by exactly 1/(1 + 2 eta), Euler by |1 - 2 eta|; particles do the same in the exact limit', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: 5 }), fc.constantFrom(0.05, 0.2, 0.5, 1, 10), (s, d, eta) => {
        const [p, target] = [gaussian(s, d), gaussian(s + 9, d)];
        const before = distance(p, target);
        assert.ok(Math.abs(distance(jkoGaussian(p, target, eta), target) / before - 1 / (1 + 2 * eta)) < 1e-6);
        if (eta <= 0.5) {
          assert.ok(Math.abs(distance(eulerGaussian(p, target, eta), target) / before - Math.abs(1 - 2 * eta)) < 1e-6);
        }
      }),
      { numRuns: 40 },
    );
    const y = Float64Array.from(cloud(2, 12, 2));
    const x = Float64Array.from(cloud(1, 12, 2, 3));
    for (const scheme of ['proximal', 'euler'] as const) {
      const eta = 0.2;
      const moved = jkoStep(
        { x, y, dimension: 2 },
        { eta, scheme, epsilon: 0.01, maxIterations: 20000, tolerance: 1e-9 },
      );
      const rho = scheme === 'proximal' ? 1 / (1 + 2 * eta) : 1 - 2 * eta;
      const root = (points: Float64Array) => Math.sqrt(exactTransport({ x: points, y, dimension: 2 }).cost);
      // epsilon 0.01 against costs of order 20: the plan is nearly the exact one
      assert.ok(Math.abs(root(moved.points) / root(x) - rho) < 2e-3, `${scheme} ${root(moved.points) / root(x)}`);
    }
  });

  it('particle steps lower the energy, obey the anchor, and leave the target in place when debiased', () => {
    const x = Float64Array.from(cloud(1, 30, 2, 2));
    const y = Float64Array.from(cloud(2, 40, 2));
    const anchor = { points: x, weight: 0.3 };
    let points: Float64Array = x;
    let before = Infinity;
    for (let k = 0; k < 6; k++) {
      const step = jkoStep({ x: points, y, dimension: 2 }, { eta: 0.4, anchor, epsilon: 0.5 });
      assert.ok(step.energies.total < before + 1e-6);
      before = step.energies.total;
      points = step.points;
    }
    const held = jkoStep({ x, y, dimension: 2 }, { eta: 0.4, anchor: { points: x, weight: 1e9 }, epsilon: 0.5 });
    assert.ok(largestDifference(held.points, x) < 1e-6);
    const still = jkoStep(
      { x: y, y: y.slice(), dimension: 2 },
      { eta: 0.4, debiased: true, epsilon: 0.5, tolerance: 1e-10 },
    );
    assert.ok(largestDifference(still.points, y) < 1e-8);
    const biased = jkoStep({ x: y, y: y.slice(), dimension: 2 }, { eta: 0.4, epsilon: 0.5 });
    assert.ok(largestDifference(biased.points, y) > 1e-3, 'without debiasing the entropy shrinks the cloud');
  });
});
