import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { causalArConfig } from '../../src/models/ar/causal-ar';
import type { ConditionStep } from '../../src/models/conditions';
import type { ImageModel } from '../../src/models/image-model';
import { driftProbe, groupDrift } from '../../src/refinement/drift';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { IdealLaw } from '../../src/refinement/law';
import { contractionRates, stepRecord } from '../../src/refinement/measure';
import { createGroup } from '../../src/refinement/refiner';
import { rowMean } from '../../src/refinement/rows';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key, normal } from '../../src/runtime/random';

const width = 4;
const rows = 60;

/** Two steps of conditions: step 0 follows the ideal law N(0, 1), step 1 is shifted by `shift` in every coordinate. */
function shiftedModel(shift: number): ImageModel {
  return {
    spec: { family: 'ar', config: causalArConfig() },
    name: 'shifted',
    parameters: new Map(),
    fingerprint: 'shifted',
    conditionWidth: width,
    tokens: 2,
    channels: 1,
    side: 1,
    steps: 2,
    denoisingSteps: 1,
    toLatents: (tokens) => tokens.expandDims(3) as tf.Tensor4D,
    generate: async ({ labels, key: source, hook }) => {
      for (const step of [0, 1]) {
        const values = Float32Array.from(normal(foldIn(source, step), labels.length * width), (z) => z + step * shift);
        const conditions = tf.tensor2d(values, [labels.length, width]);
        const refined = await hook?.({
          step,
          steps: 2,
          conditions,
          classes: labels,
          positions: new Int32Array(labels.length).fill(step),
          samples: labels.map((_, i) => i),
          shortSample: (c) => c,
        });
        tf.dispose([conditions, ...(refined ? [refined] : [])]);
      }
      return tf.zeros([labels.length, 1, 1, 1]);
    },
  };
}

describe('refinement/drift', () => {
  const ideal = new IdealConditions({
    width,
    grouping: 'class-position',
    capacity: 2 * rows,
    fingerprint: 'shifted',
  });
  const labels = Int32Array.from({ length: 5 * rows }, (_, i) => i % 5);

  before(async () => {
    await useBackend();
    for (const position of [0, 1]) {
      for (let label = 0; label < 5; label++) {
        const count = 2 * rows;
        ideal.add(
          {
            conditions: Float32Array.from(normal(foldIn(foldIn(key(5), position), label), count * width)),
            classes: new Int32Array(count).fill(label),
            positions: new Int32Array(count).fill(position),
            steps: new Int32Array(count),
          },
          key(6),
        );
      }
    }
  });

  it('is zero within its error where the law is right, and the squared shift over the variance where it is not', async () => {
    const shift = 0.8;
    const probe = driftProbe(ideal, ideal);
    (await shiftedModel(shift).generate({ labels, key: key(7), hook: probe.hook })).dispose();
    const drift = probe.before.steps();
    assert.deepEqual(
      drift.map(({ step, groups }) => [step, groups]),
      [
        [0, 5],
        [1, 5],
      ],
    );
    assert.ok(Math.abs(drift[0].excess) < 4 * drift[0].error!, `${drift[0].excess} ± ${drift[0].error}`);
    // W2^2 of a shift is |shift|^2 = 4 * 0.64, the variance 4; the divergence is exact for shifts, the floor adds noise
    assert.ok(Math.abs(drift[1].excess - shift ** 2) < 5 * drift[1].error!, `${drift[1].excess} ± ${drift[1].error}`);
    assert.ok(Math.abs(drift[1].spread - 1) < 0.3);
  });

  it('measures after the hook what the hook returns, and leaks nothing', async () => {
    const before = tf.memory().numTensors;
    const back = ({ step, conditions }: ConditionStep) => tf.sub(conditions, 0.8 * step) as tf.Tensor2D;
    const probe = driftProbe(ideal, ideal, back);
    (await shiftedModel(0.8).generate({ labels, key: key(7), hook: probe.hook })).dispose();
    const [, after] = probe.after.steps();
    assert.ok(Math.abs(after.excess) < 4 * after.error!);
    assert.equal(tf.memory().numTensors, before);
  });

  it('one epsilon for floor and excess: shifted samples of the law have the closed-form excess, however far', () => {
    const law = new IdealLaw({ targets: Float32Array.from(normal(key(8), 2 * rows * width)), width });
    const half = law.targets.subarray(rows * width);
    const [first, second] = [rowMean(law.targets.subarray(0, rows * width), width), rowMean(half, width)];
    for (const shift of [0, 0.5, 5]) {
      const found = groupDrift(
        half.map((value) => value + shift),
        law,
      );
      // |x + s - y|^2 - |x - y|^2 = |s|^2 + 2 s (x - y): no plan changes, so neither does its entropy
      let expected = width * shift ** 2;
      for (let k = 0; k < width; k++) expected += 2 * shift * (second[k] - first[k]);
      const excess = (found?.excess ?? Number.NaN) * law.variance;
      // float32 costs of up to 200, and Sinkhorn's tolerance of 1e-3 on marginals
      assert.ok(Math.abs(excess - expected) < 2e-3 * (1 + expected), `${excess} for ${expected}`);
    }
  });

  it('rates of a path: a shift that halves in each iteration', () => {
    const law = new IdealLaw({ targets: Float32Array.from(normal(key(9), rows * width)), width });
    const at = (shift: number) => law.targets.map((value) => value + shift);
    const trace = { group: createGroup(at(4), law), path: [4, 2, 1].map(at), after: at(1), theory: [0.5, 0.5] };
    const records = [0, 1].map((step) => stepRecord(step, [trace]));
    assert.ok(Math.abs((records[0].after?.spread ?? 0) - 1) < 1e-5); // float32
    for (const { rho, theory, steps } of contractionRates(records)) {
      assert.ok(Math.abs(rho - 0.5) < 1e-3, `${rho}`); // Sinkhorn's tolerance
      assert.deepEqual([theory, steps], [0.5, 2]);
    }
  });
});
