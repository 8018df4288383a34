import { strict as assert } from 'node:assert';
import { holm, studentQuantile } from '../../../src/metrics/confidence';
import { effectRows, effects, readableEffects } from '../../../src/sweep/analysis/effects';
import { effectFigure } from '../../../src/sweep/analysis/forest';
import { measured } from '../../../src/sweep/analysis/measured';
import { knobFigures } from '../../../src/sweep/analysis/one-at-a-time';
import { planSweep } from '../support';
import { toyRow, toyRows } from './support';

const near = (got: number | undefined, wanted: number, tolerance = 1e-12) =>
  assert.ok(Math.abs(got! - wanted) <= tolerance, `${got} against ${wanted}`);

describe('sweep/analysis: effects', () => {
  it('without noise the differences to the base are those of the quadratic, exactly', async () => {
    const { plan, rows } = await toyRows({ oneAtATime: { x: [1, -1], y: [-2, 3] }, seeds: [0, 1, 2] });
    const found = effects(measured(plan, rows));
    // loss = (x - 1)^2 + (y + 2)^2 from (0, 0), where it is 5
    const expected = { base: undefined, 'x = 1': -1, 'x = -1': 3, 'y = -2': -4, 'y = 3': 21 };
    assert.deepEqual(Object.fromEntries(found.map(({ at, toBase }) => [at.name, toBase?.mean])), expected);
    const verdicts = found.map(({ toBase }) => toBase?.verdict);
    assert.deepEqual(verdicts, [undefined, 'holds', 'fails', 'holds', 'fails']);
    assert.deepEqual(found[1].values.loss, { mean: 4, standardError: 0, count: 3 });
  });

  it('what seeds share cancels: the interval is that of their own noise', async () => {
    const seeds = Array.from({ length: 40 }, (_, i) => i);
    const { plan, rows } = await toyRows({ base: { noise: 10 }, oneAtATime: { x: [1] }, seeds });
    const [base, changed] = effects(measured(plan, rows));
    // own parts have standard deviation 1 each: sqrt(2 / 40) = 0.224, against 10 / sqrt(40) = 1.58 unpaired
    near(changed.toBase!.standardError, Math.sqrt(2 / 40), 0.1);
    assert.ok(base.values.loss.standardError! > 1);
    assert.ok(Math.abs(changed.toBase!.mean + 1) < 4 * changed.toBase!.standardError!);
  });

  it('the interval by hand, over the seeds that both sides have', () => {
    const plan = planSweep({ experiment: 'toy', oneAtATime: { x: [1] }, seeds: [0, 1, 2, 3] });
    const loss = (x: number, values: number[]) => values.map((value, seed) => toyRow({ x }, seed, { loss: value }));
    const rows = [...loss(0, [10, 20, 30, 40]), ...loss(1, [11, 99, 33, 42])];
    rows[5] = { ...rows[5], status: 'failed', values: {}, error: 'no' }; // seed 1 is on one side only
    const all = measured(plan, rows);
    const [, { at, toBase }] = effects(all);
    // differences 1, 3, 2: mean 2, standard deviation 1
    near(toBase!.mean, 2);
    near(toBase!.standardError, 1 / Math.sqrt(3));
    near(toBase!.high, 2 + studentQuantile(0.975, 2) / Math.sqrt(3));
    assert.deepEqual([toBase!.count, at.failed, toBase!.verdict], [3, 1, 'undecided']);
    const [, row] = effectRows(effects(all), all);
    assert.deepEqual([row.seeds, row.missing, row['to base, seeds']], [3, 1, 3]);
  });

  it('p-values are corrected over the table', async () => {
    const { plan, rows } = await toyRows({
      base: { noise: 1 },
      oneAtATime: { x: [0.1, 0.02, 1], y: [1] },
      seeds: [0, 1, 2],
    });
    const found = effects(measured(plan, rows)).flatMap(({ toBase }) => toBase ?? []);
    assert.deepEqual(
      found.map(({ pHolm }) => pHolm),
      holm(found.map(({ pValue }) => pValue!)),
    );
  });

  it('one seed has a difference and no interval; its verdict is open', async () => {
    const { plan, rows } = await toyRows({ oneAtATime: { x: [1] } });
    const all = measured(plan, rows);
    const found = effects(all);
    assert.deepEqual(found[1].toBase, { mean: -1, count: 1, verdict: 'undecided' });
    assert.equal(readableEffects(found, all)[1]['to base'], '−1');
  });

  it('with a control every point is also compared with itself without what is studied, rows shared', async () => {
    const { plan, rows } = await toyRows({
      base: { x: 1 },
      control: { x: 0 },
      oneAtATime: { x: [2], y: [-2] },
      seeds: [0, 1],
    });
    // x = 0 is the control of the base and of x = 2; y = -2 has its own
    assert.deepEqual(
      plan.points.map(({ origin, configuration: { x, y } }) => `${origin} ${x} ${y}`),
      ['base 1 0', 'control 0 0', 'one at a time 2 0', 'one at a time 1 -2', 'control 0 -2'],
    );
    const found = effects(measured(plan, rows));
    const toControl = found.map(({ at, toControl: difference }) => [at.name, difference?.mean]);
    // (x - 1)^2 at x = 1, 2 against x = 0
    assert.deepEqual(toControl, [['base', -1], ['x = 0', undefined], ['x = 2', 0], ['y = -2', -1], ['y = -2, x = 0', undefined]]); // biome-ignore format: a table
  });

  it('figures: numbers on an axis with the base, words as categories, bars as long as the interval', async () => {
    const { plan, rows } = await toyRows({
      base: { noise: 1 },
      oneAtATime: { x: [0.001, 10, 1], label: ['quiet'] },
      seeds: [0, 1, 2],
    });
    const all = measured(plan, rows);
    const found = effects(all);
    const figures = knobFigures(found, all);
    assert.deepEqual(Object.keys(figures), ['knob-x', 'knob-label']);
    const [trace] = figures['knob-x'].data as { x: number[]; y: number[]; error_y: { array: number[] } }[];
    assert.deepEqual(trace.x, [0, 0.001, 1, 10]); // the base's value among them
    assert.deepEqual([trace.y[0], trace.error_y.array[0]], [0, 0]);
    const large = found.find(({ at }) => at.name === 'x = 10')!.toBase!;
    near(trace.y[3], large.mean);
    near(trace.error_y.array[3], large.high! - large.mean);
    assert.equal(figures['knob-x'].layout.xaxis!.type, 'linear'); // the base's 0 has no logarithm
    assert.equal(figures['knob-label'].layout.xaxis!.type, 'category');
    const positive = await toyRows({ base: { x: 0.01 }, oneAtATime: { x: [0.001, 10] }, seeds: [0, 1] });
    const again = measured(positive.plan, positive.rows);
    assert.equal(knobFigures(effects(again), again)['knob-x'].layout.xaxis!.type, 'log');
    const forest = effectFigure(found, all)!.data as { y: string[] }[];
    assert.deepEqual(forest[0].y, ['x = 0.001', 'x = 10', 'x = 1', 'label = quiet']);
  });
});
