import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXPERIMENTS } from '../../src/study/experiments';
import { readSweep } from '../../src/sweep/plan';
import { planSweep, temporaryFolder } from './support';

describe('sweep/plan', () => {
  const folder = temporaryFolder();

  it('grid, one at a time and points make the expected rows; equal configurations are one', () => {
    const plan = planSweep({
      experiment: 'toy',
      base: { x: 1 },
      points: [{ y: 5 }],
      grid: { x: [1, 2], y: [0, 3] },
      oneAtATime: { x: [1, 2, 4], y: [0, 7] },
      seeds: [3, 4, 4],
    });
    const at = plan.points.map(({ origin, configuration: { x, y } }) => `${origin} ${x},${y}`);
    assert.deepEqual(at, [
      'base 1,0',
      'point 1,5',
      'grid 1,3',
      'grid 2,0',
      'grid 2,3',
      'one at a time 4,0',
      'one at a time 1,7',
    ]);
    assert.equal(plan.tasks.length, 14); // two distinct seeds
    assert.equal(new Set(plan.tasks.map(({ key }) => key)).size, 14);
  });

  it('keys depend on the configuration in effect alone', () => {
    const keys = (base: Record<string, number>) =>
      planSweep({ experiment: 'toy', base, seeds: [1] }).tasks.map(({ key }) => key);
    assert.deepEqual(keys({ x: 0, y: 2 }), keys({ y: 2 })); // x = 0 is the default
    assert.notDeepEqual(keys({ y: 2 }), keys({ y: 3 }));
  });

  it('a grid alone has no base beside it', () => {
    assert.equal(planSweep({ experiment: 'toy', grid: { x: [5, 6] } }).tasks.length, 2);
    assert.equal(planSweep({ experiment: 'toy' }).tasks.length, 1);
  });

  it('a control is made once for all points that differ in what it takes out, and changes no key', () => {
    const file = { experiment: 'toy', base: { x: 5 }, oneAtATime: { x: [6, 0], y: [1] }, seeds: [1] };
    const plan = planSweep({ ...file, control: { x: 0 } });
    assert.deepEqual(
      plan.points.map(({ origin, configuration: { x, y }, control }) => [origin, x, y, control !== undefined]),
      [
        ['base', 5, 0, true],
        ['one at a time', 0, 0, false], // the control of the first three, and a point of its own
        ['one at a time', 6, 0, true],
        ['one at a time', 5, 1, true],
        ['control', 0, 1, false],
      ],
    );
    const [base, control, other] = plan.points;
    assert.deepEqual([base.control, other.control], [control.keys, control.keys]);
    const keys = planSweep(file).tasks.map(({ key }) => key);
    assert.ok(keys.every((key) => plan.tasks.some((task) => task.key === key)));
    assert.throws(() => planSweep({ ...file, control: { z: 1 } }), /the knob "z"/);
  });

  it('random points stay in their ranges, and more of them keep the first ones', () => {
    const draw = (count: number) =>
      planSweep({
        experiment: 'toy',
        random: {
          count,
          seed: 7,
          ranges: {
            x: { from: 0.01, to: 10, scale: 'log' },
            y: { from: 1, to: 3, integer: true },
            fails: { values: [true, false] },
          },
        },
      }).points.slice(1);
    const many = draw(200);
    const [x, y] = ['x', 'y'].map((name) => many.map(({ configuration }) => configuration[name] as number));
    assert.ok(x.every((value) => value >= 0.01 && value <= 10));
    // log-uniform on three decades: a third of the draws below 0.1; 4 standard errors of 200 draws = 0.13
    assert.ok(Math.abs(x.filter((value) => value < 0.1).length / 200 - 1 / 3) < 0.13);
    assert.deepEqual([...new Set(y)].sort(), [1, 2, 3]);
    assert.deepEqual(draw(5), many.slice(0, 5));
  });

  it('says what is wrong, with the nearest name', () => {
    assert.throws(() => planSweep({ experiment: 'toi' }), /perhaps toy/);
    assert.throws(() => planSweep({ experiment: 'toy', base: { coupeling: 1 } }), /perhaps coupling/);
    assert.throws(() => planSweep({ experiment: 'toy', oneAtATime: { 'x.y': [1] } }), /x/);
    assert.throws(() => planSweep({ experiment: 'toy', base: { x: 'much' } }), /x = "much"/);
    assert.throws(() => planSweep({ experiment: 'toy', sead: 1 } as never), /sead/);
    assert.throws(() => planSweep({ experiment: 'toy', seeds: [] }), /seeds/);
    const ranges = { x: { from: -1, to: 1, scale: 'log' as const } };
    assert.throws(() => planSweep({ experiment: 'toy', random: { count: 1, ranges } }), /above 0/);
    assert.throws(() => readSweep(join(folder, 'none.json'), EXPERIMENTS), /ENOENT/);
    writeFileSync(join(folder, 'broken.json'), '{ "experiment": ');
    assert.throws(() => readSweep(join(folder, 'broken.json'), EXPERIMENTS), /JSON/);
  });

  it('names that lead to a prototype are refused wherever they stand, and reach nothing', () => {
    const text = (name: string) => `{ "experiment": "toy", ${name} }`;
    const files = [
      '"points": [{ "__proto__.polluted": "yes" }]',
      '"points": [{ "constructor.prototype.polluted": "yes" }]',
      '"points": [{ "x.__proto__.polluted": "yes" }]',
      '"base": { "__proto__": { "polluted": "yes" } }',
      '"base": { "x": { "__proto__": { "polluted": "yes" } } }',
      '"grid": { "__proto__.polluted": ["yes"] }',
      '"oneAtATime": { "__proto__.polluted": ["yes"] }',
      '"control": { "__proto__.polluted": "yes" }',
      '"random": { "count": 1, "ranges": { "__proto__.polluted": { "values": ["yes"] } } }',
    ];
    for (const file of files) {
      assert.throws(() => planSweep(JSON.parse(text(file))), /prototype/, file);
      assert.equal(({} as { polluted?: string }).polluted, undefined, file);
    }
  });

  it('a mistyped knob is named with the nearest one, whatever else its absence breaks', () => {
    const file = { experiment: 'refinement', points: [{ 'refinement.epsilonn': 0.1 }] };
    assert.throws(() => planSweep(file), /the knob "refinement.epsilonn".*perhaps refinement.epsilon;/s);
    const known = { experiment: 'refinement', points: [{ 'refinement.epsilon': 0.1 }] }; // a name of another method
    assert.throws(
      () => planSweep(known),
      (error: Error) => !/the knob/.test(error.message),
    );
  });
});
