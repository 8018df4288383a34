import type { TableRow } from '../../notebook/data-frame';
import type { Figure } from '../../plots/figure';
import { type Configuration, leaves } from '../configuration';
import type { Plan, Point } from '../plan';
import type { Row } from '../store';

/** A table of a report: all numbers for files, and the same in fewer, readable columns for a page. */
export interface ReportTable {
  title: string;
  rows: TableRow[];
  /** Default: `rows`. */
  page?: TableRow[];
  /** How to read it, and how far to believe it. */
  note?: string;
}

/** What is known of a sweep: plain data for the terminal, for files and for notebooks. */
export interface SweepReport {
  text: string;
  tables: Record<string, ReportTable>;
  figures: Record<string, Figure>;
}

/** A point of a sweep with the rows that were made of it. */
export interface MeasuredPoint {
  point: Point;
  /** What is changed against the base, in words; random points are numbered. */
  name: string;
  /** The rows that are done, in the order of the plan's seeds. */
  rows: Row[];
  failed: number;
  /** The same point with what is studied taken out, where the sweep has a control. */
  control?: MeasuredPoint;
}

/** A sweep as it stands. */
export interface Measured {
  plan: Plan;
  /** Points with at least one row, in the order of the plan. */
  points: MeasuredPoint[];
  /** The point without changes; a grid alone may have none. */
  base?: MeasuredPoint;
  /** Points that no row came of. */
  empty: MeasuredPoint[];
  /** Names of all measured numbers, the objective and the cost first. */
  values: string[];
}

/** Sorts rows, in any order, to the points of their plan. */
export function measured(plan: Plan, rows: readonly Row[]): Measured {
  const byKey = new Map(rows.map((row) => [row.key, row]));
  const firstKeys = new Map<string, MeasuredPoint>();
  let random = 0;
  for (const point of plan.points) {
    // Names of random points are long and alike: a number tells them apart where there is no room.
    const name = point.origin === 'random' ? `random ${++random}: ${pointName(point)}` : pointName(point);
    const own = point.keys.flatMap((key) => byKey.get(key) ?? []);
    const done = own.filter(({ status }) => status === 'done');
    const entry = { point, name, rows: done, failed: own.length - done.length };
    firstKeys.set(point.keys[0], entry);
  }
  const all = [...firstKeys.values()];
  for (const entry of all) if (entry.point.control) entry.control = firstKeys.get(entry.point.control[0]);
  const baseText = namesAndValues(plan.base);
  const points = all.filter((entry) => entry.rows.length > 0);
  const { objective, cost } = plan.experiment;
  const found = points.flatMap((entry) => entry.rows.flatMap(({ values }) => Object.keys(values)));
  const numbers = [...new Set([objective.name, cost.name, ...found])].filter((name) =>
    points.some((entry) => entry.rows.some((row) => numberIn(row, name) !== undefined)),
  );
  return {
    plan,
    points,
    base: points.find(({ point }) => namesAndValues(point.configuration) === baseText),
    empty: all.filter((entry) => entry.rows.length === 0),
    values: numbers,
  };
}

/** The finite number that a row measured under a name. */
export function numberIn(row: Row, name: string): number | undefined {
  const value = row.values[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The numbers of a point under a name, by seed. */
export function numbersOf({ rows }: MeasuredPoint, name: string): Map<number, number> {
  const found = new Map<number, number>();
  for (const row of rows) {
    const value = numberIn(row, name);
    if (value !== undefined) found.set(row.seed, value);
  }
  return found;
}

/** Whether a point is looked at by itself: random points, and the controls of all but the base, are told together. */
export function isNamed(entry: MeasuredPoint, { base }: Measured): boolean {
  const { origin } = entry.point;
  return origin !== 'random' && (origin !== 'control' || entry === base?.control);
}

/** Names of the knobs that points change, in order of first occurrence. */
export function knobsOf(points: readonly MeasuredPoint[]): string[] {
  return [...new Set(points.flatMap(({ point }) => Object.keys(point.changes)))];
}

/** `base`, or the changes as `refinement.epsilon = 0.2, guidance = 1.5`. */
export function pointName({ changes }: Pick<Point, 'changes'>): string {
  // Nested changes are named by their leaves, `refinement.method = none`; an empty object, which restores defaults, has none.
  const parts = [...leaves(changes as Configuration)].map(([name, value]) => `${name} = ${valueText(value)}`);
  return parts.join(', ') || 'base';
}

/** A value as a label: text without quotes, anything else as JSON. */
export function valueText(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
}

/** A number in three significant digits, never in more; `−` for a true minus sign. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'unknown' : value > 0 ? '∞' : '−∞';
  const text = Number(value.toPrecision(3)).toString();
  return text.replace(/^-/, '−');
}

/** A name that fits beside an axis: of knobs the last part alone where the whole is too long, then cut. */
export function shortName(name: string): string {
  const brief = name.length > ROOM ? name.replace(/(\w+\.)+(?=\w+ = )/g, '') : name;
  return brief.length > ROOM ? `${brief.slice(0, ROOM - 1)}…` : brief;
}

const ROOM = 56;

const namesAndValues = (configuration: Plan['base']) =>
  JSON.stringify([...leaves(configuration)].sort(([a], [b]) => (a < b ? -1 : 1)));
