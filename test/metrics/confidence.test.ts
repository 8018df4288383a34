import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import {
  bootstrap,
  estimate,
  halfSampling,
  holm,
  meanWithError,
  pairedDifference,
  quantile,
  studentQuantile,
  studentTail,
} from '../../src/metrics/confidence';
import { foldIn, key, normal } from '../../src/runtime/random';

const expected = JSON.parse(readFileSync('test/reference/statistics/expected.json', 'utf8'));

describe('metrics/confidence', () => {
  it('Student-t quantiles match the printed tables', () => {
    // table values are given to 3 decimals
    for (const [freedom, expected] of [
      [1, 12.706],
      [2, 4.303],
      [4, 2.776],
      [9, 2.262],
      [29, 2.045],
      [1000, 1.962],
    ]) {
      assert.ok(Math.abs(studentQuantile(0.975, freedom) - expected) < 6e-4);
    }
    // closed forms: Cauchy law, and two degrees of freedom
    assert.ok(Math.abs(studentTail(1.7, 1) - (0.5 - Math.atan(1.7) / Math.PI)) < 1e-13);
    assert.ok(Math.abs(studentTail(1.7, 2) - 0.5 * (1 - 1.7 / Math.sqrt(2 + 1.7 ** 2))) < 1e-13);
    assert.ok(Math.abs(studentTail(0, 7) - 0.5) < 1e-15);
  });

  it('Student-t quantiles far out keep their digits', () => {
    for (const tail of [1e-6, 1e-12, 1e-15]) {
      const share = 1 - tail;
      const left = 1 - share; // what float64 keeps of the tail
      // One degree of freedom: cot(pi left). Two: t^2 = 2 (1 - 2 left)^2 / (4 left (1 - left)).
      assert.ok(Math.abs(studentQuantile(share, 1) * Math.tan(Math.PI * left) - 1) < 1e-9, `${tail}`);
      const two = ((1 - 2 * left) * Math.SQRT2) / Math.sqrt(4 * left * (1 - left));
      assert.ok(Math.abs(studentQuantile(share, 2) / two - 1) < 1e-9, `${tail}`);
    }
    assert.equal(studentQuantile(0.5, 3), 0);
  });

  it('an estimate of 1..5 by hand', () => {
    const got = estimate([1, 2, 3, 4, 5]);
    assert.equal(got.mean, 3);
    assert.ok(Math.abs(got.standardError - Math.sqrt(0.5)) < 1e-15);
    assert.ok(Math.abs(got.high - 3 - 2.776445 * Math.sqrt(0.5)) < 1e-5); // quantile to 6 decimals
  });

  it('the interval covers the true mean as often as it says', () => {
    let covered = 0;
    for (let s = 0; s < 1000; s++) {
      const { low, high } = estimate(normal(foldIn(key(1), s), 4));
      if (low <= 0 && 0 <= high) covered++;
    }
    // 95 % of 1000, 4 binomial standard errors = 28
    assert.ok(Math.abs(covered - 950) < 28, `${covered}`);
  });

  it('pairing removes what the seeds share', () => {
    const seeds = normal(key(2), 8).map((x) => 10 * x);
    const noise = normal(key(3), 8).map((x) => 0.1 * x);
    const got = pairedDifference(
      seeds,
      seeds.map((x, i) => x - 1 + noise[i]),
    );
    assert.ok(got.high < -0.8 && got.low > -1.2 && got.pValue < 1e-6);
    assert.equal(pairedDifference([1, 2, 3], [1, 2, 3]).pValue, 1);
    assert.equal(pairedDifference([1, 2, 3], [2, 3, 4]).pValue, 0);
    // t = mean / error = 2 / (2 / sqrt 3) = sqrt 3 with 2 degrees of freedom
    assert.ok(Math.abs(pairedDifference([0, 0, 0], [0, 2, 4]).pValue - (1 - Math.sqrt(3) / Math.sqrt(5))) < 1e-12);
  });

  it('the bootstrap error of a mean is its standard error', () => {
    const x = normal(key(4), 200);
    const got = bootstrap(key(5), 200, (rows) => rows.reduce((sum, i) => sum + x[i], 0) / rows.length);
    const { mean, standardError } = estimate(x);
    assert.ok(Math.abs(got.value - mean) < 1e-12);
    // 1000 resamples: the error of a standard deviation is 1/sqrt(2000) = 2.2 %; 4 of these
    assert.ok(Math.abs(got.error / standardError - 1) < 0.09);
    assert.ok(Math.abs(got.high - mean - 1.96 * standardError) < 0.3 * standardError);
  });

  it('p-values of a paired t test and a bootstrap interval as scipy finds them', () => {
    for (const { a, b, t } of expected.paired) assert.ok(Math.abs(pairedDifference(a, b).pValue - t.p) < 1e-10);
    const { x, percentile } = expected.bootstrap;
    const mean = (rows: Int32Array) => rows.reduce((sum, i) => sum + x[i], 0) / rows.length;
    const got = bootstrap(key(3), x.length, mean, { resamples: 20_000 });
    // 20,000 draws: a 2.5 % quantile has a standard error of sqrt(0.025 * 0.975 / 20000) / density = about 0.02 errors of the mean; 4 of these
    for (const side of ['low', 'high'] as const) assert.ok(Math.abs(got[side] - percentile[side]) < 0.08 * got.error);
  });

  it('half-sampling has the error of the whole sample', () => {
    const x = normal(key(8), 200);
    const got = halfSampling(key(9), 200, (rows) => meanWithError(Float64Array.from(rows, (i) => x[i])).value);
    // 1000 resamples, 4 standard errors of a standard deviation
    assert.ok(Math.abs(got.error / meanWithError(x).error - 1) < 0.09);
  });

  it("Holm's correction by its definition, in the given order; no probability is refused", () => {
    holm(expected.holm.p).forEach((p, i) => assert.ok(Math.abs(p - expected.holm.adjusted[i]) < 1e-12));
    assert.deepEqual(holm([]), []);
    assert.deepEqual(holm([0.02]), [0.02]);
    assert.deepEqual(holm([0.5, 0.6]), [1, 1]);
    for (const wrong of [Number.NaN, -0.1, 1.1]) assert.throws(() => holm([0.5, wrong]), /at place 1/);
  });

  it('quantiles interpolate, in whichever order the values come; nonsense is refused', () => {
    assert.equal(quantile([4, 1, 2], 0.75), 3);
    assert.equal(quantile([1, 2, 4], 0.75), 3);
    assert.equal(quantile([5], 0.3), 5);
    assert.throws(() => estimate([1]), /at least two seeds/);
    assert.throws(() => estimate([1, Number.NaN]), /finite/);
    assert.throws(() => pairedDifference([1, 2], [1]), /2 and 1 values/);
    assert.throws(() => bootstrap(key(1), 1, () => 0), /count = 1/);
  });
});
