/** Which conditions share an ideal law. `step` is the AR step; where all images share one order, it fixes what is visible. */
export const GROUPINGS = [
  'class-position-step',
  'class-position',
  'class-step',
  'class',
  'position-step',
  'global',
] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Where a condition row comes from. */
export interface RowOrigin {
  class: number;
  position: number;
  step: number;
}

/** The name of a row's group. */
export function groupOf(grouping: Grouping, origin: RowOrigin): string {
  const parts = grouping === 'global' ? [] : grouping.split('-');
  return parts.map((part) => `${part} ${origin[part as keyof RowOrigin]}`).join(', ') || 'all';
}

/** Group name without its position part. */
export function withoutPosition(name: string): string {
  return name.replace(/(^|, )position \d+/, '');
}

/** Group name without the number of its class. */
export function withoutClass(name: string): string {
  return name.replace(/class \d+/, 'class');
}

/** Row numbers of one AR step by the name of their group; in each group in ascending order. */
export function groupRows(
  at: { step: number; classes: ArrayLike<number>; positions: ArrayLike<number> },
  grouping: Grouping,
): Map<string, number[]> {
  // A name is built once for all rows of an origin: there are thousands of rows.
  const origins = new Map<number, Map<number, number[]>>();
  for (let row = 0; row < at.classes.length; row++) {
    const ofClass = origins.get(at.classes[row]) ?? new Map<number, number[]>();
    origins.set(at.classes[row], ofClass);
    const members = ofClass.get(at.positions[row]);
    if (members) members.push(row);
    else ofClass.set(at.positions[row], [row]);
  }
  const groups = new Map<string, number[]>();
  for (const [label, ofClass] of origins) {
    for (const [position, rows] of ofClass) {
      const name = groupOf(grouping, { class: label, position, step: at.step });
      const others = groups.get(name);
      groups.set(name, others ? [...others, ...rows].sort((a, b) => a - b) : rows);
    }
  }
  return groups;
}
