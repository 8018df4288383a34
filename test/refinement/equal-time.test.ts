import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { spaceTimesteps } from '../../src/diffusion/respacing';
import { equalTimeSteps, nearestRespacing } from '../../src/refinement/equal-time';

describe('refinement/equal-time', () => {
  it('inverts a linear law of time exactly, up to the nearest feasible count', () => {
    const time = (steps: number) => 0.5 + 0.02 * steps;
    const runs = [10, 25, 50].map((steps) => ({ steps, seconds: time(steps) }));
    const found = equalTimeSteps(runs, time(40));
    assert.deepEqual([found.steps, found.respacing], [40, 'ddim40']);
    // least squares of three exact points in float64
    assert.ok(Math.abs(found.fixed - 0.5) < 1e-12 && Math.abs(found.perStep - 0.02) < 1e-12);
    assert.ok(Math.abs(found.predicted - found.seconds) < 1e-12);
  });

  it('with one run all of the time counts as steps', () => {
    const found = equalTimeSteps([{ steps: 25, seconds: 1 }], 2);
    assert.deepEqual([found.steps, found.fixed], [50, 0]);
  });

  it('every respacing that it names is one that the sampler takes, and none is nearer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 400 }), (steps) => {
        const name = nearestRespacing(steps);
        const chosen = Number(name.slice(4));
        assert.equal(spaceTimesteps(1000, name).length, chosen);
        for (let apart = 0; apart < Math.abs(chosen - steps); apart++) {
          for (const other of [steps - apart, steps + apart]) {
            assert.throws(() => spaceTimesteps(1000, `ddim${other}`));
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('refuses times that say nothing', () => {
    assert.throws(() => equalTimeSteps([], 1), /positive times/);
    assert.throws(
      () =>
        equalTimeSteps(
          [
            { steps: 10, seconds: 2 },
            { steps: 20, seconds: 1 },
          ],
          1,
        ),
      /grow with the number of steps/,
    );
  });
});
