import { strict as assert } from 'node:assert';
import { chiSquaredSurvival, logGamma, normalCdf } from '../../src/theory/special-functions';

describe('theory/special-functions', () => {
  const near = (got: number, expected: number, relative = 1e-12) =>
    assert.ok(Math.abs(got - expected) <= relative * Math.abs(expected), `${got} is not ${expected}`);

  it('log Gamma at integers and halves', () => {
    near(logGamma(11), Math.log(3628800));
    near(logGamma(0.5), Math.log(Math.sqrt(Math.PI)));
  });

  it('normal distribution function at tabulated points, in both tails', () => {
    // Abramowitz and Stegun, Table 26.1 and 26.2.
    near(normalCdf(1), 0.841344746068543);
    near(normalCdf(-3), 0.00134989803163009);
    near(normalCdf(-8), 6.22096057427178e-16, 1e-10);
    assert.equal(normalCdf(0), 0.5);
  });

  it('chi-squared survival: exponential for two degrees, 5 % points of the table', () => {
    near(chiSquaredSurvival(7, 2), Math.exp(-3.5));
    near(chiSquaredSurvival(3.841458820694124, 1), 0.05);
    near(chiSquaredSurvival(124.3421134004, 100), 0.05, 1e-8);
  });
});
