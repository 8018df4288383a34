import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { FileFormatError, InvalidInputError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { foldIn, key, uniform } from '../runtime/random';
import { type Configuration, canonicalJson, type Json, withChanges } from './configuration';
import { effective, makeTask, type Task } from './task';
import { experimentNamed, type Registry, type SweepExperiment } from './types';

const value: z.ZodType<Json> = z.json() as z.ZodType<Json>;
const lists = z.record(z.string(), z.array(value).min(1)).default({});
const range = z.union([
  z.strictObject({ values: z.array(value).min(1) }),
  z.strictObject({
    from: z.number(),
    to: z.number(),
    scale: z.enum(['linear', 'log']).default('linear'),
    integer: z.boolean().default(false),
  }),
]);

const schema = z.strictObject({
  experiment: z.string(),
  /** Differs from the experiment's defaults in every point. */
  base: z.record(z.string(), value).default({}),
  /** Points of one's own, each a set of changes to the base, e.g. `[{ "refinement.method": "none" }]`. */
  points: z.array(z.record(z.string(), value)).default([]),
  /** Every combination of these values. */
  grid: lists,
  /** One point per value, everything else as in the base. */
  oneAtATime: lists,
  /** `count` points with every knob drawn from its range. */
  random: z
    .strictObject({
      count: z.number().int().min(1).max(100_000),
      seed: z.number().int().min(0).default(0),
      ranges: z.record(z.string(), range),
    })
    .optional(),
  /**
   * Takes out what is studied, e.g. `{ "refinement": { "method": "none" } }`: every point is compared with itself under these changes too,
   * and that point is made where it is not there already.
   */
  control: z.record(z.string(), value).optional(),
  seeds: z.array(z.number().int().min(0)).min(1).default([0]),
});

/** What a sweep file holds; see `planSweep` for what it means. */
export type SweepFile = z.input<typeof schema>;

export type Origin = 'base' | 'point' | 'grid' | 'one at a time' | 'random' | 'control';

/** One configuration of a sweep, run under every seed. */
export interface Point {
  origin: Origin;
  /** What is changed against the base, by dotted name; empty for the base itself. */
  changes: Readonly<Record<string, Json>>;
  configuration: Configuration;
  /** Key of the row of each seed, in the order of the plan's seeds. */
  keys: string[];
  /** Keys of the same point under the sweep's `control`, absent for a control itself. */
  control?: string[];
}

/** A validated sweep: its points, and the rows that they come to (equal configurations are one row). */
export interface Plan {
  /** Where the experiment is from. */
  registry: Registry;
  experiment: SweepExperiment;
  base: Configuration;
  seeds: readonly number[];
  points: Point[];
  /** The changes that take out what is studied, where the sweep has a control. */
  control?: Readonly<Record<string, Json>>;
  tasks: Task[];
}

/** Reads and plans a sweep file. @throws FileFormatError for what is no JSON, InvalidInputError for what it must not say. */
export function readSweep(path: string, registry: Registry): Plan {
  let text: string;
  let given: unknown;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new InvalidInputError('Sweep file', {
      given: `${path} (${(error as NodeJS.ErrnoException).code})`,
      expected: 'a readable JSON file',
      remedy: 'Check the path.',
    });
  }
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new FileFormatError(`Sweep file ${path}`, {
      given: (error as Error).message,
      expected: 'JSON',
      remedy: 'See cer sweep --help for an example.',
    });
  }
  return planSweep(given as SweepFile, registry);
}

/**
 * Makes the points of a sweep: the base (unless there is only a grid), the points of one's own, the grid, one point per value of each knob
 * alone, and random points; with a `control`, also each of them with what is studied taken out. Every configuration is validated before
 * anything runs.
 * @throws InvalidInputError for unknown fields, experiments and knobs (with the nearest name) and for values out of range.
 */
export function planSweep(given: SweepFile, registry: Registry): Plan {
  const file = parseOptions('a sweep', schema, given);
  const experiment = experimentNamed(registry, file.experiment);
  const [grid, alone] = [Object.entries(file.grid), Object.entries(file.oneAtATime)];
  const onlyGrid = grid.length > 0 && alone.length === 0 && file.points.length === 0 && !file.random;
  const wanted: { origin: Origin; changes: Record<string, Json> }[] = [
    ...(onlyGrid ? [] : [{ origin: 'base' as const, changes: {} }]),
    ...file.points.map((changes) => ({ origin: 'point' as const, changes })),
    ...(grid.length > 0 ? combinations(grid) : []).map((changes) => ({ origin: 'grid' as const, changes })),
    ...alone.flatMap(([knob, values]) =>
      values.map((each) => ({ origin: 'one at a time' as const, changes: { [knob]: each } })),
    ),
    ...draws(file.random).map((changes) => ({ origin: 'random' as const, changes })),
  ];
  const seen = new Map<string, Point>();
  const inputs = new Map<string, Task>();
  const base = effective(experiment, withChanges(file.base, {}));
  const add = (origin: Origin, changes: Record<string, Json>, configuration: Configuration): Point => {
    const same = canonicalJson(configuration);
    const known = seen.get(same); // a value that is the base's own, a draw that came twice, a control of many points
    if (known?.origin === 'control') Object.assign(known, { origin, changes }); // asked for by itself too
    if (known) return known;
    const tasks = [...new Set(file.seeds)].map((seed) => makeTask(experiment, configuration, seed));
    for (const task of tasks) inputs.set(task.key, task);
    const point: Point = { origin, changes, configuration, keys: tasks.map((task) => task.key) };
    seen.set(same, point);
    return point;
  };
  for (const { origin, changes } of wanted) {
    const point = add(origin, changes, effective(experiment, withChanges(file.base, changes)));
    if (!file.control) continue;
    const without = effective(experiment, withChanges(withChanges(file.base, changes), file.control));
    const control = add('control', { ...outside(changes, file.control), ...file.control }, without);
    if (control !== point) point.control = control.keys;
  }
  return {
    registry,
    experiment,
    base,
    seeds: [...new Set(file.seeds)],
    points: [...seen.values()],
    ...(file.control ? { control: file.control } : {}),
    tasks: [...inputs.values()],
  };
}

/** The changes that a control leaves as they are: those whose names are not within one of its own. */
function outside(changes: Record<string, Json>, control: Record<string, Json>): Record<string, Json> {
  const within = (name: string) => Object.keys(control).some((own) => name === own || name.startsWith(`${own}.`));
  return Object.fromEntries(Object.entries(changes).filter(([name]) => !within(name)));
}

function combinations(grid: [string, Json[]][]): Record<string, Json>[] {
  return grid.reduce<Record<string, Json>[]>(
    (points, [knob, values]) => points.flatMap((point) => values.map((each) => ({ ...point, [knob]: each }))),
    [{}],
  );
}

function draws(random: z.output<typeof schema>['random']): Record<string, Json>[] {
  if (!random) return [];
  return Array.from({ length: random.count }, (_, i) =>
    Object.fromEntries(
      Object.entries(random.ranges).map(([knob, given]) => {
        const unit = uniform(foldIn(foldIn(key(random.seed), i), knob), 1)[0];
        if ('values' in given) return [knob, given.values[Math.floor(unit * given.values.length)]];
        return [knob, within(knob, given, unit)];
      }),
    ),
  );
}

function within(
  knob: string,
  { from, to, scale, integer }: { from: number; to: number; scale: 'linear' | 'log'; integer: boolean },
  unit: number,
): number {
  if (!(from <= to && (scale === 'linear' || from > 0))) {
    throw new InvalidInputError(`Range of ${knob}`, {
      given: `from ${from} to ${to}, ${scale}`,
      expected: 'from <= to, and above 0 on a log scale',
      remedy: 'Correct the range.',
    });
  }
  if (integer) return Math.min(to, Math.floor(from + unit * (to - from + 1)));
  const drawn = scale === 'log' ? Math.exp(Math.log(from) + unit * Math.log(to / from)) : from + unit * (to - from);
  return Number(drawn.toPrecision(4)); // a number that can be typed in again
}
