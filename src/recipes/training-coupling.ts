import { type Grouping, groupRows } from '../refinement/grouping';
import { IdealConditions, type ReplacementPolicy } from '../refinement/ideal-conditions';
import { createGroup, type Refiner } from '../refinement/refiner';
import { putRows, takeRows } from '../refinement/rows';
import type { Coupling } from '../training/refined-task';

export interface TrainingCouplingOptions {
  /** Width of the conditions. */
  width: number;
  /** Default `class-position`: in training every position has been predicted by the time it is seen, so steps mean nothing. */
  grouping?: Grouping;
  /** Rows kept per group; default 100. */
  capacity?: number;
  /** Default a half-life of `capacity` rows, so that the buffer follows the weights. */
  replacement?: ReplacementPolicy;
  /** Smaller groups of a batch are left alone; default 4. A batch of 64 holds about 6 images of each of ten classes. */
  minimumRows?: number;
  /** What the refiner is, as plain JSON, for the identity of the training. */
  refinement?: unknown;
}

/** A coupling with its buffer, and what it did so far. */
export interface TrainingCoupling extends Coupling {
  ideal: IdealConditions;
  /** Rows that were refined, and rows that were offered to be. */
  counts: { refined: number; offered: number };
}

/** The refinement inside a training: conditions of a batch, group by group, against its own buffer of conditions under real histories. */
export function trainingCoupling(refiner: Refiner, options: TrainingCouplingOptions): TrainingCoupling {
  const { width, grouping = 'class-position', capacity = 100, minimumRows = 4, refinement = null } = options;
  const replacement = options.replacement ?? { halfLife: capacity };
  const ideal = new IdealConditions({ width, grouping, capacity, replacement, fingerprint: 'in training' });
  const counts = { refined: 0, offered: 0 };
  return {
    ideal,
    counts,
    identity: { refinement, grouping, capacity, replacement, minimumRows },
    move(rows) {
      const moved = rows.conditions.slice();
      counts.offered += rows.classes.length;
      for (const [name, members] of groupRows({ ...rows, step: 0 }, grouping)) {
        const law = ideal.law(name);
        if (!law || Math.min(members.length, law.count) < minimumRows) continue;
        const result = refiner(createGroup(takeRows(rows.conditions, members, width), law));
        putRows(result.conditions, members, width, moved);
        if (result.skipReason === undefined) counts.refined += members.length;
      }
      return moved;
    },
    learn(rows, source) {
      ideal.add({ ...rows, steps: new Int32Array(rows.classes.length) }, source);
    },
    exportState() {
      return new Map(
        [...ideal.groups].flatMap(([name, { rows, seen }]) => [
          [`buffer.rows.${name}`, { shape: [capacity, width], data: rows.slice() }],
          // in two numbers, since float32 counts exactly only to 2^24
          [`buffer.seen.${name}`, { shape: [2], data: Float32Array.of(seen % 2 ** 20, Math.floor(seen / 2 ** 20)) }],
        ]),
      );
    },
    importState(tensors) {
      ideal.clear();
      for (const [key, { data }] of tensors) {
        const name = key.match(/^buffer\.rows\.(.*)$/)?.[1];
        if (name === undefined) continue;
        const [low, high] = tensors.get(`buffer.seen.${name}`)?.data ?? [0, 0];
        ideal.restore(name, { rows: data, seen: low + high * 2 ** 20 });
      }
    },
  };
}
