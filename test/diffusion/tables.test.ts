import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createDiffusion } from '../../src/diffusion/gaussian-diffusion';
import { spaceTimesteps } from '../../src/diffusion/respacing';
import { betaSchedule, type NoiseSchedule } from '../../src/diffusion/schedule';
import { InvalidInputError } from '../../src/runtime/errors';

/** float64 sums of a thousand terms. */
const ROUNDING = 1e-12;

function close(actual: number, expected: number, tolerance = ROUNDING): void {
  assert.ok(
    Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)),
    `${actual} against ${expected}`,
  );
}

describe('noise schedules', () => {
  it('cosine: abar follows the squared cosine until the cap at the last step', () => {
    const { alphaBar } = createDiffusion().tables;
    const law = (u: number) => Math.cos((((u + 0.008) / 1.008) * Math.PI) / 2) ** 2;
    for (const t of [0, 10, 500, 998]) close(alphaBar[t], law((t + 1) / 1000) / law(0));
    close(alphaBar[999] / alphaBar[998], 1 - 0.999);
  });

  it('linear: both ends scale with the number of steps', () => {
    const betas = betaSchedule('linear', 100);
    close(betas[0], 1e-3);
    close(betas[99], 0.2);
    close(betas[1] - betas[0], (0.2 - 1e-3) / 99);
  });

  it('refuses what is no schedule', () => {
    assert.throws(() => betaSchedule('cosine', 0), InvalidInputError);
    assert.throws(() => betaSchedule('square' as NoiseSchedule, 10), InvalidInputError);
  });
});

describe('respacing', () => {
  it('rounds half to even', () => {
    // strides of 2.5: 0, 2.5, 5 and 0, 2.5, 5, 7.5, 10
    assert.deepEqual(spaceTimesteps(6, '3'), [0, 2, 5]);
    assert.deepEqual(spaceTimesteps(11, '5'), [0, 2, 5, 8, 10]);
  });

  it('keeps as many steps as asked for, in order, with both ends', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 1000 }), fc.integer({ min: 0, max: 1000 }), (count, more) => {
        const total = Math.min(1000, count + more);
        const kept = spaceTimesteps(total, count);
        assert.equal(kept.length, count);
        assert.equal(kept[0], 0);
        assert.equal(kept[count - 1], total - 1);
        assert.ok(kept.every((step, i) => i === 0 || step > kept[i - 1]));
      }),
    );
  });

  it('cuts sections, strides, and refuses what cannot be', () => {
    assert.deepEqual(spaceTimesteps(10, '2,3'), [0, 4, 5, 7, 9]);
    assert.deepEqual(spaceTimesteps(10, [2, 3]), [0, 4, 5, 7, 9]);
    assert.deepEqual(spaceTimesteps(10, 'ddim4'), [0, 3, 6, 9]);
    assert.equal(spaceTimesteps(10, '').length, 10);
    for (const wrong of ['11', 'ddim6', 'ddim', '2,x', '0', '-1', '6,2']) {
      assert.throws(() => spaceTimesteps(10, wrong), InvalidInputError, wrong);
    }
  });
});

describe('diffusion tables', () => {
  for (const respacing of ['', '25', 'ddim10', '10,15,20'] as const) {
    const diffusion = createDiffusion({ respacing });
    const t = diffusion.tables;

    it(`respacing "${respacing}": abar at the kept steps is that of the whole process`, () => {
      const whole = createDiffusion().tables.alphaBar;
      for (let i = 0; i < diffusion.steps; i++) close(t.alphaBar[i], whole[diffusion.timestepMap[i]]);
    });

    it(`respacing "${respacing}": the posterior obeys total expectation and total variance`, () => {
      for (let i = 0; i < diffusion.steps; i++) {
        // E[x_{t-1} | x_0] and Var[x_{t-1} | x_0], through x_t.
        close(
          t.posteriorMeanOfStart[i] + t.posteriorMeanOfNoised[i] * t.sqrtAlphaBar[i],
          Math.sqrt(t.alphaBarPrevious[i]),
        );
        const variance = t.posteriorVariance[i] + t.posteriorMeanOfNoised[i] ** 2 * (1 - t.alphaBar[i]);
        close(variance, 1 - t.alphaBarPrevious[i]);
      }
    });
  }

  it('borrows the log variance of step 1 at step 0, and takes beta when there is no step 1', () => {
    const two = createDiffusion({ respacing: '2' }).tables;
    assert.equal(two.posteriorLogVarianceClipped[0], Math.log(two.posteriorVariance[1]));
    const one = createDiffusion({ respacing: '1' }).tables;
    assert.equal(one.posteriorLogVarianceClipped[0], one.logBetas[0]);
  });
});
