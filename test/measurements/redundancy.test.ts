import { strict as assert } from 'node:assert';
import {
  type MeasuredRedundancy,
  redundancyChange,
  redundancyCurves,
  redundancyRows,
} from '../../src/measurements/redundancy';

const part = (redundant: number, carried: number) => ({ redundant, carried, injected: redundant - carried });

/** Two AR steps under as many seeds as there are shifts, which move every number of a seed. */
const measured = (after: number, shifts: readonly number[]): MeasuredRedundancy => {
  const run = (before: number, left: number) =>
    shifts.map((shift) =>
      [1, 2].map((step) => ({
        step,
        dimension: 8,
        ideal: 0.4,
        before: part(before + shift + step / 10, 0.1),
        after: part(left + shift + step / 10, 0.05),
      })),
    );
  return { model: 'AR', unrefined: run(0.3, 0.3), refined: run(0.5, after) };
};

describe('measurements/redundancy', () => {
  it('means over AR steps with errors over sampling seeds, per side', () => {
    const rows = redundancyRows([measured(0.2, [0, 0.02])]);
    assert.deepEqual(
      rows.map(({ side }) => side),
      ['without refinement', 'before refinement', 'after refinement'],
    );
    // 0.3 + 0.15 (mean of 0.1 and 0.2) + 0.01 (mean shift); the error of two seeds is half their distance
    const near = (value: number, expected: number) => assert.ok(Math.abs(value - expected) < 1e-12, `${value}`);
    near(rows[0].redundant, 0.46);
    near(rows[0]['redundant ±'], 0.01);
    near(rows[0].carried, 0.1);
    near(rows[0]['carried ±'], 0);
    near(rows[0].injected, 0.36);
  });

  it('the change is that of paired seeds, so what they have in common cancels', () => {
    const { mean, standardError, count } = redundancyChange(measured(0.2, [0, 0.02, 0.04]));
    assert.ok(Math.abs(mean + 0.1) < 1e-12 && standardError < 1e-12);
    assert.equal(count, 3);
    assert.throws(() => redundancyChange(measured(0.2, [0])));
  });

  it('draws the energy and its carried part of each side by AR step', () => {
    const curves = redundancyCurves(measured(0.2, [0, 0.02]));
    assert.equal(curves.length, 6);
    const after = curves.find(({ name }) => name === 'after refinement');
    assert.deepEqual(after?.x, [1, 2]);
    assert.ok(Math.abs((after?.y[0] as number) - 0.31) < 1e-12);
  });
});
