import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { bootstrap, holm, pairedDifference, permutationTest, wilcoxonTest } from '../../src/metrics/confidence';
import { normalQuantile, normalTail } from '../../src/metrics/paired-tests';
import { key, normal } from '../../src/runtime/random';

const expected = JSON.parse(readFileSync('test/reference/statistics/expected.json', 'utf8'));

/** scipy and these are the same formulas in float64. */
function near(got: number, wanted: number, tolerance = 1e-10): void {
  assert.ok(Math.abs(got - wanted) <= tolerance * Math.max(1, Math.abs(wanted)), `${got} against ${wanted}`);
}

describe('metrics/paired-tests', () => {
  it('paired t, Wilcoxon and permutation tests as scipy finds them', () => {
    const methods = new Set<string>();
    for (const { a, b, t, wilcoxon, permutation } of expected.paired) {
      near(pairedDifference(a, b).pValue, t.p);
      // Differences of rounded numbers: without rounding equal ones would differ in the last digit.
      const d = (b as number[]).map((x, i) => Number((x - a[i]).toFixed(9)));
      const zeros = d.map(() => 0);
      const rank = wilcoxonTest(zeros, d);
      near(rank.statistic, wilcoxon.statistic);
      near(rank.pValue, wilcoxon.p);
      assert.equal(rank.method, wilcoxon.method === 'exact' ? 'exact' : 'normal approximation');
      methods.add(rank.method);
      if (!permutation) continue;
      near(permutationTest(a, b).statistic, permutation.statistic);
      near(permutationTest(a, b).pValue, permutation.p);
    }
    assert.equal(methods.size, 2);
  });

  it('closed forms: all n differences of one sign have p = 2^(1 - n) in both tests', () => {
    for (const n of [3, 6, 10]) {
      const [a, b] = [new Float64Array(n), Float64Array.from({ length: n }, (_, i) => 1 + i / 7)];
      near(wilcoxonTest(a, b).pValue, 2 ** (1 - n));
      near(permutationTest(a, b).pValue, 2 ** (1 - n));
    }
    assert.equal(wilcoxonTest([1, 2], [1, 2]).pValue, 1);
    assert.equal(permutationTest([1, 2], [1, 2]).pValue, 1);
  });

  it('many pairs: random signs agree with the normal law of the mean', () => {
    const [a, b] = [new Float64Array(80), normal(key(1), 80).map((x) => x + 0.2)];
    const { pValue, method } = permutationTest(a, b, { resamples: 4000 });
    assert.equal(method, 'Monte Carlo');
    // 4000 resamples: 4 standard errors of a share of about 0.1 are 0.02; the t law is as near to the permutation law
    assert.ok(Math.abs(pValue - pairedDifference(a, b).pValue) < 0.03);
  });

  it('p-values do not change when the sides are swapped, nor when everything is rescaled', () => {
    const values = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 3, maxLength: 9 });
    fc.assert(
      fc.property(values, (d) => {
        const zeros = d.map(() => 0);
        for (const test of [wilcoxonTest, permutationTest]) {
          near(test(zeros, d).pValue, test(d, zeros).pValue);
          near(test(zeros, d).pValue, test(zeros, d.map((x) => 8 * x)).pValue); // biome-ignore format: one test
        }
      }),
      { numRuns: 50 },
    );
  });

  it("Holm's correction by its definition, in the given order", () => {
    holm(expected.holm.p).forEach((p, i) => near(p, expected.holm.adjusted[i]));
    assert.deepEqual(holm([]), []);
    assert.deepEqual(holm([0.02]), [0.02]);
    assert.deepEqual(holm([0.5, 0.6]), [1, 1]);
  });

  it('normal tails and quantiles', () => {
    for (const [z, tail] of Object.entries(expected.normal_tail as Record<string, number>)) {
      assert.ok(Math.abs(normalTail(Number(z)) / tail - 1) < 1e-11, `${z}: ${normalTail(Number(z))} against ${tail}`);
    }
    near(normalQuantile(0.975), 1.959963984540054);
    near(normalQuantile(0.5), 0);
  });

  it('bootstrap intervals of a skewed mean: percentile and BCa as scipy finds them, and apart from each other', () => {
    const { x } = expected.bootstrap;
    const mean = (rows: Int32Array) => rows.reduce((sum, i) => sum + x[i], 0) / rows.length;
    const got = (method: 'percentile' | 'bca') => bootstrap(key(3), x.length, mean, { resamples: 20_000, method });
    const [percentile, bca] = [got('percentile'), got('bca')];
    // 20,000 draws: a 2.5 % quantile has a standard error of sqrt(0.025 * 0.975 / 20000) / density = about 0.02 errors of the mean; 4 of these
    const tolerance = 0.08 * percentile.standardError;
    for (const [ours, theirs] of [
      [percentile, expected.bootstrap.percentile],
      [bca, expected.bootstrap.BCa],
    ]) {
      near(ours.low, theirs.low, tolerance);
      near(ours.high, theirs.high, tolerance);
    }
    assert.ok(bca.high - percentile.high > 2 * tolerance, 'the correction is seen'); // skewed to the right
  });

  it('nonsense is refused', () => {
    assert.throws(() => wilcoxonTest([1], [1, 2]), /1 and 2 values/);
    assert.throws(() => permutationTest([], []), /0 and 0/);
    assert.throws(() => permutationTest([Number.NaN], [1]), /finite/);
  });
});
