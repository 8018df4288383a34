import { strict as assert } from 'node:assert';
import { createDiffusion } from '../../src/diffusion/gaussian-diffusion';
import {
  checkAssumption1,
  checkAssumption2,
  checkAssumption3,
  checkAssumption4,
  reverseNonGaussianity,
} from '../../src/theory/assumptions';

describe('theory/assumptions', () => {
  const { tables } = createDiffusion({ trainSteps: 25 });

  it('the reverse transition of a single Gaussian is Gaussian, and that of two bumps is not', () => {
    for (const step of [1, 8, 24]) {
      // Trapezoidal rule on 401 points over 16 standard deviations.
      assert.ok(reverseNonGaussianity({ means: [0.7], deviation: 0.3 }, tables, step) < 1e-9);
    }
    assert.ok(reverseNonGaussianity({ means: [-1, 1], deviation: 0.2 }, tables, 12) > 1e-3);
  });

  it('is the total variation of a mixture of two by hand where the noise says nothing', () => {
    // With beta = 0.999 the transition is p_{t-1} itself, here two bumps at +- sqrt(0.9) of variance 0.136: by a fine sum.
    const [before, beta] = [0.9, 1 - 1e-9];
    const made = { ...tables, betas: Float64Array.of(beta), alphaBarPrevious: Float64Array.of(before) };
    const found = reverseNonGaussianity({ means: [-1, 1], deviation: 0.2 }, made, 0);
    const variance = before * 0.04 + 1 - before;
    const at = (x: number, mean: number, v: number) =>
      Math.exp(-((x - mean) ** 2) / (2 * v)) / Math.sqrt(2 * Math.PI * v);
    let half = 0;
    for (let x = -8; x < 8; x += 1e-3) {
      const mixture = (at(x, Math.sqrt(before), variance) + at(x, -Math.sqrt(before), variance)) / 2;
      half += (1e-3 / 2) * Math.abs(mixture - at(x, 0, variance + before));
    }
    assert.ok(Math.abs(found - half) < 1e-3, `${found} ${half}`); // 401 points against 16,000, and a beta that is not quite 1
  });

  it('Assumption 1 holds for the forward process, and fails for one with a memory of two steps', () => {
    for (const seed of [0, 1]) assert.equal(checkAssumption1({ seed }).verdict, 'holds');
    assert.equal(checkAssumption1({ memory: 0.2 }).verdict, 'fails');
  });

  it('Assumption 2 holds for the cosine schedule, and fails where steps do not become smaller', () => {
    assert.equal(checkAssumption2().verdict, 'holds');
    const constant = (steps: number) => {
      const { tables } = createDiffusion({ trainSteps: steps });
      return { ...tables, betas: tables.betas.map(() => 0.5), alphaBarPrevious: tables.betas.map((_, t) => 0.5 ** t) };
    };
    assert.equal(checkAssumption2({ schedule: constant }).verdict, 'fails');
  });

  it('Assumption 3 is violated by the cap of beta, and holds for a schedule without it', () => {
    const { verdict, measured } = checkAssumption3();
    assert.equal(verdict, 'assumption violated');
    assert.ok(Math.abs(measured - 0.999) < 1e-4);
    const small = (steps: number) => {
      const { tables } = createDiffusion({ trainSteps: steps });
      return { ...tables, posteriorVariance: tables.betas.map(() => 10 / steps) };
    };
    assert.equal(checkAssumption3({ schedule: small }).verdict, 'holds');
  });

  it('Assumption 4: three quarters of the square are stable, all of it below one half', () => {
    for (const seed of [0, 1, 2]) {
      const { verdict, measured, error } = checkAssumption4({ seed });
      assert.equal(verdict, 'fails');
      // The triangle |a_1| + a_2 < 1, a_2 > -1 has 3/4 of the square; chains too near its edge have not forgotten after 240 steps.
      assert.ok(measured < 0.75 + 4 * error && measured > 0.72 - 4 * error, `${measured}`);
      assert.equal(checkAssumption4({ seed, box: 0.45 }).verdict, 'holds');
    }
  });
});
