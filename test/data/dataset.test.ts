import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { batchPixels, batchPlanner, makeDataset, splitDataset, subset, toBytes } from '../../src/data/dataset';
import { key } from '../../src/runtime/random';

/** `count` images of one pixel whose red value is their index, in two classes. */
const tiny = (count: number) =>
  makeDataset({
    name: 'tiny',
    size: 1,
    images: Uint8Array.from({ length: 3 * count }, (_, i) => Math.floor(i / 3)),
    labels: Int32Array.from({ length: count }, (_, i) => i % 2),
    classNames: ['even', 'odd'],
  });

describe('data/dataset', () => {
  it('every epoch shows every image once, in another order, across batch boundaries', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 50 }), fc.nat(), (count, batch, seed) => {
        const plan = batchPlanner(key(seed), count, batch);
        const drawn: number[] = [];
        for (let step = 0; drawn.length < 3 * count; step++) drawn.push(...plan(step).indices);
        for (let epoch = 0; epoch < 3; epoch++) {
          const seen = drawn.slice(epoch * count, (epoch + 1) * count);
          assert.deepEqual(
            seen.sort((a, b) => a - b),
            Array.from({ length: count }, (_, i) => i),
          );
        }
      }),
      { numRuns: 60 },
    );
    const plan = batchPlanner(key(1), 100, 100);
    assert.notDeepEqual(plan(0).indices, plan(1).indices);
  });

  it('a plan depends on key and step only, asked in any order by anyone', () => {
    const first = batchPlanner(key(4), 17, 5);
    const forward = Array.from({ length: 30 }, (_, step) => first(step));
    const second = batchPlanner(key(4), 17, 5);
    for (const step of [29, 3, 17, 0, 28]) assert.deepEqual(second(step), forward[step]);
    assert.notDeepEqual(batchPlanner(key(5), 17, 5)(0), forward[0]);
  });

  it('mirrors half of the images, or none', () => {
    const flips = batchPlanner(key(2), 10, 1000)(0).flips.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(flips - 500) < 64, `${flips}`); // 4 standard errors
    assert.ok(batchPlanner(key(2), 10, 100, { flip: false })(0).flips.every((f) => f === 0));
    const image = makeDataset({
      name: 'x',
      size: 2,
      images: Uint8Array.from({ length: 12 }, (_, i) => i),
      labels: new Int32Array(1),
      classNames: ['a'],
    });
    const pixels = batchPixels(image, { indices: Int32Array.of(0, 0), flips: Uint8Array.of(0, 1) });
    const bytes = [...toBytes(pixels)];
    assert.deepEqual(bytes.slice(0, 12), [...image.images]);
    assert.deepEqual(bytes.slice(12), [3, 4, 5, 0, 1, 2, 9, 10, 11, 6, 7, 8]);
  });

  it('splits are disjoint, cover everything and keep the share of each class', () => {
    const parts = splitDataset(tiny(40), key(3), { train: 3, reference: 1, control: 1 });
    assert.deepEqual([parts.train.count, parts.reference.count, parts.control.count], [24, 8, 8]);
    assert.equal(
      parts.reference.labels.reduce((a, b) => a + b, 0),
      4,
    );
    const reds = Object.values(parts).flatMap((part) => Array.from(part.images).filter((_, i) => i % 3 === 0));
    assert.deepEqual(
      reds.sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => i),
    );
  });

  it('too few images to split are counted', () => {
    const shares = { train: 8, reference: 1, control: 1 };
    assert.throws(() => splitDataset(tiny(8), key(0), shares), {
      name: 'InvalidInputError',
      message:
        /tiny: got too few to split: 6 for train, 2 for reference, 0 for control \(4 \+ 4 in 2 classes\); .*from 10 in a class/,
    });
    splitDataset(tiny(20), key(0), shares); // 10 in a class
    assert.throws(
      () => makeDataset({ ...tiny(3), images: new Uint8Array(0), labels: new Int32Array(0) }),
      /got no images/,
    );
  });

  it('the hash tells pixels, labels and names apart', () => {
    const base = tiny(6);
    assert.equal(subset(base, [0, 1, 2, 3, 4, 5]).hash, base.hash);
    assert.notEqual(subset(base, [1, 0, 2, 3, 4, 5]).hash, base.hash);
    assert.notEqual(makeDataset({ ...base, labels: new Int32Array(6) }).hash, base.hash);
    assert.notEqual(makeDataset({ ...base, classNames: ['a', 'b'] }).hash, base.hash);
  });

  it('refuses parts that do not fit and pixels that are NaN', () => {
    assert.throws(() => makeDataset({ ...tiny(3), labels: Int32Array.of(0, 1, 2) }), /labels within the classes/);
    assert.throws(() => makeDataset({ ...tiny(3), size: 2 }), /size \* size \* 3/);
    assert.throws(() => toBytes([0, Number.NaN]), /NaN at number 1/);
    assert.deepEqual([...toBytes([-2, -1, 0, 1, 2])], [0, 0, 128, 255, 255]);
  });
});
