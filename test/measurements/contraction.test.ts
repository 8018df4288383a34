import { strict as assert } from 'node:assert';
import {
  type Contraction,
  contractionStops,
  contractionSummary,
  type MatchedGroup,
  measureContraction,
  slowSteps,
  spreadGroups,
} from '../../src/measurements/contraction';
import { IdealLaw } from '../../src/refinement/law';
import { createGroup } from '../../src/refinement/refiner';
import { InvalidInputError } from '../../src/runtime/errors';
import { foldIn, key, normal } from '../../src/runtime/random';

const width = 8;

/** Clouds of `count` points, each shifted by `shift` against its targets in the first coordinate, and shuffled. */
function shifted(label: number, count: number, shift: number): MatchedGroup {
  const targets = Float32Array.from(normal(foldIn(key(1), label), count * width), (value) => 4 * value);
  const conditions = new Float32Array(count * width);
  for (let row = 0; row < count; row++) {
    const from = (row + 1) % count;
    conditions.set(targets.subarray(from * width, (from + 1) * width), row * width);
    conditions[row * width] += shift;
  }
  return { group: `class ${label}`, class: label, ...createGroup(conditions, new IdealLaw({ targets, width })) };
}

const groups = [shifted(0, 10, 0.5), shifted(1, 10, 0.4), shifted(2, 10, 0.6)];
const source = key(0);

describe('measurements/contraction', () => {
  it('a shifted cloud contracts by 1 / (1 + 2 eta), for exact transport and for a small epsilon', () => {
    for (const epsilon of [0, 0.002]) {
      for (const eta of [0.25, 1]) {
        const found = measureContraction('shift', groups, { eta, epsilon, steps: 4, resamples: 20, source });
        found.ratios.forEach(({ value, low, high }) => {
          // the shift is far below the points' distances, so the plan is the matching; float32 conditions
          assert.ok(Math.abs(value * (1 + 2 * eta) - 1) < 1e-3, `${value} at eta ${eta}, epsilon ${epsilon}`);
          assert.ok(low <= value && value <= high);
        });
        assert.ok(Math.abs(found.distances[4] * (1 + 2 * eta) ** 4 - 1) < 4e-3);
        assert.deepEqual([found.groups, found.classes, found.points, found.converged], [3, 3, 10, 1]);
        assert.equal(contractionSummary([found])[0].verdict, 'holds');
      }
    }
  });

  it('without coupling (a huge epsilon) the cloud collapses on the mean of the targets, as the plain step does', () => {
    const found = measureContraction('blur', groups, { epsilon: 1000, steps: 12, resamples: 20, source });
    const variance = groups.reduce((sum, { law }) => sum + law.variance, 0);
    const first = Math.sqrt((0.5 ** 2 + 0.4 ** 2 + 0.6 ** 2) / variance);
    // c -> (2/3) c + (1/3) mean each step, hence 1 - (2/3)^12 of the targets' spread is missing; the shifts are then negligible
    assert.ok(Math.abs(found.distances[12] * first - (1 - (2 / 3) ** 12)) < 0.005, `${found.distances[12] * first}`);
    assert.equal(contractionStops(found), 1);
    assert.equal(contractionSummary([found])[0].verdict, 'fails');
  });

  it('reads steps off intervals: slow only when the whole interval is above rho', () => {
    const at = (low: number, high: number) => ({ value: (low + high) / 2, low, high });
    const found: Contraction = {
      model: 'made up',
      epsilon: 0.05,
      eta: 0.5,
      groups: 4,
      classes: 2,
      points: 9,
      distances: Float64Array.of(1, 0.55, 0.28, 0.2, 0.21),
      ratios: [at(0.54, 0.56), at(0.49, 0.53), at(0.6, 0.8), at(1.01, 1.05)],
      converged: 1,
    };
    assert.deepEqual(slowSteps(found), [1, 3, 4]);
    assert.equal(contractionStops(found), 4);
    const undecided = { ...found, ratios: [at(0.49, 0.53)] };
    assert.equal(contractionSummary([undecided])[0].verdict, 'undecided');
  });

  it('intervals are over classes, not over groups', () => {
    const oneClass = groups.map((group) => ({ ...group, class: 0 }));
    const options = { epsilon: 2, steps: 1, resamples: 20, source };
    assert.throws(() => measureContraction('one', oneClass, options), /count = 1/);
    // two classes of equal groups: however many groups there are, resampling changes nothing
    const equal = groups.map((_, i) => ({ ...groups[0], class: i % 2 }));
    const { ratios, classes } = measureContraction('equal', equal.slice(0, 2), options);
    assert.equal(classes, 2);
    assert.equal(ratios[0].low, ratios[0].high);
  });

  it('spreads groups over those of a class, the last one included', () => {
    const many = Array.from({ length: 7 }, (_, i) => ({ ...groups[0], group: String(i), class: i < 6 ? 0 : 1 }));
    assert.deepEqual(
      spreadGroups(many, 3).map(({ group }) => group),
      ['1', '3', '5', '6'],
    );
  });

  it('refuses unequal clouds', () => {
    const law = new IdealLaw({ targets: groups[0].law.targets.slice(width), width });
    const unequal = { ...groups[0], law };
    assert.throws(() => measureContraction('bad', [unequal], { source }), InvalidInputError);
    assert.throws(() => measureContraction('none', [], { source }), InvalidInputError);
  });
});
