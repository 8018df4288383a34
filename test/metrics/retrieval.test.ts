import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { type Features, selectRows } from '../../src/metrics/features';
import { memorisation, NearestRows, ownDistance, proximity } from '../../src/metrics/retrieval';
import { foldIn, key, normal, permutation } from '../../src/runtime/random';

const cloud = (seed: number, count: number, dimension = 4, scale = 1): Features => ({
  data: normal(foldIn(key(seed), count), count * dimension).map((x) => scale * x),
  count,
  dimension,
});
const line = (...data: number[]): Features => ({ data: Float64Array.from(data), count: data.length, dimension: 1 });
const blend = (a: Features, b: Features, share: number): Features => ({
  ...a,
  data: a.data.map((x, i) => (1 - share) * x + share * b.data[i]) as Float64Array,
});

describe('metrics/retrieval', () => {
  it('finds the nearest row, whatever the parts in which the bank is shown', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 1000 }), (cut, seed) => {
        const [queries, bank] = [cloud(seed, 12), cloud(seed + 1, 31)];
        const rows = (from: number, to: number) =>
          selectRows(
            bank,
            Array.from({ length: to - from }, (_, i) => from + i),
          );
        const found = new NearestRows(queries).add(rows(0, cut)).add(rows(cut, 31)).finish();
        for (let i = 0; i < queries.count; i++) {
          const distances = Array.from({ length: 31 }, (_, j) =>
            Math.hypot(...[0, 1, 2, 3].map((k) => queries.data[4 * i + k] - bank.data[4 * j + k])),
          );
          assert.equal(found.row[i], distances.indexOf(Math.min(...distances)));
          assert.ok(Math.abs(found.distance[i] - Math.min(...distances)) < 1e-12); // two orders of one sum
        }
      }),
      { numRuns: 30 },
    );
  });

  it('an empty bank is infinitely far', () => {
    assert.deepEqual(new NearestRows(line(1)).finish(), {
      distance: Float64Array.of(Infinity),
      row: Int32Array.of(-1),
    });
  });

  it('proximity by hand: a bank on a grid of step 2, rows at 0.5 and at 3', () => {
    const bank = line(0, 2, 4, 6);
    assert.equal(ownDistance(bank), 2);
    const { ratio, copies, rows } = proximity(line(0.5, 3), bank);
    assert.equal(ratio, (0.5 + 1) / 2 / 2);
    assert.equal(copies, 0);
    assert.equal(rows, 2);
  });

  it('copies are at 0, fresh draws of the same law at about 1, and half-way towards copies in between', () => {
    const [bank, fresh] = [cloud(1, 300), cloud(2, 300)];
    const copies = proximity(selectRows(bank, permutation(key(3), 300)), bank);
    assert.deepEqual([copies.ratio, copies.error, copies.copies], [0, 0, 1]);
    const own = proximity(fresh, bank);
    // a fresh row has 300 rows to be near to, a bank row 299: a difference of 0.1 % in 4 dimensions
    assert.ok(Math.abs(own.ratio - 1) < 4 * own.error, `${own.ratio} ± ${own.error}`);
    assert.ok(own.copies < 0.05);
    const { row } = new NearestRows(fresh).add(bank).finish();
    const half = proximity(blend(fresh, selectRows(bank, row), 0.5), bank);
    assert.ok(Math.abs(half.ratio - own.ratio / 2) < 1e-9); // the nearest row stays the nearest
  });

  it('memorisation is 1 for unseen draws and falls with the share of copies', () => {
    const [training, unseen] = [cloud(4, 600), cloud(5, 400)];
    const none = memorisation(cloud(6, 400), unseen, training);
    assert.ok(Math.abs(none.ratio - 1) < 4 * none.ratioError, `${none.ratio} ± ${none.ratioError}`);
    assert.ok(Math.abs(none.nearCopies - none.level) < 4 * none.nearCopiesError);
    const mixed = cloud(7, 400);
    const half: Features = { ...mixed, data: mixed.data.map((x, i) => (i < 800 ? training.data[i] : x)) };
    const some = memorisation(half, unseen, training);
    assert.ok(Math.abs(some.ratio - 0.5) < 4 * some.ratioError, `${some.ratio} ± ${some.ratioError}`);
    assert.ok(some.nearCopies >= 0.5);
    assert.deepEqual(some.counts, { generated: 400, unseen: 400, training: 600 });
  });

  it('takes the training rows in parts, with the same result', () => {
    const [generated, unseen, training] = [cloud(8, 20), cloud(9, 20), cloud(10, 50)];
    const part = (from: number) =>
      selectRows(
        training,
        Array.from({ length: 25 }, (_, i) => from + i),
      );
    assert.deepEqual(memorisation(generated, unseen, [part(0), part(25)]), memorisation(generated, unseen, training));
  });

  it('names what is wrong', () => {
    assert.throws(() => proximity(line(1), line(2, 2)), /all the same/);
    assert.throws(() => ownDistance(line(1)), /count = 1/);
    assert.throws(() => new NearestRows(line(1)).add(cloud(1, 3)), /dimensions 1 and 4/);
    assert.throws(() => memorisation(line(1, 2), line(1, 2), []), /no rows/);
    assert.throws(() => memorisation(line(1, 2), line(1, 2), line(1), 1), /Level of near-copies: got 1/);
  });
});
