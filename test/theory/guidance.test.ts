import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { meanWithError } from '../../src/metrics/confidence';
import { InvalidInputError } from '../../src/runtime/errors';
import { key } from '../../src/runtime/random';
import { halfWidth } from '../../src/theory/claim';
import { planarExample } from '../../src/theory/example-mixtures';
import { diffuse, evaluate, gaussianMixture } from '../../src/theory/gaussian-mixture';
import {
  checkLemma2,
  checkLemma2Norms,
  controlErrors,
  controlTerm,
  differenceOfNorms,
  guidedScore,
  recoverControl,
  sampleGuided,
  tiltedLogDensity,
} from '../../src/theory/guidance';
import { assertVerdict, close, gradientOf } from './helpers';

const vector = fc.array(fc.double({ min: -10, max: 10, noNaN: true }), { minLength: 3, maxLength: 3 });

describe('theory/guidance', () => {
  it('two unit classes at -m and m: the control term is m (sign - tanh m x)', () => {
    const law = gaussianMixture([
      { weight: 1, mean: [-2], covariance: 1, label: 0 },
      { weight: 1, mean: [2], covariance: 1, label: 1 },
    ]);
    close(controlTerm(evaluate(law, [0.3]), 1)[0], 2 * (1 - Math.tanh(0.6)), 1e-13);
    close(controlTerm(evaluate(law, [0.3]), 0)[0], 2 * (-1 - Math.tanh(0.6)), 1e-13);
  });

  it('scale 0 is the unconditional score, 1 the conditional one, and the guided score is the gradient of the tilted law', () => {
    const law = diffuse(planarExample(), 0.8);
    const x = Float64Array.of(0.5, 0.2);
    const at = evaluate(law, x);
    assert.deepEqual(guidedScore(at, 1, 0), at.score);
    guidedScore(at, 1, 1).forEach((s, i) => close(s, at.classScores[1][i], 1e-14));
    const gradient = gradientOf((y) => tiltedLogDensity(evaluate(law, y), 1, 3.5), x);
    guidedScore(at, 1, 3.5).forEach((s, i) => close(s, gradient[i], 1e-7));
  });

  it('recovers what made the scores from any two or more different scales', () => {
    fc.assert(
      fc.property(
        vector,
        vector,
        fc.uniqueArray(fc.integer({ min: -5, max: 9 }), { minLength: 2, maxLength: 6 }),
        (u, g, w) => {
          const found = recoverControl(
            w.map((scale) => u.map((value, i) => value + scale * g[i])),
            w,
          );
          g.forEach((value, i) => close(found.control[i], value, 1e-11));
          u.forEach((value, i) => close(found.unconditional[i], value, 1e-11));
          close(found.residual, 0, 1e-10);
        },
      ),
    );
  });

  it('one scale is not enough, and scores that are not of the guided form leave a residual', () => {
    assert.throws(() => recoverControl([[1], [1]], [2, 2]), InvalidInputError);
    assert.throws(() => recoverControl([[1]], [2]), /single scale/);
    // The parabola 0, 1, 4 over 0, 1, 2: the line of least squares -1/3 + 2 w leaves 1/3, -2/3, 1/3.
    const { residual } = recoverControl([[0], [1], [4]], [0, 1, 2]);
    close(residual, Math.sqrt(6 / 9 / 3), 1e-14);
  });

  it('errors of the control term are at the accuracy of finite differences', () => {
    const { recovery, mean, residual } = controlErrors(diffuse(planarExample(), 0.5), 50, key(1));
    assert.ok(recovery < 1e-7 && mean < 1e-13 && residual < 1e-13);
  });

  it('deterministic sampling with scale 1 draws from the class', () => {
    const clean = gaussianMixture([
      { weight: 1, mean: [-1, 0.5], covariance: 0.5, label: 0 },
      { weight: 1, mean: [2, 1], covariance: 0.25, label: 1 },
    ]);
    const count = 2000;
    const points = sampleGuided(clean, 1, 1, key(3), { count, steps: 60 });
    const x = points.filter((_, i) => i % 2 === 0);
    const { value, error } = meanWithError(x);
    // Sixty steps leave a bias of about a hundredth of a standard deviation.
    close(value, 2, halfWidth(error) + 0.01);
    close(meanWithError(x.map((v) => (v - 2) ** 2)).value, 0.25, 0.05);
  });

  it('the claim holds, whatever the seed', () => assertVerdict(checkLemma2, 'holds', [0, 1, 2]));

  it('the difference of norms is w^2 E||g||^2, the same for g turned, and for no g but itself does the distance vanish', () => {
    const mixture = diffuse(planarExample(), 0.4);
    for (const scale of [0.5, 3]) {
      const { difference, energy, apart } = differenceOfNorms(mixture, scale, (g) => Float64Array.of(-g[1], g[0]));
      // Quadrature of smooth functions; the cross term that must vanish is of the size of the scores.
      assert.ok(Math.abs(difference / energy - 1) < 1e-9);
      assert.ok(apart < 1e-9);
    }
    assertVerdict(checkLemma2Norms, 'fails', [0]);
    assert.equal(checkLemma2Norms({ other: (g) => g }).verdict, 'holds');
  });
});
