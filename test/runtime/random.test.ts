import { strict as assert } from 'node:assert';
import {
  bits,
  categorical,
  foldIn,
  key,
  normal,
  permutation,
  split,
  threefry,
  truncatedNormal,
  uniform,
} from '../../src/runtime/random';

describe('runtime/random', () => {
  // Known-answer vectors of the Random123 distribution (threefry2x32, 20 rounds).
  for (const [counter, seed, expected] of [
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x243f6a88, 0x85a308d3],
      [0x13198a2e, 0x03707344],
      [0xc4923a9c, 0x483df7a0],
    ],
  ] as const) {
    it(`threefry matches the published vector ${expected[0].toString(16)}`, () => {
      const out = new Uint32Array(2);
      threefry(seed, counter[0], counter[1], out, 0);
      assert.deepEqual([...out], [...expected]);
    });
  }

  it('is a pure function of its key, and different keys differ', () => {
    assert.deepEqual(normal(key(7), 9), normal(key(7), 9));
    const draws = [key(0), key(1), ...split(key(0), 3), foldIn(key(0), 1), foldIn(key(0), 'noise')].map((k) =>
      bits(k, 2).join(),
    );
    assert.equal(new Set(draws).size, draws.length);
  });

  it('a shorter draw is the beginning of a longer one', () => {
    assert.deepEqual([...bits(key(3), 5)], [...bits(key(3), 8).subarray(0, 5)]);
  });

  it('normal numbers have the moments of the normal law', () => {
    const n = 200_000;
    const z = normal(key(11), n);
    const moment = (p: number) => z.reduce((sum, x) => sum + x ** p, 0) / n;
    // 5 standard errors: var(z)=1, var(z^2)=2, var(z^3)=15, var(z^4)=96
    assert.ok(Math.abs(moment(1)) < 5 * Math.sqrt(1 / n));
    assert.ok(Math.abs(moment(2) - 1) < 5 * Math.sqrt(2 / n));
    assert.ok(Math.abs(moment(3)) < 5 * Math.sqrt(15 / n));
    assert.ok(Math.abs(moment(4) - 3) < 5 * Math.sqrt(96 / n));
  });

  it('uniform, truncated and categorical draws stay in range with the right frequencies', () => {
    assert.ok(uniform(key(1), 1000, -2, 3).every((u) => u >= -2 && u < 3));
    assert.ok(truncatedNormal(key(2), 1000, 1, 0.25, 0.7, 1).every((x) => x >= 0.7 && x <= 1));
    const counts = [0, 0, 0];
    for (const i of categorical(key(3), 30_000, [1, 0, 2])) counts[i]++;
    assert.equal(counts[1], 0);
    assert.ok(Math.abs(counts[0] - 10_000) < 5 * Math.sqrt(30_000 * (1 / 3) * (2 / 3)));
  });

  it('a permutation holds every index once', () => {
    assert.deepEqual(
      [...permutation(key(5), 100)].sort((a, b) => a - b),
      Array.from({ length: 100 }, (_, i) => i),
    );
  });
});
