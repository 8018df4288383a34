import { valueAt } from '../configuration';
import type { Effect } from './effects';
import { type Mean, meanText } from './effects';
import { type Measured, type TableRow, valueText } from './measured';

/** A knob over the points of a search: a number for each (infinity included), or a word. */
export type Knob = { name: string } & ({ kind: 'number'; values: number[] } | { kind: 'category'; values: string[] });

/** The points that vary several knobs at a time: the random ones, else the grid. */
export interface Search {
  points: Effect[];
  knobs: Knob[];
  /** Mean objective of each point. */
  objective: number[];
}

/** The search of a sweep; undefined where fewer than four points vary anything together. */
export function searchOf(found: readonly Effect[], { plan }: Measured): Search | undefined {
  const { name } = plan.experiment.objective;
  const of = (origin: string) => found.filter(({ at, values }) => at.point.origin === origin && values[name]);
  const points = of('random').length >= FEWEST ? of('random') : of('grid');
  if (points.length < FEWEST) return undefined;
  const names = [...new Set(points.flatMap(({ at }) => Object.keys(at.point.changes)))];
  const knobs = names.map((knob) =>
    knobOf(
      knob,
      points.map(({ at }) => at.point.changes[knob] ?? valueAt(plan.base, knob)),
    ),
  );
  return {
    points,
    knobs: knobs.filter(({ values }) => new Set<unknown>(values).size > 1),
    objective: points.map(({ values }) => values[name].mean),
  };
}

const FEWEST = 4;

function knobOf(name: string, given: readonly unknown[]): Knob {
  const numbers = given.map((value) => (value === 'infinite' || value === 'Infinity' ? Infinity : value));
  if (numbers.every((value): value is number => typeof value === 'number')) {
    return { name, kind: 'number', values: numbers };
  }
  return { name, kind: 'category', values: given.map(valueText) };
}

/** The points of a search, the best first: the value of each knob, objective and cost with their errors. */
export function searchRows({ points, knobs }: Search, { plan }: Measured): { rows: TableRow[]; page: TableRow[] } {
  const { objective, cost } = plan.experiment;
  const sign = objective.better === 'lower' ? 1 : -1;
  const order = points
    .map((effect, i) => ({ effect, i }))
    .sort((a, b) => sign * (a.effect.values[objective.name].mean - b.effect.values[objective.name].mean));
  const knobCells = (i: number) =>
    Object.fromEntries(knobs.map(({ name, values }) => [name, values[i] === Infinity ? 'infinite' : values[i]]));
  const numbers = (title: string, mean?: Mean): TableRow => ({
    [title]: mean?.mean ?? null,
    [`${title} error`]: mean?.standardError ?? null,
  });
  return {
    rows: order.map(({ effect, i }, rank) => ({
      rank: rank + 1,
      ...knobCells(i),
      ...numbers(objective.name, effect.values[objective.name]),
      ...numbers(cost.name, effect.values[cost.name]),
      seeds: effect.at.rows.length,
    })),
    page: order.map(({ effect, i }, rank) => ({
      rank: rank + 1,
      ...knobCells(i),
      [objective.label]: meanText(effect.values[objective.name]),
      [cost.label]: meanText(effect.values[cost.name]),
    })),
  };
}
