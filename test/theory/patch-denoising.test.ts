import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { Matrix } from 'ml-matrix';
import { meanWithError } from '../../src/metrics/confidence';
import { InvalidInputError } from '../../src/runtime/errors';
import { key } from '../../src/runtime/random';
import { evaluate, gaussianMixture } from '../../src/theory/gaussian-mixture';
import { normalDivergence } from '../../src/theory/linear-gaussian';
import {
  checkProposition1,
  conditionLaws,
  contractionFactors,
  erroneousStart,
  gradientEnergy,
  jointFromCorrelations,
  jointGaussian,
  linearControl,
  simulateDenoising,
  stationaryLaw,
} from '../../src/theory/patch-denoising';
import { assertVerdict, close } from './helpers';

const scalar = (value: number) => new Matrix([[value]]);

describe('theory/patch-denoising', () => {
  it('one dimension: regressions, noise and contraction are those of a correlation', () => {
    // Variances 4 and 9, correlation 0.5: covariance 3.
    const joint = jointGaussian(scalar(4), scalar(9), scalar(3));
    close(joint.decode.get(0, 0), 3 / 9, 1e-15);
    close(joint.encode.get(0, 0), 3 / 4, 1e-15);
    close(joint.tokenNoise.get(0, 0), 4 * 0.75, 1e-14);
    close(joint.conditionNoise.get(0, 0), 9 * 0.75, 1e-14);
    close(contractionFactors(joint)[0], 0.25, 1e-15);
  });

  it('the chain keeps the law of c, and contracts by the squared canonical correlations', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.05, max: 0.97, noNaN: true }), { minLength: 1, maxLength: 4 }),
        fc.nat(99),
        (r, seed) => {
          const joint = jointFromCorrelations(r, key(seed));
          const expected = r.map((value) => value ** 2).sort((a, b) => b - a);
          contractionFactors(joint).forEach((factor, i) => close(factor, expected[i], 1e-8));
          const [, next] = conditionLaws(joint, stationaryLaw(joint), 1);
          close(Matrix.sub(next.covariance, joint.condition).norm(), 0, 1e-12);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('the linear control is the difference of the two scores', () => {
    const joint = jointGaussian(scalar(4), scalar(9), scalar(3));
    const { onToken, onCondition } = linearControl(joint, 0.6);
    const [x, c] = [0.7, -1.2];
    const marginal = gaussianMixture([{ weight: 1, mean: [0], covariance: 0.6 * 4 + 0.4 }]);
    const given = gaussianMixture([{ weight: 1, mean: [(Math.sqrt(0.6) * c) / 3], covariance: 0.6 * 3 + 0.4 }]);
    const difference = evaluate(given, [x]).score[0] - evaluate(marginal, [x]).score[0];
    close(onToken.get(0, 0) * x + onCondition.get(0, 0) * c, difference, 1e-14);
  });

  it('at the stationary law the gradient energy is the condition error tr(1/noise) - tr(1/marginal)', () => {
    const joint = jointFromCorrelations([0.9, 0.5], key(4));
    const trace = (covariance: Matrix) => {
      const [[a, b], [c, d]] = Matrix.add(Matrix.mul(covariance, 0.7), Matrix.eye(2).mul(0.3)).to2DArray();
      return (a + d) / (a * d - b * c);
    };
    const expected = trace(joint.tokenNoise) - trace(joint.token);
    close(gradientEnergy(linearControl(joint, 0.7), stationaryLaw(joint)), expected, 1e-12);
  });

  it('one dimension: excess energy and law decay as powers of r^2', () => {
    const joint = jointGaussian(scalar(1), scalar(1), scalar(0.8));
    const laws = conditionLaws(joint, { mean: scalar(3), covariance: scalar(0.2) }, 6);
    const control = linearControl(joint, 0.9);
    const floor = gradientEnergy(control, stationaryLaw(joint));
    const excess = laws.map((law) => gradientEnergy(control, law) - floor);
    laws.forEach((law, k) => {
      close(law.mean.get(0, 0), 3 * 0.64 ** k, 1e-14);
      close(law.covariance.get(0, 0), 1 - 0.8 * 0.64 ** (2 * k), 1e-14);
      close(excess[k], excess[0] * 0.64 ** (2 * k), 1e-12);
    });
  });

  it('the energy falls from an erroneous condition, rises from one without spread, and the law settles in both', () => {
    const joint = jointFromCorrelations([0.9, 0.7], key(2));
    const control = linearControl(joint, 0.8);
    const stationary = stationaryLaw(joint);
    const narrow = { mean: Matrix.zeros(2, 1), covariance: Matrix.eye(2).mul(1e-6) };
    const runs = [erroneousStart(joint, 3), narrow].map((start) => conditionLaws(joint, start, 40));
    const [far, near] = runs.map((laws) => laws.map((law) => gradientEnergy(control, law)));
    for (let k = 0; k < 40; k++) {
      assert.ok(far[k + 1] < far[k]);
      assert.ok(near[k + 1] > near[k]);
      for (const laws of runs) {
        assert.ok(normalDivergence(laws[k + 1], stationary) < normalDivergence(laws[k], stationary));
      }
    }
  });

  it('the simulated chain agrees with the closed form in every step', () => {
    const joint = jointFromCorrelations([0.8, 0.6, 0.2], key(9));
    const start = erroneousStart(joint, 3);
    const { energies, conditions, tokens } = simulateDenoising(joint, start, key(1), {
      steps: 4,
      samples: 8000,
      alphaBar: 0.7,
    });
    const control = linearControl(joint, 0.7);
    conditionLaws(joint, start, 4).forEach((law, k) => {
      const { value, error } = meanWithError(energies[k]);
      assert.ok(Math.abs(value - gradientEnergy(control, law)) < 4 * error, `energy at step ${k}`);
      const first = meanWithError(conditions[k].getRow(0));
      assert.ok(Math.abs(first.value - law.mean.get(0, 0)) < 4 * first.error, `mean at step ${k}`);
      const token = meanWithError(tokens[k].getRow(0));
      const decoded = joint.decode.mmul(law.mean).get(0, 0);
      assert.ok(Math.abs(token.value - decoded) < 4 * token.error, `token at step ${k}`);
    });
  });

  it('refuses blocks that are no joint law', () => {
    assert.throws(() => jointGaussian(scalar(1), scalar(1), scalar(1.1)), InvalidInputError);
    assert.throws(() => jointGaussian(scalar(1), Matrix.eye(2), scalar(0.1)), /cross 1x1/);
  });

  it('the claim holds, whatever the seed', () => assertVerdict(checkProposition1, 'holds', [0, 1, 5]));
});
