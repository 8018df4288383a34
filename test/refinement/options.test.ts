import { strict as assert } from 'node:assert';
import { makeBaseline } from '../../src/refinement/baselines';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import {
  METHOD_NAMES,
  optimalTransportOptions,
  type RefinementMethod,
  type RefinementOptions,
  refinementConfiguration,
  refinementOptionTable,
} from '../../src/refinement/options';
import { key, normal } from '../../src/runtime/random';
import { asJson } from '../../src/sweep/configuration';
import { group as made } from '../support/group';

const width = 3;
const group = made({
  conditions: Float32Array.from(normal(key(1), 20 * width)),
  targets: Float32Array.from(normal(key(2), 30 * width), (x) => 1 + 2 * x),
  width,
});
const ideal = new IdealConditions({ width, grouping: 'class-position-step', capacity: 10, fingerprint: 'model' });
const baseline = async (given: RefinementOptions | RefinementMethod) => {
  const options = refinementConfiguration(given);
  assert.ok(options.method !== 'optimal-transport');
  return makeBaseline(options, ideal);
};

describe('refinement/options', () => {
  it('every method has defaults whose JSON parses to itself', () => {
    assert.equal(new Set(METHOD_NAMES).size, 11);
    for (const method of METHOD_NAMES) {
      const given = method === 'more-steps' ? ({ method, steps: 30 } as const) : method;
      const options = refinementConfiguration(given);
      assert.equal(options.method, method);
      const json = JSON.parse(JSON.stringify(asJson(options)));
      assert.deepEqual(refinementConfiguration(json), options);
    }
  });

  it('infinity is "infinite" outside and Infinity inside alone', () => {
    assert.equal(refinementOptionTable().find(({ option }) => option === 'eta')?.default, 'infinite');
    assert.equal(optimalTransportOptions({ eta: 'infinite' }).eta, Infinity);
    assert.throws(() => optimalTransportOptions({ eta: Infinity }), /eta: expected a number > 0, or "infinite"/);
  });

  it('every option says what it means', () => {
    const rows = refinementOptionTable();
    assert.deepEqual(
      rows.filter(({ meaning }) => meaning.length < 10),
      [],
    );
    assert.ok(rows.length > 25);
  });

  it('options reach the baseline method', async () => {
    const spread = async (keep: number) => {
      const { refiner } = await baseline({ method: 'shrink', keep });
      return refiner?.(group).iterations[0].spread ?? Number.NaN;
    };
    // variances scale with keep^2; float32
    assert.ok(Math.abs((await spread(0.5)) / (await spread(1)) - 0.25) < 1e-5);
    assert.equal((await baseline({ method: 'guidance', scale: 2.5 })).guidance, 2.5);
    assert.equal((await baseline({ method: 'more-steps', steps: 50 })).respacing, 'ddim50');
    assert.deepEqual(await baseline('none'), {});
  });

  it('baseline methods on conditions leave their input alone', async () => {
    for (const method of ['coordinate-moments', 'gaussian-moments', 'nearest-neighbour'] as const) {
      const before = group.conditions.slice();
      const { refiner } = await baseline(method);
      const { conditions } = refiner?.(group) ?? group;
      assert.deepEqual(group.conditions, before);
      assert.notDeepEqual(conditions, before);
    }
  });

  const refused: [what: string, given: object, message: RegExp][] = [
    ['an unknown method, naming the nearest', { method: 'nearest-neighbor' }, /Did you mean "nearest-neighbour"/],
    ['no method', {}, /one of optimal-transport, none/],
    ['an unknown field, naming the nearest', { method: 'shrink', kep: 1 }, /unknown field "kep". Did you mean "keep"/],
    ['one of the buffer', { method: 'none', buffer: { capicity: 1 } }, /"capicity". Did you mean "capacity"/],
    ['a value out of range', { method: 'ema-smoothing', decay: 1 }, /decay = 1/],
    ['steps left out', { method: 'more-steps' }, /steps/],
    [
      'an explicit step that diverges',
      { method: 'optimal-transport', scheme: 'euler', eta: 1 },
      /eta \(1 \+ lambda\) < 1/,
    ],
  ];
  for (const [what, given, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => refinementConfiguration(given as RefinementOptions), message);
    });
  }

  it('the explicit step is refused as options of the algorithm alone too', () => {
    assert.throws(() => optimalTransportOptions({ scheme: 'euler', eta: 0.4, lambda: 2 }), /eta \(1 \+ lambda\) < 1/);
    assert.equal(optimalTransportOptions({ scheme: 'euler', eta: 0.4 }).eta, 0.4);
  });
});
