import { strict as assert } from 'node:assert';
import { EXPERIMENTS } from '../../src/study/experiments';
import { makeTask, validatedTask } from '../../src/sweep/task';
import { toyExperiment } from '../../src/sweep/toy-experiment';
import { planSweep } from './support';

describe('sweep/task', () => {
  const [task] = planSweep({ experiment: 'toy', base: { x: 2 }, seeds: [3] }).tasks;

  it('a planned row passes as it is, after a trip through JSON too', () => {
    assert.deepEqual(validatedTask(JSON.parse(JSON.stringify(task)), EXPERIMENTS), task);
  });

  it('everything else is refused: free paths, text for numbers, foreign keys, other code or weights', () => {
    const refused: [object, RegExp][] = [
      [{ ...task, seed: 'x' }, /seed = "x"/],
      [{ ...task, seed: 4 }, /the key/],
      [{ ...task, key: '../../etc/passwd' }, /the key/],
      [{ ...task, configuration: { ...task.configuration, journal: 'victim' } }, /the knob "journal"/],
      [{ ...task, configuration: { x: 3 } }, /the key/],
      [{ ...task, experiment: 'constructor' }, /one of refinement, toy/],
      [{ ...task, version: 7 }, /the same code/],
      [{ ...task, inputs: 'other weights' }, /the same weight files/],
      [{ ...task, more: 1 }, /more/],
      [JSON.parse(JSON.stringify(task).replace('"x":2', '"__proto__":{"x":2}')), /"__proto__"/],
    ];
    for (const [given, reason] of refused) assert.throws(() => validatedTask(given, EXPERIMENTS), reason);
    assert.throws(() => validatedTask('text', EXPERIMENTS), /row of a sweep/);
  });

  it('a row from a queue names weights below the folder of the worker, and no other file', () => {
    const [refinement] = EXPERIMENTS.experiments;
    const at = (checkpoints: string) => makeTask(refinement, refinement.parse({ checkpoints }), 0);
    for (const path of ['/etc', '../elsewhere', 'data/../../x']) {
      assert.throws(() => validatedTask(at(path), EXPERIMENTS, process.cwd()), /a name inside/, path);
      assert.deepEqual(validatedTask(at(path), EXPERIMENTS), at(path)); // one's own command may
    }
    assert.deepEqual(validatedTask(at('data/checkpoints'), EXPERIMENTS, process.cwd()), at('data/checkpoints'));
  });

  it('the key is that of a row as it was when the first results were made', () => {
    // sha256 of the sorted JSON of the five fields, the first 32 digits: computed with sha256sum
    const old = { ...toyExperiment, version: 1, inputs: () => '' };
    assert.equal(makeTask(old, { x: 1 }, 2).key, KEY);
  });
});

const KEY = 'e064f4d1eb4f85afa96ed7fbfe0745e5';
