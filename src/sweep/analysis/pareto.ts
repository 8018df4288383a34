import type { Data } from 'plotly.js';
import type { TableRow } from '../../notebook/data-frame';
import { type Figure, figure, PALETTE } from '../../plots/figure';
import { type Effect, meanText } from './effects';
import { type Measured, numbersOf } from './measured';

/** A point in the plane of cost and quality. */
export interface Standing {
  effect: Effect;
  /** Nothing is both cheaper and better in the mean (at least as good in both, and better in one). */
  onFront: boolean;
  /** Share of the seeds in which the same holds of single rows: how sure the front is of it. */
  seedsOnFront: number;
}

/** Where each point stands, the cheapest first. Seeds count that every point has. */
export function standings(found: readonly Effect[], { plan }: Measured): Standing[] {
  const { objective, cost } = plan.experiment;
  const sign = objective.better === 'lower' ? 1 : -1;
  const both = found.filter(({ values }) => values[objective.name] && values[cost.name]);
  const means = both.map(({ values }) => [values[cost.name].mean, sign * values[objective.name].mean] as const);
  const perPoint = both.map(({ at }) => ({ cost: numbersOf(at, cost.name), objective: numbersOf(at, objective.name) }));
  const shared = plan.seeds.filter((seed) => perPoint.every((each) => each.cost.has(seed) && each.objective.has(seed)));
  const onFront = frontOf(means);
  const counts = both.map(() => 0);
  for (const seed of shared) {
    frontOf(perPoint.map((each) => [each.cost.get(seed)!, sign * each.objective.get(seed)!] as const)).forEach(
      (is, i) => {
        if (is) counts[i]++;
      },
    );
  }
  return both
    .map((effect, i) => ({
      effect,
      onFront: onFront[i],
      seedsOnFront: shared.length > 0 ? counts[i] / shared.length : Number.NaN,
    }))
    .sort((a, b) => a.effect.values[cost.name].mean - b.effect.values[cost.name].mean);
}

/** Which pairs no other one dominates; smaller is better in both, and equal pairs stand together. */
export function frontOf(pairs: readonly (readonly [number, number])[]): boolean[] {
  return pairs.map(([a, b]) => !pairs.some(([x, y]) => x <= a && y <= b && (x < a || y < b)));
}

export function paretoRows(found: readonly Standing[], { plan }: Measured): { rows: TableRow[]; page: TableRow[] } {
  const { objective, cost } = plan.experiment;
  const row = ({ effect, onFront, seedsOnFront }: Standing): TableRow => ({
    point: effect.at.name,
    'on the front': onFront,
    'share of seeds on the front': Number.isNaN(seedsOnFront) ? null : seedsOnFront,
    [cost.name]: effect.values[cost.name].mean,
    [`${cost.name} error`]: effect.values[cost.name].standardError ?? null,
    [objective.name]: effect.values[objective.name].mean,
    [`${objective.name} error`]: effect.values[objective.name].standardError ?? null,
  });
  const page = found
    .filter(({ onFront }) => onFront)
    .map(({ effect, seedsOnFront }) => ({
      'point on the front': effect.at.name,
      [cost.label]: meanText(effect.values[cost.name]),
      [objective.label]: meanText(effect.values[objective.name]),
      'share of seeds on the front': Number.isNaN(seedsOnFront) ? '' : seedsOnFront,
    }));
  return { rows: found.map(row), page };
}

/** Cost against quality with errors both ways; the front as a line, its points numbered and named in the legend. */
export function paretoFigure(found: readonly Standing[], { plan }: Measured): Figure {
  const { objective, cost } = plan.experiment;
  const bars = (rows: readonly Standing[], name: string) => ({
    type: 'data' as const,
    array: rows.map(({ effect }) => effect.values[name].standardError ?? 0),
    thickness: 1,
  });
  const trace = (rows: readonly Standing[], name: string, more: object): Data => ({
    type: 'scatter',
    name,
    x: rows.map(({ effect }) => effect.values[cost.name].mean),
    y: rows.map(({ effect }) => effect.values[objective.name].mean),
    error_x: bars(rows, cost.name),
    error_y: bars(rows, objective.name),
    text: rows.map(({ effect }) => effect.at.name),
    ...more,
  });
  const front = found.filter(({ onFront }) => onFront);
  const rest = found.filter(({ onFront }) => !onFront);
  const costs = found.map(({ effect }) => effect.values[cost.name].mean);
  const isLog = Math.min(...costs) > 0 && Math.max(...costs) > 10 * Math.min(...costs);
  const stairs = front.map(({ effect }) => [effect.values[cost.name].mean, effect.values[objective.name].mean]);
  return figure(
    [
      trace(rest, 'dominated', { mode: 'markers', marker: { color: '#9a9a9a', size: 7 } }),
      {
        type: 'scatter',
        mode: 'lines',
        x: stairs.map(([x]) => x),
        y: stairs.map(([, y]) => y),
        line: { color: PALETTE[1], shape: 'hv', width: 1.5 },
        hoverinfo: 'skip',
        showlegend: false,
      },
      ...front.map((each, i) =>
        trace([each], `${i + 1}  ${each.effect.at.name}`, {
          mode: 'text+markers',
          text: [String(i + 1)],
          textposition: 'top right',
          marker: { color: PALETTE[1], size: 9 },
          showlegend: true,
        }),
      ),
    ],
    {
      title: `${cost.label} against ${objective.label}: the Pareto front (means ± standard errors)`,
      x: `${cost.label} (less is better)`,
      y: `${objective.label} (${objective.better} is better)`,
      height: 460 + 18 * front.length,
      layout: {
        xaxis: { type: isLog ? 'log' : 'linear' },
        legend: { orientation: 'v', x: 0, y: -0.22, yanchor: 'top' },
        showlegend: true,
      },
    },
  );
}
