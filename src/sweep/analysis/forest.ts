import type { Data } from 'plotly.js';
import { type Figure, type FigureOptions, figure, PALETTE } from '../../plots/figure';
import type { Plan } from '../plan';
import type { Comparison, Effect } from './effects';
import { isNamed, type Measured, pointName, shortName } from './measured';

/** What a point is compared with, and how that series looks in every figure. */
export function sides({ control = {} }: Plan) {
  const unlike = pointName({ changes: control });
  return [
    { side: 'toBase', name: 'against the base', color: PALETTE[0], symbol: 'circle' },
    { side: 'toControl', name: `against the same with ${unlike}`, color: PALETTE[1], symbol: 'square' },
  ] as const;
}

/** Half of an interval; 0 where there is none, and then no bar is drawn. */
export const halfWidth = ({ mean, high }: Comparison) => (high === undefined ? 0 : high - mean);

/** All effects as dots with their 95 % intervals; random points are left to figures of their own. */
export function effectFigure(found: readonly Effect[], measured: Measured): Figure | undefined {
  const { plan } = measured;
  const { label, better } = plan.experiment.objective;
  const shown = found.filter(({ at, toBase, toControl }) => isNamed(at, measured) && (toBase || toControl));
  if (shown.length === 0) return undefined;
  const data = sides(plan).flatMap(({ side, name, color, symbol }): Data[] => {
    const own = shown.flatMap(({ at, [side]: comparison }) => (comparison ? [{ at, comparison }] : []));
    if (own.length === 0) return [];
    return [
      {
        type: 'scatter',
        mode: 'markers',
        name,
        y: own.map(({ at }) => shortName(at.name)),
        x: own.map(({ comparison }) => comparison.mean),
        error_x: { type: 'data', array: own.map(({ comparison }) => halfWidth(comparison)), thickness: 1.4 },
        marker: { color, size: 8, symbol },
      },
    ];
  });
  return figure(data, {
    title: `Effects on ${label}: mean over seeds and 95 % interval`,
    x: `difference of ${label} (${better === 'lower' ? 'left' : 'right'} of 0 is better)`,
    y: '',
    ...forestLayout(
      shown.map(({ at }) => shortName(at.name)),
      24,
    ),
  });
}

/** Room for one named line per row, from top to bottom, the legend under the axis. */
export function forestLayout(names: readonly string[], rowHeight: number): Pick<FigureOptions, 'height' | 'layout'> {
  const inner = 40 + rowHeight * names.length;
  return {
    height: inner + 165,
    layout: {
      margin: { l: 30 + 6.6 * Math.max(...names.map((name) => name.length)), r: 25, t: 55, b: 110 },
      yaxis: { range: [names.length - 0.4, -0.6], categoryorder: 'array', categoryarray: [...names] },
      xaxis: { zeroline: true, zerolinecolor: '#777' },
      legend: { orientation: 'h', x: 0, xanchor: 'left', y: -55 / inner, yanchor: 'top' },
      showlegend: true,
    },
  };
}
