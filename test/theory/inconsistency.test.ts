import { strict as assert } from 'node:assert';
import { Matrix } from 'ml-matrix';
import { meanWithError } from '../../src/metrics/confidence';
import { InvalidInputError } from '../../src/runtime/errors';
import { foldIn, key, normal } from '../../src/runtime/random';
import {
  checkLemma6,
  checkLemma6Carried,
  checkLemma6Cross,
  checkLemma6Injected,
  crossTerm,
  exactInconsistency,
  measureInconsistency,
  randomLinearGaussian,
  simulateLinearGaussian,
  stationaryCovariance,
} from '../../src/theory/inconsistency';
import { matchLaws, predictiveSubspace } from '../../src/theory/predictive-subspace';
import { principalTrajectories } from '../../src/theory/trajectories';

const near = (got: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${got} is not ${expected} +- ${tolerance}`);

describe('theory/predictive-subspace', () => {
  it('finds the correlations of a case known by hand and keeps the stated share', () => {
    const condition = Matrix.eye(3, 3);
    const token = Matrix.eye(2, 2);
    const cross = new Matrix([
      [0.8, 0],
      [0, 0.1],
      [0, 0],
    ]);
    const all = predictiveSubspace({ condition, cross, token }, { share: 1 });
    near(all.correlations[0], 0.8, 1e-12);
    near(all.correlations[1], 0.1, 1e-12);
    near(all.information, -0.5 * Math.log(0.36) - 0.5 * Math.log(0.99), 1e-12);
    assert.equal(all.dimension, 2);
    const most = predictiveSubspace({ condition, cross, token }, { share: 0.99 });
    assert.equal(most.dimension, 1); // the first direction alone keeps 99.02 %
    near(most.share, 0.9903, 1e-4);
  });

  it('the projection is idempotent, leaves eta uncorrelated with c* and with the token', () => {
    const model = randomLinearGaussian(key(4));
    const covariance = stationaryCovariance(model);
    const cross = covariance.mmul(model.observations[0].transpose());
    const token = model.observations[0].mmul(cross).add(Matrix.eye(2, 2).mul(0.25));
    const { projection: p } = predictiveSubspace({ condition: covariance, cross, token }, { share: 1 });
    const q = Matrix.eye(6, 6).sub(p);
    near(Matrix.sub(p.mmul(p), p).norm(), 0, 1e-9);
    near(p.mmul(covariance).mmul(q.transpose()).norm(), 0, 1e-9);
    near(q.mmul(cross).norm(), 0, 1e-9);
  });

  it('keeps nothing when condition and token are unrelated', () => {
    const conditions = { data: normal(key(1), 400 * 3), samples: 400, steps: 1, width: 3 };
    const both = { condition: Matrix.eye(3, 3), token: Matrix.eye(1, 1), cross: new Matrix([[0.05], [0.02], [-0.04]]) };
    assert.equal(predictiveSubspace(both, { samples: conditions.samples }).dimension, 0);
    assert.throws(() => predictiveSubspace(both, { share: 0 }), InvalidInputError);
  });
});

describe('theory/inconsistency (Lemma 6)', () => {
  it('carried + injected is the whole of eta in the exact model, at every step and share', () => {
    const model = randomLinearGaussian(key(2), { steps: 4 });
    for (const step of [1, 2, 3]) {
      for (const share of [0.5, 0.99, 1]) {
        const { carried, injected, redundant, ideal } = exactInconsistency(model, step, share);
        near(carried + injected, redundant, 1e-9);
        near(ideal + redundant, stationaryCovariance(model).trace(), 1e-9);
        assert.ok(carried > 0 && injected > 0);
      }
    }
  });

  it('a chain without memory carries nothing over', () => {
    const model = { ...randomLinearGaussian(key(2)), transition: Matrix.zeros(6, 6) };
    const exact = exactInconsistency(model, 1);
    assert.equal(exact.carried, 0);
    const shares = Float64Array.from({ length: 30 }, (_, run) => {
      const { conditions, tokens } = simulateLinearGaussian(model, 60, foldIn(key(3), run));
      const [first] = measureInconsistency(conditions, tokens);
      return first.carried / first.redundant;
    });
    // Uncorrected, 4 regressors explain 4 / 59 of unrelated numbers: 0.068.
    const { value, error } = meanWithError(shares);
    assert.ok(error < 0.01 && Math.abs(value) < 4 * error, `${value} +- ${error}`);
  });

  it('each part measured on draws agrees with the exact model', () => {
    const model = randomLinearGaussian(key(7));
    const exact = exactInconsistency(model, 2, 1);
    const { conditions, tokens } = simulateLinearGaussian(model, 8000, key(8));
    const measured = measureInconsistency(conditions, tokens, { share: 1 })[1];
    // Energies of about 6 Gaussian numbers over 8000 draws: 1-2 % standard error each.
    for (const part of ['ideal', 'redundant', 'carried', 'injected'] as const) {
      near(measured[part] / exact[part], 1, 0.08);
    }
    assert.equal(measured.dimension, 2);
  });

  for (const seed of [0, 1, 2]) {
    it(`the check holds, seed ${seed}`, () => assert.equal(checkLemma6({ seed }).verdict, 'holds'));
  }

  it('each part holds at its closed form, and fails 6 % beside it', () => {
    for (const check of [checkLemma6, checkLemma6Injected]) {
      assert.equal(check({}).verdict, 'holds');
      for (const factor of [0.94, 1.06]) assert.equal(check({ factor }).verdict, 'fails', `${check.name} ${factor}`);
    }
    assert.equal(checkLemma6Carried({}).verdict, 'holds');
    assert.equal(checkLemma6Carried({ factor: 0.94 }).verdict, 'fails');
    assert.equal(checkLemma6Carried({ samples: 1600 }).verdict, 'undecided'); // too few to tell 5 % apart
  });

  it('the cross term is 0 for the canonical projection and not for the orthogonal one', () => {
    const model = randomLinearGaussian(key(5), { steps: 2 });
    assert.ok(Math.abs(crossTerm(model, 'canonical')) < 1e-9);
    assert.ok(Math.abs(crossTerm(model, 'orthogonal')) > 1e-3);
    assert.equal(checkLemma6Cross().verdict, 'fails');
    assert.equal(checkLemma6Cross({ projector: 'canonical' }).verdict, 'holds');
  });

  it('refuses conditions without their tokens and too few samples', () => {
    const { conditions, tokens } = simulateLinearGaussian(randomLinearGaussian(key(1)), 100, key(1));
    assert.throws(
      () => measureInconsistency(conditions, { ...tokens, data: tokens.data.subarray(2), samples: 99 }),
      InvalidInputError,
    );
    const few = { data: conditions.data.subarray(0, 20 * 18), samples: 20, steps: 3, width: 6 };
    assert.throws(() => measureInconsistency(few, tokens), InvalidInputError);
  });

  it('matching the laws empties the outside of I* but does not find the own ideal part of each condition', () => {
    const { conditions, tokens } = simulateLinearGaussian(randomLinearGaussian(key(6)), 500, key(7));
    const [before, half, after] = matchLaws(conditions, tokens, 0, [0, 0.5, 1], 1);
    near(before.outside, before.toOwnIdeal, 1e-9); // nothing has moved: both are the energy of eta
    near(half.outside, before.outside / 4, 1e-6); // linear on the way, so quadratic in energy
    near(after.outside, 0, 1e-6);
    assert.ok(after.toOwnIdeal > 0.05 * before.toOwnIdeal && after.toOwnIdeal < before.toOwnIdeal);
  });

  it('principal directions keep the variance that lies in them', () => {
    const z = normal(key(5), 200 * 2 * 2);
    const data = Float64Array.from({ length: 200 * 2 * 5 }, (_, at) => {
      const unit = Math.floor(at / 5);
      return [z[2 * unit], 2 * z[2 * unit + 1], z[2 * unit] - z[2 * unit + 1], 0, 3][at % 5];
    });
    const { trajectories, share } = principalTrajectories({ data, samples: 200, steps: 2, width: 5 }, 2);
    near(share, 1, 1e-10);
    assert.equal(trajectories.data.length, 200 * 2 * 2);
  });
});
