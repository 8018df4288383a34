import { strict as assert } from 'node:assert';
import { associationTest, correlationRatio, spearman } from '../../src/metrics/rank-correlation';
import { foldIn, key, normal } from '../../src/runtime/random';

const near = (got: number, wanted: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(got - wanted) <= tolerance, `${got} against ${wanted}`);

describe('metrics/rank-correlation', () => {
  it("Spearman's correlation as scipy.stats.spearmanr gives it, ties and infinities ranked", () => {
    near(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7]), 0.8207826816681233); // the example of scipy's page
    near(spearman([1, 2, Infinity], [0.1, 0.2, 5]), 1);
    near(spearman([1, 2, 3, 4], [9, 4, 1, 0]), -1);
    assert.equal(spearman([1, 2, 3], [7, 7, 7]), 0);
  });

  it('the correlation ratio is 1 where groups tell all, 0 where their means are equal, and the share between', () => {
    near(correlationRatio(['a', 'a', 'b', 'b'], [1, 1, 5, 5]), 1);
    near(correlationRatio(['a', 'a', 'b', 'b'], [0, 2, 2, 0]), 0);
    // means 1 and 3 about 2: between = 4, total = 4 + 4
    near(correlationRatio(['a', 'a', 'b', 'b'], [0, 2, 2, 4]), Math.sqrt(0.5));
  });

  it('the permutation test has its level under no association and finds a perfect one', () => {
    const x = Array.from({ length: 12 }, (_, i) => i);
    const pValueOf = (y: ArrayLike<number>, draw = 0) => {
      const statistic = (rows: Int32Array) =>
        spearman(
          x,
          Array.from(rows, (row) => y[row]),
        );
      return associationTest(foldIn(key(1), draw), 12, statistic, 199);
    };
    assert.equal(pValueOf(x).pValue, 1 / 200);
    const chance = Array.from({ length: 200 }, (_, draw) => pValueOf(normal(foldIn(key(2), draw), 12), draw));
    const share = chance.filter(({ pValue }) => pValue <= 0.05).length / 200;
    assert.ok(share > 0.005 && share < 0.11, String(share)); // 0.05 and 4 standard errors of 200 draws
    // two-sided 5 % point of Spearman's law at n = 12: 0.587 (tables); 4 standard errors of a quantile of 199 draws
    const critical = chance.reduce((sum, each) => sum + each.critical, 0) / 200;
    near(critical, 0.587, 0.02);
  });
});
