import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { InvalidInputError } from '../../src/runtime/errors';
import { claimResult, INTERVAL_WIDTH, type Relation } from '../../src/theory/claim';

const evidence = { id: 'theorem-1', detail: '' } as const;
const verdict = (measured: number, error: number, relation: Relation, value: number, more = {}) =>
  claimResult({ ...evidence, measured, error, expected: { relation, value }, ...more }).verdict;

describe('theory/claim', () => {
  it('decides an inequality only when the whole interval is on one side', () => {
    assert.equal(verdict(1, 0.1, '<=', 1 + 0.1 * INTERVAL_WIDTH + 0.01), 'holds');
    assert.equal(verdict(1, 0.1, '<=', 1 + 0.1 * INTERVAL_WIDTH - 0.01), 'undecided');
    assert.equal(verdict(1, 0.1, '<=', 1 - 0.1 * INTERVAL_WIDTH - 0.01), 'fails');
    assert.equal(verdict(1, 0.1, '>=', 0.5), 'holds');
    assert.equal(verdict(1, 0.1, '>', 1.5), 'fails');
  });

  it('lets exact numbers touch a weak bound but not a strict one', () => {
    assert.equal(verdict(2, 0, '<=', 2), 'holds');
    assert.equal(verdict(2 + 1e-12, 0, '<=', 2), 'holds');
    assert.equal(verdict(2, 0, '<', 2), 'fails');
    assert.equal(verdict(2 + 1e-6, 0, '<=', 2), 'fails');
  });

  it('calls an equality undecided when the interval is too wide to refute it', () => {
    assert.equal(verdict(1.01, 0.005, '=', 1), 'holds');
    assert.equal(verdict(1.05, 0.005, '=', 1), 'fails');
    assert.equal(verdict(1.5, 0.5, '=', 1), 'undecided');
    assert.equal(verdict(1.5, 0.5, '=', 1, { resolution: 3 }), 'holds');
    // Too wide to confirm, and clear of the value all the same.
    assert.equal(verdict(9, 0.5, '=', 1), 'fails');
  });

  it('an expected 0 states its resolution, and can be undecided', () => {
    assert.throws(() => verdict(0.1, 0.5, '=', 0), InvalidInputError);
    assert.equal(verdict(0.1, 0.5, '=', 0, { resolution: 1 }), 'undecided');
    assert.equal(verdict(0.001, 0.002, '=', 0, { resolution: 0.01 }), 'holds');
    assert.equal(verdict(0.1, 0.002, '=', 0, { resolution: 0.01 }), 'fails');
  });

  it('reports a violated assumption before the number', () => {
    const result = claimResult({
      ...evidence,
      measured: 3,
      expected: { relation: '<=', value: 2 },
      violations: ['density has no lower bound'],
    });
    assert.equal(result.verdict, 'assumption violated');
    assert.equal(result.margin, -1);
  });

  it('is symmetric: negating both numbers swaps <= and >=', () => {
    const real = fc.double({ min: -10, max: 10, noNaN: true });
    fc.assert(
      fc.property(real, fc.double({ min: 0, max: 1, noNaN: true }), real, (m, e, v) => {
        assert.equal(verdict(m, e, '<=', v), verdict(-m, e, '>=', -v));
        assert.equal(verdict(m, e, '<', v), verdict(-m, e, '>', -v));
      }),
    );
  });

  it('refuses to judge NaN', () => {
    assert.throws(() => verdict(Number.NaN, 0, '=', 1), InvalidInputError);
    assert.throws(() => verdict(0, -1, '=', 1), InvalidInputError);
  });
});
