import { strict as assert } from 'node:assert';
import { pivotedCholesky } from '../../src/metrics/cholesky';
import { key, normal } from '../../src/runtime/random';

describe('metrics/cholesky', () => {
  /** S = sum of a_k a_k^T. */
  const product = (columns: readonly ArrayLike<number>[], d: number) =>
    Float64Array.from({ length: d * d }, (_, at) =>
      columns.reduce((sum, column) => sum + column[Math.floor(at / d)] * column[at % d], 0),
    );

  it('gives the matrix back with as many columns as its rank', () => {
    const d = 12;
    for (const rank of [1, 5, 12]) {
      const source = normal(key(rank), d * rank);
      const given = product(
        Array.from({ length: rank }, (_, k) => source.subarray(k * d, (k + 1) * d)),
        d,
      );
      const columns = pivotedCholesky(given, d);
      assert.equal(columns.length, rank);
      product(columns, d).forEach((x, i) => assert.ok(Math.abs(x - given[i]) < 1e-12 * d, `${x} against ${given[i]}`));
    }
  });

  it('of a diagonal matrix: the roots, the largest first; of zero: nothing', () => {
    const columns = pivotedCholesky(Float64Array.of(4, 0, 0, 0, 0, 0, 0, 0, 9), 3);
    assert.deepEqual(columns.map((column) => [...column]), [[0, 0, 3], [2, 0, 0]]); // biome-ignore format: two columns
    assert.deepEqual(pivotedCholesky(new Float64Array(4), 2), []);
  });
});
