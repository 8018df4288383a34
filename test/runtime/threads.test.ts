import { strict as assert } from 'node:assert';
import os from 'node:os';
import { defaultThreads } from '../../src/runtime/threads';

describe('runtime/threads', () => {
  const { availableParallelism } = os;
  const given = process.env.CER_THREADS;
  afterEach(() => {
    os.availableParallelism = availableParallelism;
    if (given === undefined) delete process.env.CER_THREADS;
    else process.env.CER_THREADS = given;
  });

  it('takes two threads, or half of more cores, at most eight, and what CER_THREADS says before that', () => {
    delete process.env.CER_THREADS;
    const chosen = [1, 2, 3, 4, 6, 8, 16, 64].map((cores) => {
      os.availableParallelism = () => cores;
      return defaultThreads();
    });
    assert.deepEqual(chosen, [1, 2, 2, 2, 3, 4, 8, 8]);
    process.env.CER_THREADS = '5';
    assert.equal(defaultThreads(), 5);
    for (const wrong of ['0', '-1', '1.5', 'many', '']) {
      process.env.CER_THREADS = wrong;
      assert.equal(defaultThreads(), 8, `CER_THREADS=${wrong}`);
    }
  });
});
