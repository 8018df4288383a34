import { strict as assert } from 'node:assert';
import { difference, measured, type StudyRow, samplingError, unitOf } from '../../src/study/rows';
import { measuredRun } from './support';

const row = (method: string, trainingSeed: number, seed: number, fid: number): StudyRow => ({
  method,
  trainingSeed,
  seed,
  values: measuredRun({ fid, conditionError: null }),
});

describe('study/rows', () => {
  const rows = [
    row('A', 1, 0, 10),
    row('A', 1, 1, 12),
    row('A', 2, 0, 20),
    row('A', 2, 1, 22),
    row('A', 2, 2, 1000), // a run that B has not
    row('B', 1, 0, 9),
    row('B', 1, 1, 11),
    row('B', 2, 1, 19),
    row('B', 2, 0, 17),
  ];

  it('counts each training once, whatever the number of its sampling seeds', () => {
    const b = measured(rows, 'B', 'fid');
    // means of the trainings: 10 and 18
    assert.equal(b?.mean, 14);
    assert.equal(b?.count, 2);
    assert.ok(Math.abs((b?.standardError ?? 0) - 4) < 1e-12);
    assert.equal(unitOf(rows), 'trainings');
  });

  it('pairs the runs that both have: a run of one side alone does not count', () => {
    const { mean, count, unit, standardError } = difference(rows, 'A', 'B', 'fid');
    // training 1: (9 - 10 + 11 - 12) / 2 = -1; training 2: (17 - 20 + 19 - 22) / 2 = -3
    assert.equal(mean, -2);
    assert.deepEqual([count, unit], [2, 'trainings']);
    assert.ok(Math.abs(standardError - 1) < 1e-12);
  });

  it('falls back to sampling seeds where there is one training', () => {
    const one = rows.filter(({ trainingSeed }) => trainingSeed === 1);
    const { mean, unit } = difference(one, 'A', 'B', 'fid');
    assert.deepEqual([mean, unit], [-1, 'sampling seeds']);
    assert.throws(() => difference(one.slice(0, 1), 'A', 'B', 'fid'), /0 shared seeds for fid/);
  });

  it('a measure that a method does not have has no mean', () => {
    assert.equal(measured(rows, 'A', 'conditionError'), undefined);
  });

  it('the error of sampling alone is pooled over trainings', () => {
    // both trainings: two values 2 apart, standard error 1 each; the mean of two such means has sqrt(2) / 2
    assert.ok(Math.abs(samplingError(rows, 'B', 'fid') - Math.SQRT2 / 2) < 1e-12);
  });
});
