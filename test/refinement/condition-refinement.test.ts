import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import type { ConditionStep } from '../../src/models/conditions';
import { nearestNeighbour } from '../../src/refinement/baselines';
import { conditionRefinement, requireRefined } from '../../src/refinement/condition-refinement';
import { groupOf } from '../../src/refinement/grouping';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { fitInverseProcess } from '../../src/refinement/inverse-process';
import { optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key, normal } from '../../src/runtime/random';

const width = 2;
const buffer = (grouping: 'class' | 'class-position-step' | 'global', capacity = 10) =>
  new IdealConditions({ width, grouping, capacity, fingerprint: 'model' });

describe('refinement/ideal-conditions', () => {
  it('names groups by what they share', () => {
    const origin = { class: 3, position: 5, step: 1 };
    assert.equal(groupOf('class-position-step', origin), 'class 3, position 5, step 1');
    assert.equal(groupOf('class', origin), 'class 3');
    assert.equal(groupOf('global', origin), 'all');
  });

  it('keeps a uniform sample of all rows ever offered', () => {
    const kept = new Float64Array(100);
    const runs = 500;
    for (let run = 0; run < runs; run++) {
      const ideal = buffer('global');
      const conditions = Float32Array.from({ length: 100 * width }, (_, i) => Math.floor(i / width));
      const origin = new Int32Array(100);
      ideal.add({ conditions, classes: origin, positions: origin, steps: origin }, foldIn(key(1), run));
      const rows = ideal.law('all')!.targets;
      for (let i = 0; i < rows.length; i += width) kept[rows[i]]++;
    }
    // each of 100 rows is kept with probability 0.1; 5 standard deviations of a binomial count
    const expected = runs * 0.1;
    kept.forEach((count, row) =>
      assert.ok(Math.abs(count - expected) < 5 * Math.sqrt(expected * 0.9), `row ${row}: ${count}`),
    );
  });

  it('is undefined for a group that was never offered and refuses rows of another width', () => {
    assert.equal(buffer('class').law('class 1'), undefined);
    assert.throws(
      () => buffer('class').add({ conditions: new Float32Array(3), classes: [1], positions: [0], steps: [0] }, key(0)),
      /3 numbers for 1 rows; expected 1 rows of width 2/,
    );
  });
});

describe('refinement/inverse-process', () => {
  it('recovers an affine map exactly without a penalty', () => {
    const latents = Float32Array.from(normal(key(3), 40 * 3));
    const affine = (x: Float32Array) =>
      Float32Array.from({ length: (x.length / 3) * 2 }, (_, i) => {
        const row = 3 * Math.floor(i / 2);
        return i % 2 ? 1 + 2 * x[row] - x[row + 2] : -3 + 0.5 * x[row + 1];
      });
    const { apply, explained } = fitInverseProcess(latents, 3, affine(latents), 2, 0);
    const fresh = Float32Array.from(normal(key(4), 30));
    // float32 data of order one
    apply(fresh).forEach((value, i) => assert.ok(Math.abs(value - affine(fresh)[i]) < 1e-5));
    assert.ok(explained > 1 - 1e-10);
  });

  it('refuses unequal rows', () => {
    assert.throws(() => fitInverseProcess(new Float32Array(6), 3, new Float32Array(6), 2), /two or more rows/);
  });
});

describe('refinement/condition-refinement', () => {
  before(async () => {
    await useBackend();
  });

  function stepOf(rows: number[][], classes: number[]): ConditionStep {
    return {
      step: 0,
      steps: 2,
      conditions: tf.tensor2d(rows),
      positions: new Int32Array(rows.length),
      classes: Int32Array.from(classes),
      samples: Int32Array.from(rows, (_, i) => i),
      shortSample: (conditions) => tf.mul(conditions, 2) as tf.Tensor2D,
    };
  }

  /** A buffer that knows class 9 alone. */
  function filled() {
    const ideal = buffer('class');
    const origin = { classes: [9], positions: [0], steps: [0] };
    ideal.add({ conditions: new Float32Array(width), ...origin }, key(0));
    return ideal;
  }

  it('refines each group with its own targets and keeps the order of rows', async () => {
    const ideal = buffer('class');
    const add = (label: number, values: number[]) =>
      ideal.add(
        { conditions: Float32Array.from(values), classes: [label, label], positions: [0, 0], steps: [0, 0] },
        key(label),
      );
    add(0, [0, 0, 10, 10]);
    add(1, [-5, -5, 5, 5]);
    const { hook, report } = conditionRefinement({
      refiner: nearestNeighbour,
      ideal,
      fingerprint: 'model',
      minimumRows: 2,
    });
    const at = stepOf(
      [
        [1, 1],
        [4, 4],
        [9, 9],
        [-4, -6],
        [7, 7],
      ],
      [0, 1, 0, 1, 2],
    );
    const before = tf.memory().numTensors;
    const refined = await hook(at);
    assert.deepEqual(await refined.array(), [
      [0, 0],
      [5, 5],
      [10, 10],
      [-5, -5],
      [7, 7],
    ]);
    assert.equal(tf.memory().numTensors, before + 1);
    assert.deepEqual(
      report.groups.map(({ group, rows, skipReason }) => [group, rows, skipReason]),
      [
        ['class 0', 2, undefined],
        ['class 1', 2, undefined],
        ['class 2', 1, 'the buffer has no conditions of this group'],
      ],
    );
  });

  it('feeds the sampled prior through the inverse process', async () => {
    const ideal = new IdealConditions({ width, grouping: 'class', capacity: 10, fingerprint: 'model', channels: 2 });
    const rows = Float32Array.from([0, 0, 4, 0, 0, 4, 4, 4]);
    ideal.add(
      { conditions: rows, latents: rows, classes: [0, 0, 0, 0], positions: [0, 0, 0, 0], steps: [0, 0, 0, 0] },
      key(0),
    );
    const refiner = optimalTransportRefiner({ epsilon: 1e-3, projection: 'plain', lambda: 1, minimumSpread: 0 });
    const { hook, report } = conditionRefinement({
      refiner,
      ideal,
      fingerprint: 'model',
      minimumRows: 2,
    });
    const refined = await hook(
      stepOf(
        [
          [0, 0],
          [4, 0],
          [0, 4],
          [4, 4],
        ],
        [0, 0, 0, 0],
      ),
    );
    // the plan is the identity; latents are conditions, so T^-1 is the identity too but for its ridge of 1e-3, and c = (c + 2 c) / 2
    (await refined.data()).forEach((value, i) => assert.ok(Math.abs(value - 1.5 * rows[i]) < 0.01));
    assert.ok(report.milliseconds.prior <= report.milliseconds.refiner);
  });

  it('does not let a refinement that changed nothing pass for one', async () => {
    const ideal = filled();
    const { hook, report } = conditionRefinement({ refiner: nearestNeighbour, ideal, fingerprint: 'model' });
    await hook(stepOf([[1, 2]], [0]));
    assert.throws(
      () => requireRefined(report),
      /1 groups, all left unchanged: the buffer has no conditions of this group/,
    );
  });

  it('refuses a buffer of another model and skips the steps that it is told to skip', async () => {
    const ideal = filled();
    assert.throws(
      () => conditionRefinement({ refiner: nearestNeighbour, ideal, fingerprint: 'other' }),
      /a buffer of model model/,
    );
    assert.throws(
      () => conditionRefinement({ refiner: nearestNeighbour, ideal: buffer('class'), fingerprint: 'model' }),
      /an empty buffer/,
    );
    const { hook, report } = conditionRefinement({
      refiner: nearestNeighbour,
      ideal,
      fingerprint: 'model',
      steps: (s) => s > 0,
    });
    const at = stepOf([[1, 2]], [0]);
    assert.deepEqual(await (await hook(at)).array(), [[1, 2]]);
    assert.equal(report.groups.length, 0);
  });
});
