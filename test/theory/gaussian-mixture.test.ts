import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { InvalidInputError } from '../../src/runtime/errors';
import { key, normal } from '../../src/runtime/random';
import { planarExample, randomMixture } from '../../src/theory/example-mixtures';
import {
  classPrior,
  conditional,
  diffuse,
  evaluate,
  type GaussianMixture,
  gaussianMixture,
  logDensity,
  row,
  sampleMixture,
} from '../../src/theory/gaussian-mixture';
import { expectations } from '../../src/theory/quadrature';
import { close, gradientOf } from './helpers';

describe('theory/gaussian-mixture', () => {
  it('is the normal density for one component', () => {
    const law = gaussianMixture([
      {
        weight: 3,
        mean: [1, -2],
        covariance: [
          [2, 0.6],
          [0.6, 0.5],
        ],
      },
    ]);
    // Inverse of [[2, .6], [.6, .5]] is [[.5, -.6], [-.6, 2]] / 0.64; at offset (1, 1) the quadratic form is 1.3 / 0.64.
    close(logDensity(law, [2, -1]), -Math.log(2 * Math.PI) - 0.5 * Math.log(0.64) - 0.5 * (1.3 / 0.64), 1e-14);
    const at = evaluate(law, [2, -1]);
    close(at.score[0], -(0.5 - 0.6) / 0.64, 1e-14);
    close(at.score[1], -(-0.6 + 2) / 0.64, 1e-14);
    close(at.divergence, -2.5 / 0.64, 1e-13);
  });

  it('score, divergence and class scores are derivatives of the log-densities, in any dimension', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.nat(1000),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (d, seed, a) => {
          const law = diffuse(randomMixture(key(seed), { dimension: d, classes: 3, perClass: 2 }), a);
          const x = normal(key(seed + 1), d);
          const at = evaluate(law, x);
          close(at.logDensity, logDensity(law, x), 1e-12);
          // Central differences at 1e-5: truncation 1e-10 and rounding 1e-10, times third derivatives of up to a few hundred.
          const gradient = gradientOf((y) => logDensity(law, y), x);
          at.score.forEach((s, i) => close(s, gradient[i], 1e-6));
          const divergence = x.reduce((sum, _, i) => sum + gradientOf((y) => evaluate(law, y).score[i], x)[i], 0);
          close(at.divergence, divergence, 1e-5);
          for (let c = 0; c < 3; c++) {
            const ofClass = evaluate(conditional(law, c), x);
            close(at.classLogDensity[c], ofClass.logDensity, 1e-10);
            at.classScores[c].forEach((s, i) => close(s, ofClass.score[i], 1e-10));
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('the posterior over classes is Bayes rule and sums to one', () => {
    const law = planarExample();
    const prior = classPrior(law);
    close(
      prior.reduce((sum, p) => sum + p, 0),
      1,
      1e-15,
    );
    const x = [0.3, 0.1];
    const at = evaluate(law, x);
    at.classLogPosterior.forEach((log, c) => {
      const joint = Math.log(prior[c]) + logDensity(conditional(law, c), x);
      close(log, joint - logDensity(law, x), 1e-13);
    });
    close(
      at.classLogPosterior.reduce((sum, log) => sum + Math.exp(log), 0),
      1,
      1e-14,
    );
  });

  it('stays exact in the tails, where the density underflows', () => {
    const law = gaussianMixture([
      { weight: 1, mean: [0], covariance: 1, label: 0 },
      { weight: 1, mean: [1], covariance: 1, label: 1 },
    ]);
    const at = evaluate(law, [1000]);
    // Only the component at 1 matters: log p = log(1/2) - (999^2 + log 2 pi) / 2; class 0 is exp(-999.5) as likely.
    close(at.logDensity, Math.log(0.5) - 0.5 * (999 ** 2 + Math.log(2 * Math.PI)), 1e-9);
    close(at.score[0], -999, 1e-9);
    close(at.classScores[0][0], -1000, 1e-9);
    close(at.classLogPosterior[0], -999.5, 1e-9);
  });

  it('diffusing is convolving: moments, pure noise, and the density of noised draws', () => {
    const clean = planarExample();
    const noise = evaluate(diffuse(clean, 0), [0.4, -0.9]);
    close(noise.logDensity, -Math.log(2 * Math.PI) - 0.5 * (0.16 + 0.81), 1e-13);
    const law = diffuse(clean, 0.6);
    const moments = (of: GaussianMixture) =>
      expectations(of, [(x) => x[0], (x) => x[1], (x) => x[0] ** 2, (x) => x[0] * x[1]], 161);
    const [x0, y0, xx0, xy0] = moments(clean);
    const [x, y, xx, xy] = moments(law);
    close(x, Math.sqrt(0.6) * x0, 1e-12);
    close(y, Math.sqrt(0.6) * y0, 1e-12);
    close(xx, 0.6 * xx0 + 0.4, 1e-12);
    close(xy, 0.6 * xy0, 1e-12);
  });

  it('the density integrates to one and draws have its moments and class shares', () => {
    const law = planarExample();
    const [one, x2, xy] = expectations(law, [() => 1, (x) => x[0] ** 2, (x) => x[0] * x[1]]);
    close(one, 1, 1e-13);
    const n = 50_000;
    const { points, labels } = sampleMixture(law, key(5), n);
    let [sx2, sxy] = [0, 0];
    for (let k = 0; k < n; k++) {
      const p = row(points, k, 2);
      sx2 += p[0] ** 2 / n;
      sxy += (p[0] * p[1]) / n;
    }
    // Five standard errors; the variances of x^2 and xy under this law are below 20.
    close(sx2, x2, 5 * Math.sqrt(20 / n));
    close(sxy, xy, 5 * Math.sqrt(20 / n));
    classPrior(law).forEach((p, c) => {
      const share = labels.filter((label) => label === c).length / n;
      close(share, p, 5 * Math.sqrt((p * (1 - p)) / n));
    });
  });

  it('refuses what is no mixture, and names the component', () => {
    const rejected = [
      [{ weight: 0, mean: [0], covariance: 1 }],
      [
        {
          weight: 1,
          mean: [0, 0],
          covariance: [
            [1, 2],
            [2, 1],
          ],
        },
      ],
      [
        {
          weight: 1,
          mean: [0, 0],
          covariance: [
            [1, 0.5],
            [0.4, 1],
          ],
        },
      ],
      [
        { weight: 1, mean: [0], covariance: 1 },
        { weight: 1, mean: [0, 1], covariance: 1 },
      ],
      [{ weight: 1, mean: [0], covariance: 1, label: 1 }],
      [],
    ];
    for (const inputs of rejected) assert.throws(() => gaussianMixture(inputs), InvalidInputError);
    assert.throws(() => diffuse(planarExample(), 1.5), /alphaBar = 1.5/);
    assert.throws(
      () => expectations(randomMixture(key(0), { dimension: 3, classes: 1 }), [() => 1]),
      InvalidInputError,
    );
  });
});
