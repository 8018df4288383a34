import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { correctedVerdict, verdictOf } from '../../src/metrics/verdict';

describe('metrics/verdict', () => {
  it('decides only when the whole interval is on one side', () => {
    assert.equal(verdictOf({ low: -2, high: -1 }, 'lower'), 'holds');
    assert.equal(verdictOf({ low: 1, high: 2 }, 'lower'), 'fails');
    assert.equal(verdictOf({ low: -1, high: 2 }, 'lower'), 'undecided');
    assert.equal(verdictOf({ low: 0, high: 0 }, 'lower'), 'undecided');
    assert.equal(verdictOf({ low: 1.2, high: 2 }, 'higher', 1), 'holds');
    assert.equal(verdictOf({ low: 0.8, high: 2 }, 'higher', 1), 'undecided');
  });

  it('is symmetric: what is better higher is better lower with the sign changed', () => {
    const real = fc.double({ min: -5, max: 5, noNaN: true });
    fc.assert(
      fc.property(real, real, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        assert.equal(verdictOf({ low, high }, 'higher'), verdictOf({ low: -high, high: -low }, 'lower'));
      }),
    );
  });

  it('after a correction for many comparisons only a small p-value decides', () => {
    assert.equal(correctedVerdict('fails', 0.4), 'undecided');
    assert.equal(correctedVerdict('holds', 0.05), 'undecided');
    assert.equal(correctedVerdict('holds', 0.049), 'holds');
    assert.equal(correctedVerdict('undecided', 0.001), 'undecided');
  });
});
