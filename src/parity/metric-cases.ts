import type { Features } from '../metrics/features';
import { frechetDistance } from '../metrics/fid';
import { inceptionScore, softmaxRows } from '../metrics/inception-score';
import { kid, kidOfSubsets } from '../metrics/kid';
import { precisionRecall, squaredRadii } from '../metrics/precision-recall';
import { featureStatistics } from '../metrics/statistics';
import { type Comparison, TOLERANCE } from './comparison';
import type { ReferenceCase } from './reference';
import type { Runner } from './runner';

type Results = Record<string, Record<string, number | number[]>>;

/** FID, inception score, precision, recall, density, coverage and KID of stored features. */
export const metricCases: Runner = {
  family: 'metrics',
  matches: (given) => given.has('features_real') && 'results' in given.json,
  run: (given, compare) => {
    for (const [name, expected] of Object.entries(given.part<Results>('results'))) {
      if (name.startsWith('fid')) compareFid(given, compare, name, expected);
      else if (name.startsWith('inception_score')) compareInceptionScore(given, compare, name, expected);
      else if (name.startsWith('prdc')) comparePrecision(given, compare, name, expected);
      else if (name === 'kid') compareKid(given, compare, expected);
      else compare.add(`${name}: no runner`, Number.POSITIVE_INFINITY, 0);
    }
    const { mean, covariance } = featureStatistics(features(given, 'features_real'));
    if (given.has('mean_real')) compare.largest('mean_real', mean, given.values('mean_real'), TOLERANCE.stored32);
    if (given.has('cov_real')) compare.largest('cov_real', covariance, given.values('cov_real'), TOLERANCE.stored32);
    for (const name of given.namesAfter('knn')) {
      const [, k, side] = /^(\d+)_radius_(real|fake)$/.exec(name) ?? [];
      const radii = squaredRadii(features(given, `features_${side}`), Number(k)).map(Math.sqrt);
      compare.largest(`knn${name}`, radii, given.values(`knn${name}`), TOLERANCE.stored32);
    }
  },
};

function features(given: ReferenceCase, name: string): Features {
  const [count, dimension] = given.shape(name);
  return { data: given.values(name), count, dimension };
}

function compareFid(given: ReferenceCase, compare: Comparison, name: string, expected: Results[string]): void {
  const named: Record<string, [string, string]> = {
    fid: ['real', 'fake'],
    fid_singular: ['few_real', 'few_fake'],
    fid_few_against_many: ['real', 'few_fake'],
    fid_same: ['real', 'real'],
  };
  const [first, second] = (named[name] ?? ['real', 'fake']).map((set) =>
    featureStatistics(features(given, `features_${set}`)),
  );
  const singular = Math.min(expected.rank1 as number, expected.rank2 as number) < (expected.dim as number);
  const ours = frechetDistance(first, second);
  // A distance near zero is a difference of traces, against which it is measured.
  const floor = name === 'fid_same' ? (expected.trace1 as number) : 0;
  compare.entries(`${name}: mean term`, ours.meanTerm, expected.mean_term, TOLERANCE.double);
  const tolerance = singular ? 1e-8 : TOLERANCE.double;
  compare.entries(`${name}: fid_exact`, ours.distance, expected.fid_exact, tolerance, floor);
  const scipy = singular ? TOLERANCE.stored32 : TOLERANCE.double;
  compare.entries(`${name}: fid_scipy_sqrtm`, ours.distance, expected.fid_scipy_sqrtm, scipy, floor);
}

function compareInceptionScore(
  given: ReferenceCase,
  compare: Comparison,
  name: string,
  expected: Results[string],
): void {
  const probabilities = name.includes('from_logits')
    ? softmaxRows(features(given, 'logits'))
    : features(given, 'class_probs');
  const { mean, std, perSplit } = inceptionScore(probabilities, expected.splits as number);
  compare.entries(`${name}: mean`, mean, expected.mean, TOLERANCE.double);
  compare.entries(`${name}: std`, std, expected.std_population, TOLERANCE.double);
  compare.entries(`${name}: per split`, perSplit, expected.per_split, TOLERANCE.double);
}

function comparePrecision(given: ReferenceCase, compare: Comparison, name: string, expected: Results[string]): void {
  const [real, fake] = [features(given, 'features_real'), features(given, 'features_fake')];
  const ours = precisionRecall(real, fake, expected.k as number);
  for (const part of ['precision', 'recall', 'density', 'coverage'] as const) {
    compare.entries(`${name}: ${part}`, ours[part], expected[part], TOLERANCE.double);
  }
}

function compareKid(given: ReferenceCase, compare: Comparison, expected: Results[string]): void {
  const [real, fake] = [features(given, 'features_real'), features(given, 'features_fake')];
  const { unbiased, biased } = kid(real, fake);
  compare.entries('kid: unbiased', unbiased, expected.mmd2_unbiased_all, TOLERANCE.double);
  compare.entries('kid: biased', biased, expected.mmd2_biased_all, TOLERANCE.double);
  const subsets = (name: string): Int32Array[] => {
    const [count, size] = given.shape(name);
    const rows = given.integers(name);
    return Array.from({ length: count }, (_, i) => rows.subarray(i * size, (i + 1) * size));
  };
  const values = kidOfSubsets(real, fake, subsets('kid_subset_real'), subsets('kid_subset_fake'));
  compare.entries('kid: subsets', values, expected.subset_values, TOLERANCE.double);
}
