import { strict as assert } from 'node:assert';
import {
  checkAssumption1,
  checkAssumption2,
  checkAssumption3,
  checkAssumption4,
  radiusHolding,
} from '../../src/theory/assumptions';

describe('theory/assumptions', () => {
  it('radius of a ball that holds a stated mass: closed form in the plane, tables on the line', () => {
    assert.ok(Math.abs(radiusHolding(0.01, 2) - Math.sqrt(-2 * Math.log(0.01))) < 1e-7);
    assert.ok(Math.abs(radiusHolding(0.05, 1) - 1.959963984540054) < 1e-7);
  });

  it('says of each assumption what is the case, for several seeds', () => {
    for (const seed of [0, 1, 2]) {
      assert.equal(checkAssumption1({ seed }).verdict, 'assumption violated');
      assert.equal(checkAssumption2({ seed }).verdict, 'assumption violated');
      assert.equal(checkAssumption3({ seed }).verdict, 'holds');
      assert.equal(checkAssumption4({ seed }).verdict, 'holds');
    }
  });

  it('the second lag explains what the partial autocorrelation says', () => {
    // Roots 0.8 and 0.5: the partial autocorrelation at lag 2 is a_2 = -0.4, so its square is 0.16 of the remaining variance.
    const { measured } = checkAssumption1({ seed: 3 });
    assert.ok(Math.abs(measured - 0.16) < 0.05, `${measured}`); // 4 standard errors of a squared correlation of 0.4 at n = 1600
  });
});
