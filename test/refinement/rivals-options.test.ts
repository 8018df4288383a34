import { strict as assert } from 'node:assert';
import type { Group } from '../../src/refinement/refiner';
import { makeRival, RIVAL_TABLE, type RivalMethod, type RivalOptions, rivalOptions } from '../../src/refinement/rivals';
import { key, normal } from '../../src/runtime/random';

const width = 3;
const group: Group = {
  conditions: Float32Array.from(normal(key(1), 20 * width)),
  targets: Float32Array.from(normal(key(2), 30 * width), (x) => 1 + 2 * x),
  width,
};

describe('refinement/rivals: plain JSON', () => {
  it('every rival of the table has options with defaults that come back from JSON as they are', () => {
    assert.equal(new Set(RIVAL_TABLE.map(({ method }) => method)).size, 11);
    for (const { method, description } of RIVAL_TABLE) {
      const options = rivalOptions(method);
      assert.equal(options.method, method);
      assert.ok(description.length > 10);
      assert.deepEqual(rivalOptions(JSON.parse(JSON.stringify(options)) as RivalOptions), options);
    }
  });

  it('options reach the rival', async () => {
    const spread = async (keep: number) => {
      const { refiner } = await makeRival({ method: 'shrink', keep });
      return refiner?.(group).iterations[0].spread ?? Number.NaN;
    };
    // variances scale with keep^2; float32
    assert.ok(Math.abs((await spread(0.5)) / (await spread(1)) - 0.25) < 1e-5);
    assert.equal((await makeRival({ method: 'guidance', scale: 2.5 })).guidance, 2.5);
    assert.equal((await makeRival({ method: 'more-steps', steps: 50 })).respacing, 'ddim50');
    assert.equal((await makeRival('more-steps', { equalTime: { steps: 30 } })).respacing, 'ddim30');
    const { fineTune } = await makeRival({ method: 'scheduled-sampling', ownHistory: 0.4 });
    assert.deepEqual(fineTune, { ownHistory: 0.4, ramp: 0, ownSteps: 8 });
    assert.deepEqual(await makeRival('none'), {});
  });

  it('rivals on conditions are refiners that leave their input alone', async () => {
    for (const method of ['coordinate-moments', 'gaussian-moments', 'nearest-neighbour'] as const) {
      const before = group.conditions.slice();
      const { refiner } = await makeRival(method);
      const { conditions } = refiner?.(group) ?? group;
      assert.deepEqual(group.conditions, before);
      assert.notDeepEqual(conditions, before);
    }
  });

  it('names what is wrong, and the nearest method', async () => {
    assert.throws(() => rivalOptions('nearest-neighbor' as RivalMethod), /Did you mean "nearest-neighbour"/);
    assert.throws(() => rivalOptions({ method: 'shrink', kep: 1 } as never), /kep/);
    assert.throws(() => rivalOptions({ method: 'ema-smoothing', decay: 1 }), /decay = 1/);
    await assert.rejects(makeRival('more-steps'), /no `equalTime`/);
    await assert.rejects(makeRival('residual-mlp'), /no `ideal`/);
  });
});
