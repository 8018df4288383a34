import { strict as assert } from 'node:assert';
import { effects } from '../../../src/sweep/analysis/effects';
import { importances } from '../../../src/sweep/analysis/importance';
import { interactionFigure, interactions } from '../../../src/sweep/analysis/interactions';
import { measured } from '../../../src/sweep/analysis/measured';
import { searchOf, searchRows } from '../../../src/sweep/analysis/search';
import type { SweepFile } from '../../../src/sweep/plan';
import { toyRows } from './support';

/** loss = (x - 1)^2 + (y + 2)^2 + coupling x y on x in [1, 5], y in [-2, 2]: without coupling rises as much in both. */
async function search(count: number, base: Record<string, number>, more: Record<string, never[]> = {}) {
  const ranges = { x: { from: 1, to: 5 }, y: { from: -2, to: 2 }, ...more } as NonNullable<
    SweepFile['random']
  >['ranges'];
  const { plan, rows } = await toyRows({ base, random: { count, ranges }, seeds: [0, 1] });
  const all = measured(plan, rows);
  return { all, found: searchOf(effects(all), all)! };
}

describe('sweep/analysis: random search', () => {
  it('is sorted by the objective and holds every knob', async () => {
    const { all, found } = await search(20, { noise: 0.1 });
    const { rows } = searchRows(found, all);
    assert.equal(rows.length, 20); // the base is not one of them
    const losses = rows.map(({ loss }) => loss as number);
    assert.deepEqual(
      losses,
      losses.slice().sort((a, b) => a - b),
    );
    for (const { x, y, loss } of rows) {
      const clean = ((x as number) - 1) ** 2 + ((y as number) + 2) ** 2;
      assert.ok(Math.abs((loss as number) - clean) < 0.5, `${loss} against ${clean}`);
    }
    assert.deepEqual(Object.keys(rows[0]), ['rank', 'x', 'y', 'loss', 'loss error', 'cost', 'cost error', 'seeds']);
  });

  it('importance: what rises has a positive rank correlation, what does nothing stays within chance', async () => {
    const { found } = await search(40, { noise: 0.1 }, { milliseconds: { values: [0, 0.001, 0.002] } } as never);
    const byName = Object.fromEntries(importances(found).map((each) => [each.knob, each]));
    for (const name of ['x', 'y']) {
      const { strength, low, high, pHolm } = byName[name];
      assert.ok(strength > 0.3 && low! < strength && strength < high! && pHolm < 0.05, JSON.stringify(byName[name]));
    }
    const nothing = byName.milliseconds;
    assert.ok(Math.abs(nothing.strength) < nothing.chance * 1.2, JSON.stringify(nothing));
    // two-sided 5 % point of Spearman's law at n = 40: 0.312 (tables); 4 standard errors of a quantile of 999 draws
    assert.ok(Math.abs(byName.x.chance - 0.312) < 0.04, String(byName.x.chance));
  });

  it('a knob with an infinite value is a number; words are categories with the spread of their means', async () => {
    const point = (x: number, words: string) => ({ x, label: words === 'quiet' ? '' : 'loud' });
    const grid = { x: [0, 1, 2, 3], label: ['', 'loud'] };
    const { plan, rows } = await toyRows({ grid, seeds: [0, 1] });
    // the word is worth 10
    const shifted = rows.map((row) => ({
      ...row,
      values: { ...row.values, loss: (row.values.loss as number) + (row.configuration.label === '' ? 0 : 10) },
    }));
    assert.ok(point(0, 'quiet'));
    const all = measured(plan, shifted);
    const [first, second] = importances(searchOf(effects(all), all)!);
    assert.deepEqual(
      [first.knob, first.measure, first.spread, first.low],
      ['label', 'correlation ratio', 10, undefined],
    );
    assert.equal(second.knob, 'x');
    const found = searchOf(effects(all), all)!;
    const infinite = found.points.map(({ at }) => ({
      ...at.point,
      changes: { ...at.point.changes, x: at.point.changes.x === 3 ? 'infinite' : at.point.changes.x },
    }));
    const points = found.points.map((effect, i) => ({
      ...effect,
      at: { ...effect.at, point: { ...infinite[i], origin: 'grid' as const } },
    }));
    const knob = searchOf(points, all)!.knobs.find(({ name }) => name === 'x')!;
    assert.deepEqual([knob.kind, Math.max(...(knob.values as number[]))], ['number', Infinity]);
  });

  it('an interaction that is there is found, one that is not stays within chance', async () => {
    const with_ = await search(40, { noise: 0.1, coupling: 6 });
    const [pair] = interactions(with_.found);
    assert.deepEqual([pair.first.name, pair.second.name], ['x', 'y']);
    const share = ({ gain, additive }: typeof pair) => gain / (1 - additive); // of what the sum leaves over
    assert.ok(share(pair) > 0.3 && pair.pHolm < 0.01, `share ${share(pair)}, p ${pair.pHolm}`);
    const idle = { milliseconds: { values: [0, 0.001, 0.002, 0.003] } } as never;
    const others = interactions((await search(40, { noise: 0.1 }, idle)).found);
    const withIdle = others.filter(({ first, second }) => [first.name, second.name].includes('milliseconds'));
    assert.equal(withIdle.length, 2);
    for (const { pHolm } of withIdle) assert.ok(pHolm > 0.01, `p ${pHolm}`);
  });

  it('pictures: dots with bars coloured by the second knob, a map of means where there are many', async () => {
    const few = await search(20, { noise: 1, coupling: 6 });
    const dots = interactionFigure(interactions(few.found)[0], few.found, few.all).data as {
      x: number[];
      error_y: { array: number[] };
      marker: { color: number[] };
    }[];
    assert.deepEqual(dots[0].x, few.found.knobs[0].values);
    assert.deepEqual(dots[0].marker.color, few.found.knobs[1].values);
    assert.ok(dots[0].error_y.array.every((bar) => bar > 0));
    const many = await search(200, {});
    const [map] = interactionFigure(interactions(many.found)[0], many.found, many.all).data as unknown as [
      { type: string; z: (number | null)[][] },
    ];
    assert.equal(map.type, 'heatmap');
    assert.deepEqual([map.z.length, map.z[0].length], [5, 5]);
    // rises in both: the last cell is the largest, the first the smallest
    const cells = map.z.flat().filter((cell) => cell !== null) as number[];
    assert.deepEqual([map.z[0][0], map.z[4][4]], [Math.min(...cells), Math.max(...cells)]);
  });

  it('three points are no search', async () => {
    const { plan, rows } = await toyRows({ random: { count: 3, ranges: { x: { from: 0, to: 1 } } } });
    const all = measured(plan, rows);
    assert.equal(searchOf(effects(all), all), undefined);
  });
});
