import type { ConditionStep } from '../models/conditions';
import { InvalidInputError } from '../runtime/errors';
import { type Grouping, groupRows, withoutPosition } from './grouping';
import type { TransportUnit } from './options';

/** Rows of an AR step that are refined together: point i is row `rows[i]` of every part, side by side. */
export interface Unit {
  name: string;
  /** Groups of the buffer with the rows of the step that belong to them. */
  parts: { name: string; rows: number[] }[];
}

/**
 * The units of an AR step.
 * @throws InvalidInputError for the unit `image` where the images of a class do not all get the same tokens.
 */
export function unitsOf(at: ConditionStep, grouping: Grouping, unit: TransportUnit): Unit[] {
  const groups = groupRows(at, grouping);
  if (unit === 'token') return [...groups].map(([name, rows]) => ({ name, parts: [{ name, rows }] }));
  const units = new Map<string, Unit>();
  for (const [name, rows] of groups) {
    const joint = withoutPosition(name) || 'all';
    const found = units.get(joint);
    const part = { name, rows };
    if (!found) units.set(joint, { name: joint, parts: [part] });
    else if (sameImages(at, found.parts[0].rows, rows)) found.parts.push(part);
    else {
      throw new InvalidInputError("Refinement, unit 'image'", {
        given: 'images of one class that get different tokens in a step',
        expected: 'one order of tokens for all images, and a buffer grouped by position',
        remedy: "Give all images the same order (MAR: orders 'shared'), or set unit to 'token'.",
      });
    }
  }
  return [...units.values()];
}

/** The row of every part of every point, point by point: to take and put points as rows. */
export function rowNumbers({ parts }: Unit): number[] {
  return parts[0].rows.flatMap((_, point) => parts.map(({ rows }) => rows[point]));
}

function sameImages({ samples }: ConditionStep, a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((row, i) => samples[row] === samples[b[i]]);
}
