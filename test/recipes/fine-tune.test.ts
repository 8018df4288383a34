import { strict as assert } from 'node:assert';
import { fineTuneBudget, fineTunePlan } from '../../src/recipes/fine-tune';
import { trainingProfile } from '../../src/recipes/profiles';
import { key } from '../../src/runtime/random';
import type { LatentSet } from '../../src/training/tasks';

describe('recipes/fine-tune', () => {
  it('takes a sixth of the steps at a third of the rate, warm-up and all', () => {
    const budget = { ...trainingProfile('small').budgets.ar, steps: 600, rate: 3e-3 };
    const short = fineTuneBudget(budget);
    assert.deepEqual([short.steps, short.warmup, short.batch], [100, 5, budget.batch]);
    assert.ok(Math.abs(short.rate - 1e-3) < 1e-12);
    assert.equal(fineTuneBudget({ ...budget, steps: 6 }).steps, 4, 'never less than a few');
  });

  it('refuses a model whose condition is static', () => {
    const request = { batch: 4, key: key(0) };
    assert.throws(() => fineTunePlan('cdm', {}, 'coupled', {} as LatentSet, new Map(), request), {
      name: 'InvalidInputError',
      message: /model cdm; expected ar or mar/,
    });
  });
});
