import { strict as assert } from 'node:assert';
import {
  barycentricProjection,
  divergenceGradient,
  exactTransport,
  gaussianDistance,
  gaussianMap,
  gaussianOfPoints,
  sinkhorn,
  sinkhornDivergence,
  transportOnLine,
} from '../../src/transport';
import { largest, largestDifference, referenceCase, smallCases } from './clouds';

const relative = (got: number, expected: number) => Math.abs(got / expected - 1);
const flat = (rows: number[][]) => Float64Array.from(rows.flat());

/** Potentials compared after the common shift that leaves the plan unchanged is removed. */
function shiftFreeDifference(got: Float64Array, expected: number[]): number {
  const shift = got[0] - expected[0];
  return largestDifference(
    got,
    expected.map((value) => value + shift),
  );
}

describe('transport against data/reference/ot', () => {
  for (const name of ['sinkhorn_5_7_2', 'sinkhorn_64_64_16', 'sinkhorn_128_96_64']) {
    const dimension = Number(name.split('_')[3]);
    for (const weighting of ['uniform', 'weighted']) {
      it(`${name}, ${weighting}: plans, costs, potentials, divergences, gradient, exact cost`, () => {
        const { json, tensor } = referenceCase(name);
        const expected = json.weights[weighting];
        const problem = {
          x: tensor('X')!,
          y: tensor('Y')!,
          dimension,
          ...(weighting === 'weighted'
            ? { sourceWeights: Float64Array.from(expected.a), targetWeights: Float64Array.from(expected.b) }
            : {}),
        };
        const exact = exactTransport(problem);
        assert.ok(relative(exact.cost, expected.exact_cost) < 1e-12);
        for (const reg of ['0.01', '0.05', '0.5']) {
          const truth = expected.reg[reg];
          const options = { epsilon: { value: Number(reg), relativeTo: 'mean' } as const };
          const fine = sinkhornDivergence(problem, { ...options, tolerance: 1e-13, maxIterations: 8000 });
          const costTolerance = 1e-9; // the reference's own statement for float64
          assert.ok(relative(fine.between.epsilon, truth.reg) < 1e-12, 'epsilon');
          assert.ok(relative(fine.between.cost, truth.transport_cost) < costTolerance, `cost ${reg}`);
          assert.ok(relative(fine.between.dualValue, truth.dual_value) < costTolerance, `dual ${reg}`);
          assert.ok(relative(fine.between.entropy, truth.entropy_term) < costTolerance, `entropy ${reg}`);
          assert.ok(relative(fine.value, truth.divergence_dual) < costTolerance, `divergence ${reg}`);
          assert.ok(relative(fine.costValue, truth.divergence_cost) < costTolerance, `divergence cost ${reg}`);
          assert.ok(relative(fine.source.value, truth.self_dual_xx) < 1e-9, `self ${reg}`);
          assert.ok(relative(fine.target.value, truth.self_dual_yy) < 1e-9, `self ${reg}`);
          // Potentials are weakly determined (almost disconnected plans): 1e-6 of the cost's size.
          assert.ok(shiftFreeDifference(fine.between.f, truth.F) < 1e-6 * json.mean_cost, `F ${reg}`);
          assert.ok(shiftFreeDifference(fine.between.g, truth.G) < 1e-6 * json.mean_cost, `G ${reg}`);
          const fast = sinkhornDivergence(problem, {
            ...options,
            maxIterations: 2000,
            engine: 'float32',
          });
          // Stopped at a marginal error of 1e-6 of the mass, or after 2000 rounds where convergence is slow.
          const fastTolerance = fast.between.converged ? 1e-5 : 1e-3;
          assert.ok(relative(fast.between.dualValue, truth.dual_value) < fastTolerance, `float32 dual ${reg}`);
          assert.ok(relative(fast.between.cost, truth.transport_cost) < fastTolerance, `float32 cost ${reg}`);
          for (const [solved, tolerance] of [
            [fine, 1e-6], // tensors are rounded to float32
            [fast, fast.between.converged ? 3e-5 : 1e-2], // the marginal error, relative to single entries
          ] as const) {
            const id = `${weighting}.reg${reg}`;
            const plan = tensor(`${id}.plan`);
            if (plan)
              assert.ok(largestDifference(solved.between.plan, plan) < tolerance * largest(plan), `plan ${reg}`);
            const mapped = tensor(`${id}.barycentric`);
            if (mapped) {
              const projected = barycentricProjection(solved.between, problem.y);
              assert.ok(largestDifference(projected, mapped) < 3 * tolerance * largest(mapped), `barycentric ${reg}`);
            }
            const slope = tensor(`${id}.grad_divergence_dual_X`);
            if (slope) {
              const got = divergenceGradient(solved);
              assert.ok(largestDifference(got, slope) < 3 * tolerance * largest(slope), `gradient ${reg}`);
            }
          }
        }
      });
    }
  }

  it('unbalanced transport in both conventions, both engines', () => {
    for (const one of smallCases().unbalanced) {
      for (const reference of ['entropy', 'product'] as const) {
        const truth = one[`${reference}_reference`];
        for (const [engine, tolerance] of [
          ['float64', 1e-9],
          ['float32', 3e-6], // stopped when potentials change by 1e-6 of epsilon
        ] as const) {
          const result = sinkhorn(
            {
              x: flat(one.X),
              y: flat(one.Y),
              dimension: one.X[0].length,
              sourceWeights: Float64Array.from(one.a),
              targetWeights: Float64Array.from(one.b),
            },
            {
              epsilon: one.reg,
              engine,
              tolerance: engine === 'float64' ? 1e-13 : 1e-6,
              unbalanced: { penalty: one.reg_m, reference },
            },
          );
          assert.equal(result.status, 'converged');
          assert.ok(relative(result.mass, truth.mass) < tolerance, `mass ${engine}`);
          assert.ok(relative(result.cost, truth.transport_cost) < tolerance, `cost ${engine}`);
          assert.ok(relative(result.dualValue, truth.objective) < tolerance, `objective ${engine}`);
          assert.ok(largestDifference(result.plan, truth.plan.flat()) < tolerance * largest(truth.plan.flat()), 'plan');
          assert.ok(largestDifference(result.marginals.source, truth.row_marginal) < tolerance, 'row marginal');
          assert.ok(largestDifference(result.marginals.target, truth.col_marginal) < tolerance, 'column marginal');
        }
      }
    }
  });

  it('one dimension, Gaussians, the empirical linear map and the empirical divergence', () => {
    const small = smallCases();
    for (const { x, y, a, b, W1, W2_squared } of small.one_dimensional) {
      const [from, to, masses, shares] = [x, y, a, b].map((values: number[]) => Float64Array.from(values));
      const line = (power: number) => transportOnLine(from, to, power, masses, shares);
      assert.ok(relative(line(1), W1) < 1e-12);
      assert.ok(relative(line(2), W2_squared) < 1e-12);
    }
    for (const one of small.gaussian) {
      const p = { mean: Float64Array.from(one.mean1), covariance: flat(one.cov1) };
      const q = { mean: Float64Array.from(one.mean2), covariance: flat(one.cov2) };
      const { squared, bures } = gaussianDistance(p, q);
      assert.ok(relative(squared, one.W2_squared) < 1e-9);
      assert.ok(relative(bures, one.bures_squared) < 1e-9);
      const map = gaussianMap(p, q);
      assert.ok(largestDifference(map.matrix, one.map_matrix.flat()) < 1e-9);
      assert.ok(largestDifference(map.offset, one.map_offset) < 1e-9);
    }
    const { X, Y, A, b, reg } = small.empirical_linear_map;
    const d = X[0].length;
    const [p, q] = [X, Y].map((points) => {
      const law = gaussianOfPoints(points.flat(), d);
      for (let k = 0; k < d; k++) law.covariance[k * d + k] += reg;
      return law;
    });
    const map = gaussianMap(p, q);
    assert.ok(largestDifference(map.matrix, A.flat()) < 1e-9);
    assert.ok(largestDifference(map.offset, b.flat()) < 1e-9);
    for (const one of small.pot_empirical_divergence) {
      const { costValue } = sinkhornDivergence(
        { x: flat(one.X), y: flat(one.Y), dimension: one.X[0].length },
        { epsilon: one.reg, tolerance: 1e-12 },
      );
      // POT stops at its own default threshold of 1e-9 on the marginals.
      assert.ok(relative(costValue, one.empirical_sinkhorn_divergence) < 1e-6);
    }
  });
});
