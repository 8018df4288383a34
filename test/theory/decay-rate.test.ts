import { strict as assert } from 'node:assert';
import { spectralRadius } from '../../src/theory/autoregression';
import {
  checkTheorem2Constants,
  checkTheorem2Rate,
  oscillatingCoefficients,
  proofFactor,
  radiusHolding,
  sampledDecayRate,
} from '../../src/theory/decay-rate';

describe('theory/decay-rate', () => {
  it('coefficients with a complex pair have its modulus as spectral radius', () => {
    for (const angle of [0.3, 1.1, 2.5]) {
      assert.ok(Math.abs(spectralRadius(oscillatingCoefficients(0.8, angle)) - 0.8) < 1e-12);
    }
  });

  it('without noise the fitted rate is the radius, to rounding, although the mean oscillates', () => {
    const coefficients = oscillatingCoefficients(0.7, 1.3);
    const plan = { samples: 20, steps: 14, from: 2, seed: 0 };
    const { value } = sampledDecayRate({ coefficients, noise: 0, start: [1, 2] }, coefficients, plan);
    assert.ok(Math.abs(value - 0.7) < 1e-9, `${value}`);
  });

  it('Theorem 2, rate: holds at the spectral radius and fails 0.03 beside it, on either side', () => {
    for (const seed of [0, 1, 2]) assert.equal(checkTheorem2Rate({ seed }).verdict, 'holds', `seed ${seed}`);
    assert.equal(checkTheorem2Rate({ claimed: 0.03 }).verdict, 'fails');
    assert.equal(checkTheorem2Rate({ claimed: -0.03 }).verdict, 'fails');
  });

  it('radius of a ball that holds a stated mass: closed form in the plane, tables on the line', () => {
    assert.ok(Math.abs(radiusHolding(0.01, 2) - Math.sqrt(-2 * Math.log(0.01))) < 1e-7);
    assert.ok(Math.abs(radiusHolding(0.05, 1) - 1.959963984540054) < 1e-7);
  });

  it('the factor of the proof in the plane is that of delta = the mass left out', () => {
    // There exp(-r^2 / 2) is the mass outside: 100 + exp(-1) 10^4.
    assert.ok(Math.abs(proofFactor(2, 0.01) / (100 + 1e4 / Math.E) - 1) < 1e-6);
  });

  it('Theorem 2, constants: far too large on 99 % of the mass, within a hundred times on a tenth of it', () => {
    assert.equal(checkTheorem2Constants().verdict, 'fails');
    assert.equal(checkTheorem2Constants({ outside: 0.9 }).verdict, 'holds');
  });
});
