import { strict as assert } from 'node:assert';
import { baseText, estimateSweep } from '../../src/sweep/estimate';
import { RowStore } from '../../src/sweep/store';
import { planSweep, temporaryFolder } from './support';

describe('estimate of a sweep', () => {
  const store = new RowStore(temporaryFolder());
  const plan = planSweep({ experiment: 'toy', base: { noise: 0.5 }, grid: { x: [0, 1, 2] }, seeds: [0, 1] });

  it('says the configuration in effect, defaults and all, and what is to be made', () => {
    const { base, rows, present, seconds, megabytes, text } = estimateSweep(plan, store, 2);
    assert.deepEqual([base.noise, base.coupling, rows, present], [0.5, 0, 6, 0]);
    assert.deepEqual([seconds, megabytes], [null, null]); // the toy has no measure of its own
    assert.match(baseText(plan), /^base\n.*^ {2}noise {9}0\.5$/ms);
    assert.match(text, /^toy: 3 configurations, 2 seeds: 6 rows, 0 of them there\ntime: unknown/);
  });

  it('shares time among processes and counts the memory of each, but of no more than there are rows', () => {
    const measured = { ...plan, experiment: { ...plan.experiment, seconds: () => 10, megabytes: () => 300 } };
    const at = (processes: number) => estimateSweep(measured, store, processes);
    assert.deepEqual([at(2).seconds, at(2).megabytes], [30, 600]);
    assert.deepEqual([at(100).seconds, at(100).megabytes], [10, 1800]);
    assert.match(at(2).text, /time: about 30 s on 2 processes \(10 s a row, .*\)\nmemory: about 600 MiB$/);
  });

  it('takes the time from the rows that are there', () => {
    const [task] = plan.tasks;
    store.write({ ...task, status: 'done', values: {}, seconds: 4 });
    const { present, seconds, text } = estimateSweep(plan, store, 1);
    assert.deepEqual([present, seconds], [1, 20]);
    assert.match(text, /from the rows that are there/);
  });
});
