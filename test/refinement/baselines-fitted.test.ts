import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { emaSmoothing } from '../../src/refinement/baselines/ema-smoothing';
import { predictiveProjection } from '../../src/refinement/baselines/predictive-projection';
import { fitResidualMlp } from '../../src/refinement/baselines/residual-mlp';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { IdealLaw } from '../../src/refinement/law';
import { ConditionMoments } from '../../src/refinement/moments';
import { createGroup, type Group } from '../../src/refinement/refiner';
import { meanSquaredDistance, rowMean } from '../../src/refinement/rows';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key, normal } from '../../src/runtime/random';
import { group as made } from '../support/group';

const close = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) =>
  Array.from(a).forEach((value, i) =>
    assert.ok(Math.abs(value - b[i]) <= tolerance, `[${i}] ${value} against ${b[i]}`),
  );

describe('refinement/baselines: EMA smoothing', () => {
  /** One group of one coordinate at a step; its ideal law has the given mean. */
  const at = (step: number, conditions: number[], mean: number, samples = conditions.map((_, i) => i)): Group =>
    made({
      conditions: Float32Array.from(conditions),
      targets: Float32Array.of(mean - 1, mean + 1),
      width: 1,
      origin: () => ({ step, samples: Int32Array.from(samples) }),
    });

  it('is the moving average of deviations along the steps, image by image', () => {
    const refine = emaSmoothing({ decay: 0.5, centre: 'ideal' });
    assert.deepEqual([...refine(at(0, [3, 8], 1)).conditions], [3, 8], 'the first step starts the average');
    // deviations 2 and 7 before; now 4 and -1 from a mean of 10: averages 3 and 3
    assert.deepEqual([...refine(at(1, [14, 9], 10)).conditions], [13, 13]);
    // rows in another order: image 1 deviates by 1, image 0 by 5
    assert.deepEqual([...refine(at(2, [1, 5], 0, [1, 0])).conditions], [2, 4]);
  });

  it('without a centre it is the bare average, with decay 0 nothing', () => {
    const bare = emaSmoothing({ decay: 0.25, centre: 'none' });
    bare(at(0, [4], 100));
    assert.deepEqual([...bare(at(1, [8], 100)).conditions], [7]);
    const nothing = emaSmoothing({ decay: 0, centre: 'ideal' });
    nothing(at(0, [4], 1));
    assert.deepEqual([...nothing(at(1, [8], 1)).conditions], [8]);
  });

  it('several tokens of an image in one step are averaged with what was before the step, and enter as their mean', () => {
    const refine = emaSmoothing({ decay: 0.5, centre: 'ideal' });
    refine(at(0, [4], 0));
    // two groups (positions) of one step: neither sees the other
    assert.deepEqual([...refine(at(1, [8], 0)).conditions], [6]);
    assert.deepEqual([...refine(at(1, [0], 0)).conditions], [2]);
    // the state is their mean, 4
    assert.deepEqual([...refine(at(2, [0], 0)).conditions], [2]);
  });

  it('starts anew with the next generation, and keeps the average of an image that a step left out', () => {
    const refine = emaSmoothing({ decay: 0.5, centre: 'ideal' });
    refine(at(0, [4], 0));
    refine(at(1, [4, 8], 0, [5, 6]));
    assert.deepEqual([...refine(at(2, [0], 0)).conditions], [2], 'image 0 was not in step 1');
    assert.deepEqual([...refine(at(0, [10], 0)).conditions], [10]);
    assert.deepEqual([...refine(at(1, [0], 0)).conditions], [5]);
  });

  it('refuses a group without step and images', () => {
    const { conditions, law } = at(0, [1], 0);
    const alone = createGroup(conditions, law);
    assert.throws(() => emaSmoothing({ decay: 0.5, centre: 'ideal' })(alone), /the AR step and the images of its rows/);
  });
});

describe('refinement/baselines: projection on the predictive subspace', () => {
  // Conditions of unit variance whose first coordinate alone says something of the token.
  const moments = new ConditionMoments({
    rows: 10_000,
    width: 3,
    channels: 1,
    condition: Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1),
    cross: Float64Array.of(0.8, 0, 0),
    token: Float64Array.of(1),
  });
  const targets = Float32Array.of(4, 5, 6, 6, 7, 8);
  const conditions = Float32Array.of(9, 9, 9, 1, 2, 3);
  const group = createGroup(conditions, new IdealLaw({ targets, width: 3 }, () => moments));

  it('keeps what predicts the token and sets the rest to the ideal mean', () => {
    const { conditions: out } = predictiveProjection({ share: 0.99, keep: 0 })(group);
    close(out, [9, 6, 7, 1, 6, 7], 1e-6); // float32
    const twice = predictiveProjection({ share: 0.99, keep: 0 })({ ...group, conditions: out });
    close(twice.conditions, out, 1e-6);
  });

  it('`keep` blends with the conditions as they were', () => {
    close(predictiveProjection({ share: 0.99, keep: 1 })(group).conditions, conditions, 1e-6);
    close(predictiveProjection({ share: 0.99, keep: 0.5 })(group).conditions, [9, 7.5, 8, 1, 4, 5], 1e-6);
  });

  it('refuses a group without covariances', () => {
    const refine = predictiveProjection({ share: 0.99, keep: 0 });
    assert.throws(() => refine(made({ conditions, targets, width: 3 })), /covariances without tokens/);
  });
});

describe('refinement/baselines: residual MLP', () => {
  const width = 4;
  const noise = 0.5;
  const options = { noise, hidden: 32, steps: 300, batch: 128, rate: 5e-3 };
  /** Two classes; conditions live on the first coordinate, the others are constant. */
  const ideal = () => {
    const buffer = new IdealConditions({ width, grouping: 'class', capacity: 200, fingerprint: 'model' });
    for (const label of [0, 1]) {
      const z = normal(foldIn(key(1), label), 200);
      const conditions = Float32Array.from({ length: 200 * width }, (_, i) =>
        i % width === 0 ? 5 * label + 2 * z[i / width] : label,
      );
      const same = new Int32Array(200);
      buffer.add({ conditions, classes: same.fill(label), positions: same, steps: same }, key(label));
    }
    return buffer;
  };

  before(async () => {
    await useBackend();
  });

  it('takes off noise where the ideal law has no spread, keeps it apart by class, and frees what it holds', async () => {
    const buffer = ideal();
    const tensors = tf.memory().numTensors;
    const { refiner, noiseLeft, dispose } = await fitResidualMlp(buffer, key(3), options);
    // three of four directions hold nothing but noise; along the first, variance 4 meets noise of 0.5 x 4 / 4: 8/9 of it stay
    const best = 8 / 9 / 4;
    assert.ok(noiseLeft > 0.8 * best && noiseLeft < 1.5 * best, `${noiseLeft}, the best linear map leaves ${best}`);
    const { targets } = buffer.law('class 1')!;
    const clean = targets.slice(0, 50 * width);
    const z = normal(key(4), clean.length);
    const shaken = clean.map((c, i) => c + Math.sqrt(noise) * z[i]);
    const { conditions } = refiner(made({ conditions: shaken, targets, width }));
    assert.ok(meanSquaredDistance(conditions, clean, width) < 0.5 * meanSquaredDistance(shaken, clean, width));
    const mean = rowMean(conditions, width);
    assert.ok(Math.abs(mean[1] - 1) < 0.15, `coordinate 1 of class 1 is 1, not ${mean[1]}`); // 3 errors of a mean of 50 with noise 0.7 / 2
    dispose();
    assert.equal(tf.memory().numTensors, tensors);
  });

  it('the same key gives the same network', async () => {
    const few = { ...options, steps: 5 };
    const { targets } = ideal().law('class 0')!;
    const apply = async () => {
      const { refiner, dispose } = await fitResidualMlp(ideal(), key(3), few);
      const { conditions } = refiner(made({ conditions: targets, targets, width }));
      dispose();
      return conditions;
    };
    assert.deepEqual(await apply(), await apply());
  });

  it('refuses a buffer without anything to learn from', async () => {
    const empty = new IdealConditions({ width, grouping: 'class', capacity: 5, fingerprint: 'model' });
    await assert.rejects(fitResidualMlp(empty, key(0), options), /a buffer of 0 groups/);
  });
});
