import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import type { ConditionStep } from '../../src/models/conditions';
import { driftProbe } from '../../src/refinement/drift';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key, normal } from '../../src/runtime/random';

const width = 2;
const cloud = (name: string, rows: number) => Float32Array.from(normal(foldIn(key(1), name), rows * width));

/** A buffer of standard normal conditions, two groups. */
function buffer(name: string, rows: number) {
  const ideal = new IdealConditions({ width, grouping: 'class-position-step', capacity: rows, fingerprint: 'x' });
  for (const label of [0, 1]) {
    const origin = {
      classes: new Int32Array(rows).fill(label),
      positions: new Int32Array(rows),
      steps: new Int32Array(rows),
    };
    ideal.add({ conditions: cloud(`${name} ${label}`, rows), ...origin }, key(2));
  }
  return ideal;
}

/** One step whose conditions are standard normal but for a shift. */
function step(rows: number, shift: number): ConditionStep {
  const values = cloud('generated', 2 * rows).map((value, i) => (i % width === 0 ? value + shift : value));
  return {
    step: 0,
    steps: 1,
    conditions: tf.tensor2d(values, [2 * rows, width]),
    positions: new Int32Array(2 * rows),
    classes: Int32Array.from({ length: 2 * rows }, (_, i) => i % 2),
    samples: Int32Array.from({ length: 2 * rows }, (_, i) => i),
    shortSample: (conditions) => conditions,
  };
}

describe('refinement/drift, beside a hook', () => {
  before(async () => {
    await useBackend();
  });

  const held = buffer('held', 200);
  const bank = buffer('bank', 100);

  it('conditions of the law have no error above the floor, a shift has its square over the variance', async () => {
    const errors: number[] = [];
    for (const shift of [0, 1]) {
      const probe = driftProbe(held, bank);
      const at = step(100, shift);
      (await probe.hook(at)).dispose();
      at.conditions.dispose();
      assert.deepEqual(probe.before.drift(), probe.after.drift(), 'without a hook nothing changes');
      assert.equal(probe.before.drift()?.groups, 2);
      errors.push(probe.before.drift()!.excess);
    }
    // 100 rows in two dimensions know their mean to 0.1 each: the error to about 2 * 0.1 * 0.1 / 2 + 2 * 1 * 0.1 / 2
    assert.ok(Math.abs(errors[0]) < 0.05, `${errors[0]}`);
    assert.ok(Math.abs(errors[1] - 1 / width) < 0.15, `${errors[1]}`);
  });

  it('what comes out of a hook is measured apart: copies of the buffer lie in it', async () => {
    const copies = (label: number) => [...bank.groups.values()][label].rows.subarray(0, 50 * width);
    const inner = async ({ conditions }: ConditionStep) => {
      const out = conditions.dataSync().slice() as Float32Array;
      for (let row = 0; row < out.length / width; row++) {
        const from = (row >> 1) * width;
        out.set(copies(row % 2).subarray(from, from + width), row * width);
      }
      return tf.tensor2d(out, conditions.shape);
    };
    const probe = driftProbe(held, bank, inner);
    const at = step(50, 0.5);
    (await probe.hook(at)).dispose();
    at.conditions.dispose();
    assert.equal(probe.after.bufferDistance(), 0);
    assert.ok(probe.before.bufferDistance() > 0.5);
    assert.ok(probe.milliseconds() > 0);
  });
});
