import { strict as assert } from 'node:assert';
import { sinkhorn } from '../../src/transport';
import { textbookScaling } from '../../src/transport/textbook';
import { cloud, largest, largestDifference } from './clouds';

describe('the textbook loop in float32', () => {
  const problem = { x: cloud(1, 20, 2), y: cloud(2, 25, 2, 2), dimension: 2 };

  it('agrees with the oracle where nothing underflows', () => {
    const { plan, brokenAt, deadRows } = textbookScaling(problem, 2, 60);
    const truth = sinkhorn(problem, { epsilon: 2, engine: 'float64', tolerance: 0, maxIterations: 60 }).plan;
    assert.equal(brokenAt, undefined);
    assert.equal(deadRows, 0);
    assert.ok(largestDifference(plan, truth) < 1e-5 * largest(truth)); // 60 roundings of float32
  });

  it('breaks where the library does not', () => {
    const { brokenAt, deadRows } = textbookScaling(problem, 0.01, 60);
    assert.equal(brokenAt, 1);
    assert.ok(deadRows > 0);
    assert.ok(sinkhorn(problem, { epsilon: 0.01, maxIterations: 60 }).plan.every(Number.isFinite));
  });
});
