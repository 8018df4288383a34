import {
  addConditions,
  createIdealConditions,
  emptyGroup,
  type Grouping,
  groupOf,
  type IdealConditions,
  targetsOf,
  type Upkeep,
} from '../refinement/ideal-conditions';
import type { Refiner } from '../refinement/refiner';
import type { BatchConditions, Coupling } from '../training/refined-task';

export interface TrainingCouplingOptions {
  /** Width of the conditions. */
  width: number;
  /** Default `class-position`: in training every position has been predicted by the time it is seen, so steps mean nothing. */
  grouping?: Grouping;
  /** Rows kept per group; default 100. */
  capacity?: number;
  /** Default a half-life of `capacity` rows, so that the buffer follows the weights. */
  upkeep?: Upkeep;
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
  const upkeep = options.upkeep ?? { halfLife: capacity };
  const ideal = createIdealConditions({ width, grouping, capacity, upkeep, fingerprint: 'in training' });
  const counts = { refined: 0, offered: 0 };
  const origin = (rows: BatchConditions, row: number) => ({
    class: rows.classes[row],
    position: rows.positions[row],
    step: 0,
  });
  return {
    ideal,
    counts,
    identity: { refinement, grouping, capacity, upkeep, minimumRows },
    move(rows) {
      const groups = new Map<string, number[]>();
      for (let row = 0; row < rows.classes.length; row++) {
        const name = groupOf(grouping, origin(rows, row));
        groups.set(name, [...(groups.get(name) ?? []), row]);
      }
      const moved = rows.conditions.slice();
      counts.offered += rows.classes.length;
      for (const [name, members] of groups) {
        const targets = targetsOf(ideal, name);
        if (members.length < minimumRows || !targets || targets.length < minimumRows * width) continue;
        const conditions = new Float32Array(members.length * width);
        members.forEach((row, i) => {
          conditions.set(rows.conditions.subarray(row * width, (row + 1) * width), i * width);
        });
        const result = refiner({ conditions, targets, width });
        members.forEach((row, i) => {
          moved.set(result.conditions.subarray(i * width, (i + 1) * width), row * width);
        });
        if (result.kept === undefined) counts.refined += members.length;
      }
      return moved;
    },
    learn(rows, source) {
      addConditions(ideal, { ...rows, steps: new Int32Array(rows.classes.length) }, source);
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
      ideal.groups.clear();
      for (const [key, { data }] of tensors) {
        const name = key.match(/^buffer\.rows\.(.*)$/)?.[1];
        if (name === undefined) continue;
        const group = emptyGroup(ideal);
        group.rows.set(data);
        const [low, high] = tensors.get(`buffer.seen.${name}`)?.data ?? [0, 0];
        group.seen = low + high * 2 ** 20;
        ideal.groups.set(name, group);
      }
    },
  };
}
