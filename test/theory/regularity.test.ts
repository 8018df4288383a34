import { strict as assert } from 'node:assert';
import { InvalidInputError } from '../../src/runtime/errors';
import { key } from '../../src/runtime/random';
import { planarExample } from '../../src/theory/example-mixtures';
import { conditional, diffuse, gaussianMixture } from '../../src/theory/gaussian-mixture';
import { jointFromCorrelations, linearControl } from '../../src/theory/patch-denoising';
import {
  bimodalSlope,
  checkLemma4,
  checkLemma5,
  checkLemma8,
  conditionLipschitz,
  gradientBound,
  logDeltaForMass,
  lowerBoundFailure,
  sampledLipschitz,
  steepness,
} from '../../src/theory/regularity';
import { assertVerdict, close } from './helpers';

describe('theory/regularity', () => {
  it('the lower bound of a planar normal law fails outside a circle with mass 2 pi v delta', () => {
    const law = gaussianMixture([{ weight: 1, mean: [1, -2], covariance: 2 }]);
    const delta = 1e-3;
    const { innerRadius, outerRadius, massBelow } = lowerBoundFailure(law, delta, key(1));
    // exp(-r^2 / 4) / (4 pi) = delta, and P(R > r) = exp(-r^2 / 4).
    const radius = Math.sqrt(-4 * Math.log(4 * Math.PI * delta));
    close(innerRadius, radius, 1e-9);
    close(outerRadius, radius, 1e-9);
    assert.ok(Math.abs(massBelow.value - 4 * Math.PI * delta) < 4 * massBelow.error);
  });

  it('a bound above the density at the mean fails from radius zero, between modes too', () => {
    const law = gaussianMixture([
      { weight: 1, mean: [-5], covariance: 1 },
      { weight: 1, mean: [5], covariance: 1 },
    ]);
    const { innerRadius, outerRadius } = lowerBoundFailure(law, 1e-3, key(1), { samples: 100 });
    assert.equal(innerRadius, 0);
    // Beyond the mode at 5 only its own half counts: 0.5 phi(r - 5) = delta.
    close(outerRadius, 5 + Math.sqrt(-2 * Math.log(1e-3 * 2 * Math.sqrt(2 * Math.PI))), 1e-9);
    assert.throws(() => lowerBoundFailure(law, 0, key(1)), InvalidInputError);
  });

  it('delta for a share of the mass: closed form in the plane, smaller with every dimension', () => {
    // In the plane P(p >= delta) = 1 - 2 pi v delta.
    close(logDeltaForMass(2, 1.5, 0.99), Math.log(0.01 / (2 * Math.PI * 1.5)), 1e-9);
    const deltas = [1, 2, 4, 8, 16, 64].map((d) => logDeltaForMass(d, 1, 0.99));
    assert.ok(deltas.every((delta, i) => i === 0 || delta < deltas[i - 1]));
  });

  it('the gradient bound is attained by the noise itself and by no diffused law exceeded', () => {
    // A grid of spacing 0.025 misses the steepest circle by at most a second-order 3e-4.
    const noise = gaussianMixture([{ weight: 1, mean: [0, 0], covariance: 0.4 }]);
    const { gradient } = steepness(noise, 1e-3, 255);
    close(gradient, gradientBound(2, 0.4), 3e-4);
    assert.ok(gradient <= gradientBound(2, 0.4));
    for (const alphaBar of [0.9, 0.5]) {
      for (let c = 0; c < 3; c++) {
        const law = conditional(diffuse(planarExample(), alphaBar), c);
        assert.ok(steepness(law, 1e-3, 101).gradient < gradientBound(2, 1 - alphaBar));
      }
    }
    // In one dimension the steepest slope of N(0, v) is exp(-1/2) / (v sqrt(2 pi)).
    close(gradientBound(1, 2), Math.exp(-0.5) / (2 * Math.sqrt(2 * Math.PI)), 1e-15);
  });

  it('the largest score where p >= delta is that on the boundary of the disc', () => {
    const law = gaussianMixture([{ weight: 1, mean: [0, 0], covariance: 1 }]);
    const radius = Math.sqrt(-2 * Math.log(2 * Math.PI * 1e-3));
    // Grid of spacing 0.06 over the disc: the outermost point inside is within one diagonal of the boundary.
    const { scoreAboveDelta } = steepness(law, 1e-3, 161);
    assert.ok(scoreAboveDelta <= radius && scoreAboveDelta > radius - 0.09);
  });

  it('Lipschitz constants in the condition: one dimension by hand, and reached but not exceeded by pairs', () => {
    const joint = jointFromCorrelations([0.6], key(1), 1);
    // Unit variances: x_t | c ~ N(sqrt(a) 0.6 c, a 0.64 + 1 - a) up to the sign of the coordinates.
    const [a, v] = [0.5, 0.5 * 0.64 + 0.5];
    const { score, density } = conditionLipschitz(linearControl(joint, a));
    close(score, (Math.sqrt(a) * 0.6) / v, 1e-13);
    close(density, (Math.sqrt(a) * 0.6 * Math.exp(-0.5)) / (v * Math.sqrt(2 * Math.PI)), 1e-13);
    const wide = linearControl(jointFromCorrelations([0.9, 0.4], key(2)), 0.8);
    const bound = conditionLipschitz(wide);
    const found = sampledLipschitz(wide, key(3), 3000);
    assert.ok(found.score <= bound.score * (1 + 1e-9) && found.score > 0.99 * bound.score);
    assert.ok(found.density <= bound.density && found.density > 0.9 * bound.density);
  });

  it('a condition that turns the line between two modes has no global Lipschitz constant', () => {
    for (const radius of [1, 7, 40]) close(bimodalSlope(radius, 1.5), 1.5 * radius, 1e-5);
  });

  it('Lemma 4 reports its violated assumption; Lemmas 5 and 8 hold, whatever the seed', () => {
    assertVerdict(checkLemma4, 'assumption violated');
    assert.equal(checkLemma4().violations?.length, 2);
    assertVerdict(checkLemma5, 'holds', [0]);
    assertVerdict(checkLemma8, 'holds', [0, 1, 2, 3]);
  });
});
