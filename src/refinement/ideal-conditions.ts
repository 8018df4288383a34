import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, randint } from '../runtime/random';

/** Which conditions share an ideal law. `step` is the AR step; where all images share one order, it fixes what is known. */
export type Grouping = 'class-position-step' | 'class-position' | 'class-step' | 'class' | 'position-step' | 'global';

/** Where a condition row comes from. */
export interface RowOrigin {
  class: number;
  position: number;
  step: number;
}

/** Rows of conditions with their origins. */
export interface ConditionRows {
  /** `[rows, width]` */
  conditions: Float32Array;
  classes: ArrayLike<number>;
  positions: ArrayLike<number>;
  steps: ArrayLike<number>;
}

/**
 * Samples of the ideal law P_c*: conditions computed with ground-truth history (teacher forcing), a reservoir per group.
 * A reservoir is a uniform sample of all rows ever offered, so it does not depend on how the data was batched but for
 * the order of rows.
 */
export interface IdealConditions {
  width: number;
  grouping: Grouping;
  /** Rows kept per group. */
  capacity: number;
  /** Fingerprint of the model that made the conditions. */
  fingerprint: string;
  groups: Map<string, { rows: Float32Array; seen: number }>;
}

/** An empty buffer; memory when full: groups x capacity x width x 4 bytes. */
export function createIdealConditions(
  options: Pick<IdealConditions, 'width' | 'grouping' | 'capacity' | 'fingerprint'>,
): IdealConditions {
  if (!(Number.isInteger(options.capacity) && options.capacity >= 1)) {
    throw new InvalidInputError('Buffer of ideal conditions, capacity', {
      given: String(options.capacity),
      expected: 'an integer >= 1',
      remedy: '100 rows per group is a good start.',
    });
  }
  return { ...options, groups: new Map() };
}

/** The name of a row's group. */
export function groupOf(grouping: Grouping, origin: RowOrigin): string {
  const parts = grouping === 'global' ? [] : grouping.split('-');
  return parts.map((part) => `${part} ${origin[part as keyof RowOrigin]}`).join(', ') || 'all';
}

/**
 * Offers teacher-forced conditions to the reservoirs (Vitter's algorithm R with the given key).
 * @throws InvalidInputError when the width is not the buffer's.
 */
export function addConditions(buffer: IdealConditions, rows: ConditionRows, source: Key): void {
  const { width, capacity, groups } = buffer;
  const count = rows.classes.length;
  if (rows.conditions.length !== count * width) {
    throw new InvalidInputError('Buffer of ideal conditions', {
      given: `${rows.conditions.length} numbers for ${count} rows`,
      expected: `${count} rows of width ${width}`,
      remedy: 'Use the conditions of the model for which the buffer was made.',
    });
  }
  for (let i = 0; i < count; i++) {
    const origin = { class: rows.classes[i], position: rows.positions[i], step: rows.steps[i] };
    const name = groupOf(buffer.grouping, origin);
    const group = groups.get(name) ?? { rows: new Float32Array(capacity * width), seen: 0 };
    groups.set(name, group);
    const slot =
      group.seen < capacity ? group.seen : randint(foldIn(foldIn(source, name), group.seen), 1, 0, group.seen + 1)[0];
    group.seen++;
    if (slot < capacity) group.rows.set(rows.conditions.subarray(i * width, (i + 1) * width), slot * width);
  }
}

/** The samples of a group's ideal law `[rows, width]`, or undefined when none was ever offered. */
export function targetsOf(buffer: IdealConditions, name: string): Float32Array | undefined {
  const group = buffer.groups.get(name);
  return group?.rows.subarray(0, Math.min(group.seen, buffer.capacity) * buffer.width);
}
