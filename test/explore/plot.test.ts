import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import { logTicks } from '../../src/explore/page/plot';

describe('ticks of a logarithmic axis', () => {
  it('are round numbers, written out', () => {
    assert.deepEqual(logTicks([0.03, 2.5]).ticktext, ['0.05', '0.1', '0.2', '0.5', '1', '2']);
    assert.deepEqual(logTicks([0.001, 20]).ticktext, ['0.001', '0.01', '0.1', '1', '10']);
    assert.deepEqual(logTicks([0.0062, 0.017]).ticktext, ['0.007', '0.01', '0.015']);
  });

  it('lie in the range, in order, neither too few nor too many', () => {
    const range = fc.tuple(fc.double({ min: -6, max: 4, noNaN: true }), fc.double({ min: 0.4, max: 8, noNaN: true }));
    fc.assert(
      fc.property(range, ([power, decades]) => {
        const [low, high] = [10 ** power, 10 ** (power + decades)];
        const { tickvals } = logTicks([low, high]);
        assert.ok(tickvals.every((value, i) => value >= low && value <= high && (i === 0 || value > tickvals[i - 1])));
        assert.ok(tickvals.length >= 2 && tickvals.length <= 10, `${tickvals}`);
      }),
    );
  });
});
