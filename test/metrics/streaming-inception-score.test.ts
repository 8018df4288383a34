import { strict as assert } from 'node:assert';
import type { Features } from '../../src/metrics/features';
import { inceptionScore, softmaxRows } from '../../src/metrics/inception-score';
import { StreamingInceptionScore } from '../../src/metrics/streaming-inception-score';
import { key, normal, permutation } from '../../src/runtime/random';

describe('metrics/streaming-inception-score', () => {
  const rows = (count: number): Features => softmaxRows({ data: normal(key(count), count * 4), count, dimension: 4 });
  /** The rows at some places. */
  const at = ({ data, dimension }: Features, places: ArrayLike<number>): Features => ({
    data: Float64Array.from(
      { length: places.length * dimension },
      (_, i) => data[places[Math.floor(i / dimension)] * dimension + (i % dimension)],
    ),
    count: places.length,
    dimension,
  });
  /** The score of rows that come one by one in an order. */
  const inOrder = (all: Features, keys: ArrayLike<number>, order: ArrayLike<number>, splits: number) => {
    const score = new StreamingInceptionScore(4, splits);
    for (const i of Array.from(order)) score.add(at(all, [i]), [keys[i]]);
    return score.finish()!;
  };

  it('is the score of consecutive parts once rows are sorted by their keys, in whatever order they come', () => {
    const count = 100;
    const all = rows(count);
    const rank = permutation(key(3), count);
    const keys = Float64Array.from(rank, (r) => (r + 0.5) / count);
    const sorted = new Int32Array(count);
    rank.forEach((r, i) => {
      sorted[r] = i;
    });
    const expected = inceptionScore(at(all, sorted), 10);
    for (const order of [Array.from({ length: count }, (_, i) => i), permutation(key(4), count)]) {
      const got = inOrder(all, keys, order, 10);
      // the same sums in another order
      got.perSplit.forEach((x, s) => assert.ok(Math.abs(x - expected.perSplit[s]) < 1e-12, `part ${s}`));
      assert.ok(Math.abs(got.mean - expected.mean) < 1e-12 && Math.abs(got.std - expected.std) < 1e-12);
    }
  });

  it('parts hold about equal numbers of rows, whatever their number', () => {
    for (const count of [20, 23, 57]) {
      const all = rows(count);
      const keys = Float64Array.from(permutation(key(count), count), (r) => (r + 0.5) / count);
      const { perSplit } = inOrder(all, keys, permutation(key(1), count), 10);
      assert.equal(perSplit.length, 10);
      const certain: Features = {
        data: Float64Array.from({ length: 4 * count }, (_, i) => Number(i % 4 === 0)),
        count,
        dimension: 4,
      };
      assert.ok(inOrder(certain, keys, permutation(key(1), count), 10).perSplit.every((x) => Math.abs(x - 1) < 1e-12));
    }
  });

  it('is not defined for fewer than two images a part; equal images share one', () => {
    const score = new StreamingInceptionScore(4, 10);
    assert.equal(score.needed, 20);
    const keys = Float64Array.from({ length: 19 }, (_, i) => i / 19);
    score.add(rows(19), keys);
    assert.equal(score.finish(), undefined);
    score.add(rows(1), [0.99]);
    assert.equal(score.finish()!.perSplit.length, 10);
    const same = new StreamingInceptionScore(4, 10);
    same.add(rows(30), new Float64Array(30).fill(0.3));
    assert.equal(same.finish()!.perSplit.length, 1);
  });

  it('refuses rows that do not fit their keys', () => {
    const score = new StreamingInceptionScore(4);
    assert.throws(() => score.add(rows(3), [0.1, 0.2]), /3 rows of 4 classes with 2 keys/);
    assert.throws(() => score.add(rows(1), [1]), /a key in \[0, 1\)/);
    assert.throws(() => new StreamingInceptionScore(4, 0), /splits = 0/);
  });
});
