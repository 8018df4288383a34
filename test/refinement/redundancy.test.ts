import { strict as assert } from 'node:assert';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { type StepRows, stepRedundancy } from '../../src/refinement/redundancy';
import { foldIn, key, normal } from '../../src/runtime/random';

const IMAGES = 4000;
const draw = (name: string) => normal(foldIn(key(7), name), IMAGES);

/** Conditions (signal, noise) of which the token is the signal: I* is the first coordinate, eta the second. */
function law(channels = 1) {
  const ideal = new IdealConditions({
    width: 2,
    grouping: 'class-position-step',
    capacity: IMAGES,
    fingerprint: 'model',
    ...(channels ? { channels } : {}),
  });
  for (const step of [0, 1]) {
    const [signal, noise] = [draw(`signal ${step}`), draw(`noise ${step}`)];
    ideal.add(
      {
        conditions: Float32Array.from({ length: 2 * IMAGES }, (_, i) => (i % 2 ? noise : signal)[i >> 1]),
        latents: Float32Array.from(signal),
        classes: new Int32Array(IMAGES),
        positions: new Int32Array(IMAGES).fill(step),
        steps: new Int32Array(IMAGES).fill(step),
      },
      key(0),
    );
  }
  return ideal;
}

const rowsOf = (step: number, before: Float32Array, after: Float32Array): StepRows => ({
  step,
  samples: Int32Array.from({ length: IMAGES }, (_, i) => i),
  classes: new Int32Array(IMAGES),
  positions: new Int32Array(IMAGES).fill(step),
  before,
  after,
});
const beside = (signal: ArrayLike<number>, noise: ArrayLike<number>) =>
  Float32Array.from({ length: 2 * IMAGES }, (_, i) => (i % 2 ? noise : signal)[i >> 1]);

describe('refinement/redundancy', () => {
  it('finds what a known chain carries over and injects, before and after a refinement that takes it away', () => {
    const eta = draw('eta');
    const fresh = draw('fresh');
    const next = eta.map((value, i) => 0.8 * value + 0.6 * fresh[i]);
    const left = beside(draw('s0'), eta);
    const signal = draw('s1');
    const halved = beside(
      signal,
      next.map((value) => value / 2),
    );
    const found = stepRedundancy(law(), rowsOf(0, left, left), rowsOf(1, beside(signal, next), halved));
    assert.ok(found);
    assert.equal(found.dimension, 1);
    // In units of the law's variance, 2: eta has 1/2 of it, of which 0.64 are carried over. 4000 images show it within about 3 %.
    const near = (value: number, expected: number) =>
      assert.ok(Math.abs(value - expected) < 0.05 * expected + 0.005, `${value} for ${expected}`);
    near(found.ideal, 0.5);
    near(found.before.redundant, 0.5);
    near(found.before.carried, 0.32);
    near(found.before.injected, 0.18);
    near(found.after.redundant, 0.125);
    near(found.after.carried, 0.08);
  });

  it('follows what the step before left, not what it found', () => {
    const eta = draw('eta');
    const left = beside(draw('s0'), eta);
    const other = beside(draw('s0'), draw('unrelated'));
    const now = beside(draw('s1'), eta);
    const carried = (before: Float32Array, after: Float32Array) =>
      stepRedundancy(law(), rowsOf(0, before, after), rowsOf(1, now, now))?.before.carried as number;
    assert.ok(carried(other, left) > 0.45);
    assert.ok(Math.abs(carried(left, other)) < 0.01);
  });

  it('says nothing without a step before, without tokens, or with too few images', () => {
    const rows = beside(draw('s0'), draw('eta'));
    const now = rowsOf(1, rows, rows);
    assert.equal(stepRedundancy(law(), undefined, now), undefined);
    assert.equal(stepRedundancy(law(0), rowsOf(0, rows, rows), now), undefined);
    const few = (step: number) => ({ ...rowsOf(step, rows, rows), samples: [0, 1, 2] });
    assert.equal(stepRedundancy(law(), few(0), few(1)), undefined);
  });
});
