import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import type { ConditionStep } from '../../src/models/conditions';
import { nearestNeighbour } from '../../src/refinement/baselines';
import { conditionRefinement } from '../../src/refinement/condition-refinement';
import { groupRows } from '../../src/refinement/grouping';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { refinementConfiguration } from '../../src/refinement/options';
import type { Refiner } from '../../src/refinement/refiner';
import { putRows, takeRows } from '../../src/refinement/rows';
import { rowNumbers, unitsOf } from '../../src/refinement/units';
import { useBackend } from '../../src/runtime/backend';
import { foldIn, key, normal } from '../../src/runtime/random';

const width = 2;
const buffer = (capacity = 10, channels?: number) =>
  new IdealConditions({ width, grouping: 'class-position-step', capacity, fingerprint: 'model', channels });

/** Images x positions rows of one class and step, in the order of a generation. */
function step(conditions: Float32Array, positions: number[], order = 0): ConditionStep {
  const rows = conditions.length / width;
  return {
    step: order,
    steps: 2,
    conditions: tf.tensor2d(conditions, [rows, width]),
    classes: new Int32Array(rows),
    positions: Int32Array.from({ length: rows }, (_, i) => positions[i % positions.length]),
    samples: Int32Array.from({ length: rows }, (_, i) => Math.floor(i / positions.length)),
    shortSample: () => {
      throw new Error('not here');
    },
  } as unknown as ConditionStep;
}

/** Offers images to a buffer, one after another; conditions are `of(image, position)`. */
function offer(
  ideal: ReturnType<typeof buffer>,
  images: number,
  positions: number[],
  of: (image: number, position: number) => number[],
) {
  const rows = Array.from({ length: images }, (_, image) => positions.map((position) => ({ image, position }))).flat();
  ideal.add(
    {
      conditions: Float32Array.from(rows.flatMap(({ image, position }) => of(image, position))),
      classes: rows.map(() => 0),
      positions: rows.map(({ position }) => position),
      steps: rows.map(() => 0),
      ...(ideal.channels
        ? { latents: Float32Array.from(rows.flatMap(({ image }) => Array(ideal.channels).fill(image))) }
        : {}),
    },
    key(1),
  );
}

async function refined(ideal: ReturnType<typeof buffer>, at: ConditionStep, refiner: Refiner, unit: 'token' | 'image') {
  const { hook, report } = conditionRefinement({ refiner, ideal, fingerprint: 'model', unit, minimumRows: 1 });
  const out = await hook(at);
  const rows = Array.from(await out.data());
  tf.dispose([out, at.conditions]);
  return { rows, report };
}

describe('refinement/units', () => {
  before(async () => {
    await useBackend();
  });

  it('moves all tokens of an image towards one real image, where tokens alone go different ways', async () => {
    const ideal = buffer();
    // Image 0 is (0, 0) and (0, 0), image 1 is (10, 0) and (10, 0).
    offer(ideal, 2, [0, 1], (image) => [10 * image, 0]);
    // The first token is a little nearer to image 0, the second clearly nearer to image 1.
    const given = () => step(Float32Array.from([4, 1, 9, 1]), [0, 1]);
    const { rows: alone } = await refined(ideal, given(), nearestNeighbour, 'token');
    assert.deepEqual(alone, [0, 0, 10, 0]);
    const { rows, report } = await refined(ideal, given(), nearestNeighbour, 'image');
    assert.deepEqual(rows, [10, 0, 10, 0]); // 16 + 81 against 36 + 1
    const [{ group, tokens, rows: points, targets }] = report.groups;
    assert.deepEqual(
      { group, tokens, points, targets },
      { group: 'class 0, step 0', tokens: 2, points: 1, targets: 2 },
    );
  });

  it('is the same as tokens alone where an image gets one token in a step', async () => {
    const ideal = buffer(30);
    const law = normal(key(2), 30 * width);
    offer(ideal, 30, [3], (image) => [law[2 * image], law[2 * image + 1]]);
    const given = () => step(Float32Array.from(normal(key(3), 12 * width)), [3]);
    const refiner = optimalTransportRefiner();
    const { rows: alone } = await refined(ideal, given(), refiner, 'token');
    const { rows } = await refined(ideal, given(), refiner, 'image');
    assert.deepEqual(rows, alone);
  });

  it('keeps rows of one image under one number in all positions, however many are offered', () => {
    const ideal = buffer(5);
    offer(ideal, 200, [0, 4, 7], (image, position) => [image, position]);
    const images = [0, 4, 7].map((position) =>
      Array.from(ideal.law(`class 0, position ${position}, step 0`)!.targets).filter((_, i) => i % 2 === 0),
    );
    assert.deepEqual(images[1], images[0]);
    assert.deepEqual(images[2], images[0]);
    assert.ok(images[0].some((image) => image >= 5)); // a sample of all, not the first five
  });

  it('puts targets and latents of an image side by side, and makes them once', () => {
    const ideal = buffer(10, 3);
    offer(ideal, 4, [0, 1], (image, position) => [image, position]);
    const at = step(new Float32Array(2 * 2 * width), [0, 1]);
    const names = unitsOf(at, ideal.grouping, 'image')[0].parts.map(({ name }) => name);
    const law = ideal.law(...names);
    assert.ok(law?.latents);
    assert.deepEqual(Array.from(law.targets), [0, 0, 0, 1, 1, 0, 1, 1, 2, 0, 2, 1, 3, 0, 3, 1]);
    assert.deepEqual(Array.from(law.latents.subarray(6, 12)), [1, 1, 1, 1, 1, 1]);
    assert.equal(ideal.law(...names), law);
    at.conditions.dispose();
  });

  it('groups rows by what their grouping shares, in ascending order', () => {
    const at = { step: 3, classes: [1, 0, 1, 0, 1], positions: [4, 4, 2, 4, 4] };
    assert.deepEqual(Object.fromEntries(groupRows(at, 'class-position-step')), {
      'class 1, position 4, step 3': [0, 4],
      'class 1, position 2, step 3': [2],
      'class 0, position 4, step 3': [1, 3],
    });
    assert.deepEqual(Object.fromEntries(groupRows(at, 'class')), { 'class 1': [0, 2, 4], 'class 0': [1, 3] });
    assert.deepEqual(Object.fromEntries(groupRows(at, 'global')), { all: [0, 1, 2, 3, 4] });
  });

  it('takes and puts the same rows, point by point', () => {
    const rows = Float32Array.from({ length: 12 }, (_, i) => i);
    const unit = {
      name: 'u',
      parts: [
        { name: 'a', rows: [0, 2] },
        { name: 'b', rows: [5, 3] },
      ],
    };
    const numbers = rowNumbers(unit);
    const points = takeRows(rows, numbers, 2);
    assert.deepEqual(Array.from(points), [0, 1, 10, 11, 4, 5, 6, 7]);
    const back = new Float32Array(12).fill(-1);
    putRows(points, numbers, 2, back);
    assert.deepEqual(Array.from(back), [0, 1, -1, -1, 4, 5, 6, 7, -1, -1, 10, 11]);
  });

  it('refuses images of a class that get different tokens, and buffers whose positions are not of the same images', () => {
    const ideal = buffer();
    offer(ideal, 2, [0, 1], () => [0, 0]);
    const uneven = step(new Float32Array(3 * width), [0, 1]);
    assert.throws(() => unitsOf(uneven, ideal.grouping, 'image'), /different tokens in a step.*one order of tokens/s);
    uneven.conditions.dispose();
    offer(ideal, 1, [0], () => [0, 0]);
    const names = [0, 1].map((position) => `class 0, position ${position}, step 0`);
    assert.throws(() => ideal.law(...names), /different numbers of rows per position/);
  });

  it('is refused with methods and costs that know single tokens', () => {
    assert.throws(
      () => refinementConfiguration({ method: 'optimal-transport', unit: 'image', cost: 'whitened' }),
      /unit: 'token' with cost 'whitened'/,
    );
    assert.throws(() => refinementConfiguration({ method: 'ema-smoothing', unit: 'image' }), /method 'ema-smoothing'/);
    assert.equal(refinementConfiguration({ method: 'nearest-neighbour', unit: 'image' }).unit, 'image');
  });

  it('measures the cost of points as wide as all their tokens', async () => {
    const ideal = buffer(20);
    offer(ideal, 20, [0, 1], (image, position) => Array.from(normal(foldIn(key(5), 2 * image + position), 2)));
    const given = step(Float32Array.from(normal(key(6), 16 * width)), [0, 1]);
    const { report } = await refined(ideal, given, optimalTransportRefiner(), 'image');
    assert.equal(report.groups.length, 1);
    assert.equal(report.groups[0].tokens, 2);
    assert.ok(Math.abs(report.groups[0].iterations[0].spread - 1) < 1e-5); // restored, in float32
  });
});
