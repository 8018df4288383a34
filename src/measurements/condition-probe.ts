import type * as tf from '@tensorflow/tfjs';
import { proximity } from '../metrics/retrieval';
import type { ConditionHook, ConditionStep } from '../models/conditions';
import { groupDrift } from '../refinement/adaptive';
import { groupOf, type IdealConditions, targetsOf } from '../refinement/ideal-conditions';

/** How conditions stand to the ideal law, as means over groups (class, position, AR step). */
export interface ConditionQuality {
  /**
   * Condition error: squared transport distance (debiased) to the law of held-out real images minus that of other held-out images at
   * the same number of rows, in units of the law's variance. 0: as good as real.
   */
  error: number;
  /** The part that is taken off. */
  floor: number;
  /** Total variance over the law's. */
  spread: number;
  /** Distance to the nearest buffered row over the buffer's own: 0 = copies, about 1 = fresh draws of one law. */
  bufferDistance: number;
  /** Groups that were measured. */
  groups: number;
}

/** Measures the conditions of a generation before and after a hook. `milliseconds` is what that took, the hook not counted. */
export interface Probe {
  hook: ConditionHook;
  before(): ConditionQuality;
  after(): ConditionQuality;
  milliseconds(): number;
}

/**
 * Stands between a generation and its hook, if there is one, and measures the rows that go in and come out.
 * @param held ideal conditions of images that neither the model nor the buffer has seen, grouped by class, position and step
 * @param buffer what the refinement uses
 */
export function conditionProbe(held: IdealConditions, buffer: IdealConditions, inner?: ConditionHook): Probe {
  const sums = { before: empty(), after: empty() };
  let spent = 0;
  const hook: ConditionHook = async (at) => {
    const rows = (await at.conditions.data()) as Float32Array;
    const refined = inner ? await inner(at) : (at.conditions.clone() as tf.Tensor2D);
    const started = performance.now();
    measure(sums.before, at, rows);
    measure(sums.after, at, inner ? ((await refined.data()) as Float32Array) : rows);
    spent += performance.now() - started;
    return refined;
  };

  function measure(sum: Sum, at: ConditionStep, rows: Float32Array): void {
    const { width } = held;
    for (const [members, origin] of groupsOf(at)) {
      const targets = targetsOf(held, groupOf(held.grouping, origin));
      if (!targets) continue;
      const conditions = new Float32Array(members.length * width);
      members.forEach((row, i) => {
        conditions.set(rows.subarray(row * width, (row + 1) * width), i * width);
      });
      const drift = groupDrift({ conditions, targets, width });
      if (!drift) continue; // one point, as at the first step of a class, or too few rows
      sum.error += drift.excess;
      sum.floor += drift.floor;
      sum.spread += drift.spread;
      sum.groups++;
      const bank = targetsOf(buffer, groupOf(buffer.grouping, origin));
      if (!bank || bank.length < 2 * width) continue;
      const features = (data: Float32Array) => ({ data, count: data.length / width, dimension: width });
      sum.distance += proximity(features(conditions), features(bank)).ratio;
      sum.banks++;
    }
  }

  return {
    hook,
    before: () => mean(sums.before),
    after: () => mean(sums.after),
    milliseconds: () => spent,
  };
}

const empty = () => ({ error: 0, floor: 0, spread: 0, distance: 0, groups: 0, banks: 0 });
type Sum = ReturnType<typeof empty>;

function mean({ error, floor, spread, distance, groups, banks }: Sum): ConditionQuality {
  return {
    error: error / groups,
    floor: floor / groups,
    spread: spread / groups,
    bufferDistance: distance / banks,
    groups,
  };
}

/** Rows of one class and position. */
function groupsOf({ step, classes, positions }: ConditionStep) {
  const groups = new Map<string, [members: number[], origin: { class: number; position: number; step: number }]>();
  classes.forEach((label, row) => {
    const position = positions[row];
    const name = `${label} ${position}`;
    const found = groups.get(name);
    if (found) found[0].push(row);
    else groups.set(name, [[row], { class: label, position, step }]);
  });
  return groups.values();
}
