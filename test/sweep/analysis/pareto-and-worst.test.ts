import { strict as assert } from 'node:assert';
import * as fc from 'fast-check';
import { effects } from '../../../src/sweep/analysis/effects';
import { measured } from '../../../src/sweep/analysis/measured';
import { frontOf, paretoFigure, paretoRows, standings } from '../../../src/sweep/analysis/pareto';
import { worstCases, worstFigure, worstRows } from '../../../src/sweep/analysis/worst';
import { planSweep } from '../support';
import { toyRow, toyRows } from './support';

describe('sweep/analysis: the Pareto front', () => {
  it('of the quadratic along x: up to its minimum at 1, and not beyond', async () => {
    const { plan, rows } = await toyRows({ grid: { x: [0, 0.5, 1, 2, 3] }, seeds: [0, 1] });
    const all = measured(plan, rows);
    const found = standings(effects(all), all);
    const front = found.filter(({ onFront }) => onFront).map(({ effect }) => effect.at.name);
    assert.deepEqual(front, ['x = 0', 'x = 0.5', 'x = 1']);
    assert.ok(found.every(({ onFront, seedsOnFront }) => seedsOnFront === (onFront ? 1 : 0)));
    const { rows: table, page } = paretoRows(found, all);
    assert.deepEqual([table.length, page.length], [5, 3]);
    const traces = paretoFigure(found, all).data as { name?: string; error_y?: { array: number[] } }[];
    assert.deepEqual(
      traces.flatMap(({ name }) => name ?? []),
      ['dominated', '1  x = 0', '2  x = 0.5', '3  x = 1'],
    );
  });

  it('nothing on it is dominated, everything off it is', () => {
    const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 5 })), { minLength: 1 });
    fc.assert(
      fc.property(pairs, (given) => {
        const front = frontOf(given);
        const ordered = given.filter((_, i) => front[i]).sort(([a], [b]) => a - b);
        for (let i = 1; i < ordered.length; i++) {
          const [[x, y], [previousX, previousY]] = [ordered[i], ordered[i - 1]];
          assert.ok((x > previousX && y < previousY) || (x === previousX && y === previousY));
        }
        given.forEach(([x, y], i) => {
          if (!front[i]) assert.ok(ordered.some(([a, b]) => a <= x && b <= y));
        });
      }),
    );
  });

  it('a front that hangs on one seed says so', () => {
    const plan = planSweep({ experiment: 'toy', grid: { x: [1, 2] }, seeds: [0, 1, 2, 3] });
    const rows = [0, 1, 2, 3].flatMap((seed) => [
      toyRow({ x: 1 }, seed, { loss: 10, cost: 1 }),
      toyRow({ x: 2 }, seed, { loss: seed === 0 ? 0 : 11, cost: 2 }),
    ]);
    const all = measured(plan, rows);
    const found = standings(effects(all), all);
    assert.deepEqual(
      found.map(({ onFront, seedsOnFront }) => [onFront, seedsOnFront]),
      [
        [true, 1],
        [true, 0.25],
      ],
    );
  });
});

describe('sweep/analysis: the worst cases', () => {
  it('are those that hurt most, each with its worst seed first; what helps is none', async () => {
    const { plan, rows } = await toyRows({
      base: { noise: 1 },
      oneAtATime: { x: [1, 5, 3], y: [2] },
      seeds: [0, 1, 2],
    });
    const all = measured(plan, rows);
    const cases = worstCases(effects(all), all);
    // (5 - 1)^2 - 1 = 15, (2 + 2)^2 - 4 = 12, (3 - 1)^2 - 1 = 3
    assert.deepEqual(
      cases.map(({ effect }) => effect.at.name),
      ['x = 5', 'y = 2', 'x = 3'],
    );
    for (const { seeds } of cases) {
      assert.equal(seeds.length, 3);
      assert.ok(seeds[0].harm >= seeds[1].harm && seeds[1].harm >= seeds[2].harm);
      for (const { harm, objective, against } of seeds) assert.equal(harm, objective - against!);
    }
    const { rows: table } = worstRows(cases, all);
    assert.equal(table.length, 9);
    assert.deepEqual(
      table.filter((row) => row['worst seed']).map(({ point }) => point),
      ['x = 5', 'y = 2', 'x = 3'],
    );
    assert.ok(table.every(({ row }) => rows.some(({ key }) => key === row)));
    const [dots] = worstFigure(cases, all)!.data as { x: number[] }[];
    assert.equal(dots.x.length, 9);
  });

  it('against the control where there is one', async () => {
    const { plan, rows } = await toyRows({ base: { x: 2 }, control: { x: 1 }, oneAtATime: { y: [5] }, seeds: [0, 1] });
    const all = measured(plan, rows);
    const cases = worstCases(effects(all), all);
    // x = 2 against x = 1 costs 1 for every y: y = 5 is far worse than the base, but not by what is studied
    assert.deepEqual(
      cases.map(({ effect, against, seeds }) => [effect.at.name, against!.name, seeds[0].harm]),
      [
        ['base', 'x = 1', 1],
        ['y = 5', 'y = 5, x = 1', 1],
      ],
    );
  });

  it('of a grid without a base: the largest objectives', async () => {
    const { plan, rows } = await toyRows({ grid: { x: [5, 9, 7] } });
    const all = measured(plan, rows);
    const [first] = worstCases(effects(all), all);
    assert.deepEqual([first.effect.at.name, first.against], ['x = 9', undefined]);
  });
});
