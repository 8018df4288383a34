import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { type Features, selectRows } from '../../src/metrics/features';
import { fid, frechetDistance } from '../../src/metrics/fid';
import { inceptionScore } from '../../src/metrics/inception-score';
import { drawSubsets, kid } from '../../src/metrics/kid';
import { precisionRecall } from '../../src/metrics/precision-recall';
import { type FeatureStatistics, featureStatistics, StreamingStatistics } from '../../src/metrics/statistics';
import { InvalidInputError } from '../../src/runtime/errors';
import { key, normal, permutation } from '../../src/runtime/random';

const cloud = (seed: number, count: number, dimension: number, shift = 0, scale = 1): Features => ({
  data: normal(key(seed), count * dimension).map((x) => shift + scale * x),
  count,
  dimension,
});

const diagonal = (mean: number[], variances: number[]): FeatureStatistics => {
  const d = mean.length;
  const covariance = new Float64Array(d * d);
  variances.forEach((v, j) => {
    covariance[j * d + j] = v;
  });
  return { count: 100, dimension: d, mean: Float64Array.from(mean), covariance };
};

describe('metrics: closed forms and properties', () => {
  it('the Fréchet distance of normal laws with diagonal covariances is a sum of squares', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.double({ min: -3, max: 3, noNaN: true }),
            fc.double({ min: 0, max: 9, noNaN: true }),
            fc.double({ min: 0, max: 9, noNaN: true }),
          ),
          { minLength: 1, maxLength: 8 },
        ),
        (axes) => {
          const a = diagonal(
            axes.map(() => 0),
            axes.map(([, v]) => v),
          );
          const b = diagonal(
            axes.map(([m]) => m),
            axes.map(([, , w]) => w),
          );
          const expected = axes.reduce((sum, [m, v, w]) => sum + m * m + (Math.sqrt(v) - Math.sqrt(w)) ** 2, 0);
          // variances below rounding of the largest are dropped: an error of sqrt(8 * 2e-16 * 9) * sqrt(9) at most
          assert.ok(Math.abs(frechetDistance(a, b).distance - expected) < 1e-6 * (1 + expected));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('a shift adds its square to FID, a scale by s adds (1 - s)^2 of the trace', () => {
    const x = cloud(1, 60, 5);
    const trace = (() => {
      const { covariance } = featureStatistics(x);
      return [0, 1, 2, 3, 4].reduce((sum, j) => sum + covariance[6 * j], 0);
    })();
    assert.ok(Math.abs(fid(x, { ...x, data: x.data.map((v) => v + 2) }) - 20) < 1e-10);
    const { covarianceTerm } = frechetDistance(
      featureStatistics(x),
      featureStatistics({ ...x, data: x.data.map((v) => 3 * v) }),
    );
    assert.ok(Math.abs(covarianceTerm - 4 * trace) < 1e-10);
  });

  it('streamed and merged statistics equal those of all rows at once, also far from the origin', () => {
    const x = cloud(2, 101, 4, 1e6);
    const whole = featureStatistics(x);
    const parts = [new StreamingStatistics(4), new StreamingStatistics(4)];
    for (let i = 0; i < 101; i += 7) {
      parts[i % 2].add(
        selectRows(
          x,
          Array.from({ length: Math.min(7, 101 - i) }, (_, j) => i + j),
        ),
      );
    }
    parts[0].merge(new StreamingStatistics(4));
    parts[0].merge(parts[1]);
    const streamed = parts[0].finish();
    assert.equal(streamed.count, 101);
    // mean 1e6 with spread 1: a sum of raw squares would be wrong by 1e-4
    whole.mean.forEach((m, j) => assert.ok(Math.abs(m - streamed.mean[j]) < 1e-8));
    whole.covariance.forEach((c, j) => assert.ok(Math.abs(c - streamed.covariance[j]) < 1e-8));
  });

  it('nothing depends on the order of the rows', () => {
    const x = cloud(3, 40, 3);
    const y = cloud(4, 50, 3, 0.3);
    const shuffled = selectRows(y, permutation(key(5), 50));
    assert.deepEqual(precisionRecall(x, shuffled), precisionRecall(x, y));
    assert.ok(Math.abs(kid(x, shuffled).unbiased - kid(x, y).unbiased) < 1e-12);
    assert.ok(Math.abs(fid(x, shuffled) - fid(x, y)) < 1e-12);
  });

  it('equal sets have precision, recall and coverage 1; far sets 0', () => {
    const x = cloud(6, 50, 3);
    assert.deepEqual(precisionRecall(x, x, 3).precision, 1);
    assert.deepEqual(precisionRecall(x, x, 3).recall, 1);
    assert.deepEqual(precisionRecall(x, x, 3).coverage, 1);
    assert.deepEqual(precisionRecall(x, cloud(7, 50, 3, 1e3)), { precision: 0, recall: 0, density: 0, coverage: 0 });
  });

  it('precision and recall swap with their arguments', () => {
    const x = cloud(8, 50, 3);
    const y = cloud(9, 60, 3, 0.5);
    assert.equal(precisionRecall(x, y).precision, precisionRecall(y, x).recall);
  });

  it('a row on the boundary of a ball is inside it', () => {
    const line = (...x: number[]): Features => ({ data: Float64Array.from(x), count: x.length, dimension: 1 });
    // balls of radius 1 round 0 and 1, of radius 8 round -9 and -1: -1 touches 0's ball, 1 touches none of the second set
    assert.deepEqual(precisionRecall(line(0, 1), line(-1, -9), 1), {
      precision: 0.5,
      recall: 1,
      density: 0.5,
      coverage: 0.5,
    });
    assert.equal(precisionRecall(line(0, 7), line(-1, -9), 1).recall, 1);
  });

  it('dropped modes cost recall and coverage, not precision', () => {
    const x = cloud(10, 60, 2);
    const far = cloud(11, 60, 2, 50);
    const both: Features = { data: Float64Array.from([...x.data, ...far.data]), count: 120, dimension: 2 };
    const got = precisionRecall(both, cloud(12, 80, 2));
    assert.ok(got.precision > 0.9 && got.recall <= 0.5 && got.coverage <= 0.5, JSON.stringify(got));
  });

  it('the unbiased KID of one law has mean zero within its error', () => {
    const values = Array.from({ length: 60 }, (_, s) => kid(cloud(100 + s, 30, 4), cloud(200 + s, 30, 4)).unbiased);
    const mean = values.reduce((a, b) => a + b) / 60;
    const error = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / 59 / 60);
    assert.ok(Math.abs(mean) < 4 * error);
  });

  it('subsets hold distinct rows and depend on the key only', () => {
    const drawn = drawSubsets(key(1), 4, 10, 30);
    for (const rows of drawn) assert.equal(new Set(rows).size, 10);
    assert.deepEqual(drawSubsets(key(1), 4, 10, 30), drawn);
    assert.notDeepEqual(drawn[0], drawn[1]);
  });

  it('the Inception score is 1 for equal rows and the number of classes for certain and even ones', () => {
    const same: Features = { data: new Float64Array(40).fill(0.25), count: 10, dimension: 4 };
    assert.ok(Math.abs(inceptionScore(same, 2).mean - 1) < 1e-12);
    const certain: Features = { data: new Float64Array(16), count: 4, dimension: 4 };
    for (let i = 0; i < 4; i++) certain.data[5 * i] = 1;
    assert.ok(Math.abs(inceptionScore(certain, 1).mean - 4) < 1e-12);
  });

  it('refuses what cannot be measured, saying where', () => {
    const x = cloud(1, 10, 3);
    const bad = { ...x, data: x.data.map((v, i) => (i === 7 ? Number.NaN : v)) };
    assert.throws(() => fid(x, bad), /NaN in row 2, column 1/);
    assert.throws(() => kid(x, cloud(1, 10, 4)), /dimensions 3 and 4/);
    assert.throws(() => precisionRecall(x, x, 10), /k = 10 for 10 real/);
    assert.throws(() => inceptionScore(x), /non-negative rows that sum to 1/);
    assert.throws(() => fid(cloud(1, 1, 3), x), InvalidInputError);
    assert.throws(() => new StreamingStatistics(3).finish(), /0 rows/);
  });
});
