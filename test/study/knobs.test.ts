import { strict as assert } from 'node:assert';
import { ablationSweep, REFINEMENT_KNOBS } from '../../src/study/knobs';
import { canonicalJson, valueAt } from '../../src/sweep/configuration';
import { planSweep } from '../sweep/support';

describe('study/knobs', () => {
  for (const model of ['AR', 'MAR'] as const) {
    it(`the ablation of ${model} is a valid sweep: each knob, and a control of each`, () => {
      const plan = planSweep(ablationSweep({ model, seeds: 2, images: 100 }));
      const [base, control] = plan.points;
      assert.deepEqual([base.origin, control.origin], ['base', 'control']);
      assert.deepEqual(valueAt(base.configuration, 'refinement.method'), 'optimal-transport');
      assert.deepEqual(valueAt(control.configuration, 'refinement.method'), 'none');
      for (const { origin, configuration, control: keys } of plan.points) {
        assert.equal(configuration.model, model);
        assert.equal(keys === undefined, origin === 'control');
      }
      // Unrefined images depend on guidance alone: 1, 1.5, 2 and 3.
      assert.equal(plan.points.filter(({ origin }) => origin === 'control').length, 4);
    });
  }

  it('every knob is where it says, and no value that is tried is the default under another name', () => {
    const plan = planSweep(ablationSweep({ model: 'AR', seeds: 1 }));
    for (const { name, at, values = [], points = [] } of REFINEMENT_KNOBS) {
      const standard = valueAt(plan.base, at);
      assert.notEqual(standard, undefined, `${name}: ${at}`);
      for (const value of [...values, ...points.flatMap((point) => (at in point ? [point[at]] : []))]) {
        if (points.length === 0) assert.notEqual(canonicalJson(value), canonicalJson(standard), `${name} = ${value}`);
      }
      assert.ok(values.length + points.length > 0, `${name} tries something`);
    }
    const asked = REFINEMENT_KNOBS.reduce(
      (sum, { values = [], points = [] }) => sum + values.length + points.length,
      0,
    );
    // Base and controls (of guidance too); two knobs may meet in one point.
    const distinct = plan.points.filter(({ origin }) => origin === 'one at a time' || origin === 'point').length;
    assert.ok(distinct >= asked - 3 && distinct <= asked, `${distinct} points of ${asked}`);
  });

  it('some knobs alone', () => {
    const plan = planSweep(ablationSweep({ model: 'AR', knobs: ['epsilon', 'steps'], seeds: 1 }));
    const names = new Set(plan.points.flatMap(({ changes }) => Object.keys(changes)));
    assert.deepEqual([...names].sort(), ['law', 'refinement', 'refinement.epsilon', 'refinement.refinedSteps']);
  });
});
