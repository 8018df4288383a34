import { strict as assert } from 'node:assert';
import type { Features } from '../../src/metrics/features';
import { inceptionScore, softmaxRows } from '../../src/metrics/inception-score';
import { StreamingInceptionScore } from '../../src/metrics/streaming-inception-score';
import { key, normal } from '../../src/runtime/random';

describe('metrics/streaming-inception-score', () => {
  const rows = (count: number): Features => softmaxRows({ data: normal(key(count), count * 4), count, dimension: 4 });
  const part = ({ data, dimension }: Features, from: number, to: number): Features => ({
    data: data.slice(from * dimension, to * dimension),
    count: to - from,
    dimension,
  });

  it('is the score of all rows at once, however they come and also where parts are unequal', () => {
    for (const [count, splits] of [
      [100, 10],
      [23, 10],
      [7, 7],
      [5, 1],
    ]) {
      // biome-ignore format: a table
      const all = rows(count);
      const streamed = new StreamingInceptionScore(4, count, splits);
      for (let at = 0; at < count; at += 3) streamed.add(part(all, at, Math.min(count, at + 3)));
      const [got, expected] = [streamed.finish(), inceptionScore(all, splits)];
      assert.equal(got.perSplit.length, splits);
      got.perSplit.forEach((x, s) => assert.ok(Math.abs(x - expected.perSplit[s]) < 1e-12, `part ${s} of ${count}`));
      assert.ok(Math.abs(got.mean - expected.mean) < 1e-12 && Math.abs(got.std - expected.std) < 1e-12);
    }
  });

  it('parts without rows are left out; too many rows, and none, are refused', () => {
    const streamed = new StreamingInceptionScore(4, 10, 10);
    assert.throws(() => streamed.finish(), /no rows/);
    streamed.add(rows(3));
    assert.equal(streamed.finish().perSplit.length, 3);
    assert.throws(() => streamed.add(rows(8)), /8 more rows of 4 classes after 3/);
    assert.throws(() => new StreamingInceptionScore(4, 2, 3), /splits = 3 for 2 rows/);
  });
});
