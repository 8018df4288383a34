import assert from 'node:assert/strict';
import fc from 'fast-check';
import { truncatedCdf, truncatedPdf, truncatedQuantile } from '../../../src/models/blocks/truncated-normal';
import {
  cosineMaskCounts,
  drawMaskRatio,
  drawOrders,
  guidanceAt,
  maskByOrder,
  maskedCount,
  placeTokens,
} from '../../../src/models/mar/masking';
import { InvalidInputError } from '../../../src/runtime/errors';
import { key } from '../../../src/runtime/random';

describe('masking', () => {
  it('every generation step has a token to predict and all are predicted', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }), (tokens, wish) => {
        const steps = Math.min(tokens, wish);
        const counts = cosineMaskCounts(tokens, steps);
        assert.equal(counts.length, steps);
        counts.slice(0, -1).forEach((count, i) => {
          assert.ok(count >= 1 && count < (counts[i - 1] ?? tokens));
        });
      }),
    );
    assert.throws(() => cosineMaskCounts(16, 17), InvalidInputError);
    assert.throws(() => cosineMaskCounts(16, 0), InvalidInputError);
  });

  it('orders are permutations, and masks are their first entries', () => {
    const orders = drawOrders(key(1), 3, 20);
    for (let s = 0; s < 3; s++) {
      assert.deepEqual(
        [...orders.slice(s * 20, (s + 1) * 20)].sort((a, b) => a - b),
        [...Array(20).keys()],
      );
    }
    assert.notDeepEqual([...orders.slice(0, 20)], [...orders.slice(20, 40)]);
    const mask = maskByOrder(orders, 20, 7);
    assert.equal(
      mask.slice(20, 40).reduce((sum, m) => sum + m, 0),
      7,
    );
    assert.ok([...orders.slice(40, 47)].every((token) => mask[40 + token] === 1));
  });

  it('placement takes apart and puts together', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 4 }),
        fc.nat(),
        (batch, tokens, buffer, seed) => {
          const count = seed % (tokens + 1);
          const mask = maskByOrder(drawOrders(key(seed), batch, tokens), tokens, count);
          const { kept, filled, source, wanted, wantedSource } = placeTokens(mask, tokens, buffer);
          assert.equal(kept.length, batch * (buffer + tokens - count));
          assert.deepEqual(
            [...kept, ...filled].sort((a, b) => a - b),
            [...source.keys()],
          );
          kept.forEach((place, row) => assert.equal(source[place], row));
          filled.forEach((place) => assert.equal(source[place], kept.length));
          wanted.forEach((token, row) => assert.ok(mask[token] === 1 && wantedSource[token] === row));
        },
      ),
      { numRuns: 50 },
    );
    assert.throws(() => placeTokens(Uint8Array.from([1, 0, 1, 1]), 2, 1), InvalidInputError);
  });

  it('linear guidance grows from near 1 to the full scale', () => {
    assert.equal(guidanceAt('linear', 4, 64, 0), 4);
    assert.equal(guidanceAt('linear', 4, 64, 64), 1);
    assert.equal(guidanceAt('linear', 4, 64, 32), 2.5);
    assert.equal(guidanceAt('constant', 4, 64, 63), 4);
  });

  it('linear guidance is rounded to float32 at every operation, as the reference does', () => {
    // numpy: 1 + (scale - 1) * (tokens - np.array([masked], np.float32)) / tokens; in float64 each of them rounds to its neighbour
    const recorded: [scale: number, tokens: number, masked: number, guidance: number][] = [
      [2.9, 60, 3, 2.804999828338623],
      [2.9, 60, 5, 2.741666793823242],
      [2.9, 100, 6, 2.7859997749328613],
      [2.9, 100, 14, 2.633999824523926],
      [3, 60, 4, 2.866666793823242],
      [3.1, 256, 2, 3.0835936069488525],
    ];
    for (const [scale, tokens, masked, guidance] of recorded) {
      assert.equal(guidanceAt('linear', scale, tokens, masked), guidance, `${scale}, ${masked} of ${tokens} masked`);
    }
  });

  it('mask ratios follow their law', () => {
    const law = { mean: 1, std: 0.25, low: 0.7, high: 1 };
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (p) => {
        assert.ok(Math.abs(truncatedCdf(law, truncatedQuantile(law, p)) - p) < 1e-12);
      }),
    );
    const step = 1e-5;
    const slope = (truncatedCdf(law, 0.8 + step) - truncatedCdf(law, 0.8 - step)) / (2 * step);
    assert.ok(Math.abs(slope / truncatedPdf(law, 0.8) - 1) < 1e-8);
    assert.equal(truncatedPdf(law, 0.5), 0);
    // Far out, where 1 - Phi has lost its digits: upper tails of the normal law at 6, 6.5 and 7 from tables.
    const [at6, between, at7] = [9.865876450376946e-10, 4.016000583859118e-11, 1.279812543885835e-12];
    const far = truncatedCdf({ mean: 0, std: 1, low: 6, high: 7 }, 6.5);
    assert.ok(Math.abs(far / ((at6 - between) / (at6 - at7)) - 1) < 1e-12, `${far}`);
    const ratios = Array.from({ length: 2000 }, (_, i) =>
      drawMaskRatio(key(i), { maskRatioMin: 0.7, maskRatioStd: 0.25 }),
    );
    const mean = ratios.reduce((sum, r) => sum + r, 0) / ratios.length;
    // mean and standard deviation from the recorded law; four standard errors
    assert.ok(Math.abs(mean - 0.8670173473) < (4 * 0.0835482799) / Math.sqrt(2000), `${mean}`);
    assert.equal(maskedCount(64, 0.7), 45);
  });
});
