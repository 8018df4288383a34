import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { readSafetensors } from '../../src/io/safetensors';
import { toFloat64 } from '../../src/io/tensor-record';
import type { Features } from '../../src/metrics/features';
import { fid } from '../../src/metrics/fid';
import { inceptionScore, softmaxRows } from '../../src/metrics/inception-score';
import { kid, kidOfSubsets } from '../../src/metrics/kid';
import { precisionRecall, squaredRadii } from '../../src/metrics/precision-recall';
import { featureStatistics } from '../../src/metrics/statistics';

const { tensors } = readSafetensors('data/reference/metrics/metrics.safetensors');
const { results } = JSON.parse(readFileSync('data/reference/metrics/metrics.json', 'utf8'));

function matrix(name: string): Features {
  const tensor = tensors.get(name)!;
  return { data: toFloat64(tensor), count: tensor.shape[0], dimension: tensor.shape[1] };
}

/** Agreement relative to the expected value; 1e-9 is what the reference states for float64. */
function near(got: number, expected: number, tolerance = 1e-9): void {
  assert.ok(Math.abs(got - expected) <= tolerance * Math.abs(expected), `${got} against ${expected}`);
}

describe('metrics against the reference numbers', () => {
  const real = matrix('features_real');
  const fake = matrix('features_fake');
  const fewReal = matrix('features_few_real');
  const fewFake = matrix('features_few_fake');

  it('FID of full-rank features, and its parts', () => {
    near(fid(real, fake), results.fid.fid_exact);
    near(fid(fake, real), results.fid.fid_exact);
  });

  it('FID of singular covariances, where sqrtm loses half its digits', () => {
    // 1e-8: what the reference states for singular covariances
    near(fid(fewReal, fewFake), results.fid_singular.fid_exact, 1e-8);
    near(fid(real, fewFake), results.fid_few_against_many.fid_exact, 1e-8);
    near(fid(fewReal, fewFake), results.fid_singular.fid_scipy_sqrtm, 1e-6);
  });

  it('FID of a set against itself is zero', () => {
    // rounding of the traces, which are 27
    assert.ok(Math.abs(fid(real, real)) < 1e-11);
  });

  it('mean and covariance', () => {
    const { mean, covariance } = featureStatistics(real);
    // the stored values are rounded to float32
    toFloat64(tensors.get('mean_real')!).forEach((x, j) => assert.ok(Math.abs(mean[j] - x) < 1e-7));
    toFloat64(tensors.get('cov_real')!).forEach((x, j) => assert.ok(Math.abs(covariance[j] - x) < 1e-6));
  });

  it('Inception score in 10 parts and in 1, from probabilities and from logits', () => {
    for (const [name, splits, score] of [
      ['inception_score_10', 10, inceptionScore(matrix('class_probs'), 10)],
      ['inception_score_1', 1, inceptionScore(matrix('class_probs'), 1)],
      ['inception_score_from_logits_10', 10, inceptionScore(softmaxRows(matrix('logits')), 10)],
    ] as const) {
      assert.equal(score.perSplit.length, splits);
      near(score.mean, results[name].mean);
      assert.ok(Math.abs(score.std - results[name].std_population) < 1e-9);
      score.perSplit.forEach((x, i) => near(x, results[name].per_split[i]));
    }
  });

  for (const k of [3, 5]) {
    it(`precision, recall, density and coverage with k = ${k}`, () => {
      const got = precisionRecall(real, fake, k);
      const expected = results[`prdc_k${k}`];
      for (const name of ['precision', 'recall', 'density', 'coverage'] as const) near(got[name], expected[name]);
    });
  }

  it('radii of the nearest-neighbour balls', () => {
    const expected = toFloat64(tensors.get('knn3_radius_real')!);
    // stored as float32, distances of order 3
    squaredRadii(real, 3).forEach((r, i) => assert.ok(Math.abs(Math.sqrt(r) - expected[i]) < 1e-6));
  });

  it('KID of all rows and of the given subsets', () => {
    const all = kid(real, fake);
    near(all.unbiased, results.kid.mmd2_unbiased_all);
    near(all.biased, results.kid.mmd2_biased_all);
    const rows = (name: string) => {
      const tensor = tensors.get(name)!;
      const flat = toFloat64(tensor);
      return Array.from({ length: tensor.shape[0] }, (_, s) =>
        flat.subarray(s * tensor.shape[1], (s + 1) * tensor.shape[1]),
      );
    };
    const values = kidOfSubsets(real, fake, rows('kid_subset_real'), rows('kid_subset_fake'));
    values.forEach((x, s) => near(x, results.kid.subset_values[s]));
  });
});
