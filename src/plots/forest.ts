import type { Data } from 'plotly.js';
import type { Verdict } from '../metrics/verdict';
import { type Figure, figure, PALETTE } from './figure';

/** One line of a forest plot: a mean and, where there is one, its interval. */
export interface ForestRow {
  name: string;
  mean: number;
  low?: number;
  high?: number;
  verdict?: Verdict;
  /** Shown when the mouse is over the dot. */
  text?: string;
}

/** Dots of one look; without a colour each has that of its verdict. */
export interface ForestSeries {
  name?: string;
  color?: string;
  symbol?: string;
  rows: readonly ForestRow[];
}

const colourOf = (verdict?: Verdict) => (verdict === 'holds' ? PALETTE[2] : verdict === 'fails' ? PALETTE[1] : '#888');

/** A forest plot: one named line per row, from top to bottom, means as dots with their intervals, a line at zero; series share lines by name. */
export function forestFigure(
  series: readonly ForestSeries[],
  { title, x, names, rowHeight = 24 }: { title: string; x: string; names: readonly string[]; rowHeight?: number },
): Figure {
  const data = series.map(
    ({ name, color, symbol, rows }): Data => ({
      type: 'scatter',
      mode: 'markers',
      name,
      x: rows.map(({ mean }) => mean),
      y: rows.map((row) => row.name),
      text: rows.map(({ text }) => text ?? ''),
      error_x: {
        type: 'data',
        symmetric: false,
        array: rows.map(({ mean, high }) => (high ?? mean) - mean),
        arrayminus: rows.map(({ mean, low }) => mean - (low ?? mean)),
        thickness: 1.5,
      },
      marker: { size: 9, color: color ?? rows.map(({ verdict }) => colourOf(verdict)), symbol },
    }),
  );
  const inner = 40 + rowHeight * names.length;
  const left = 30 + 6.6 * Math.max(...names.map((name) => name.length)); // room for the longest name
  return figure(data, {
    title,
    x,
    y: '',
    width: Math.ceil(Math.max(760, 430 + left)),
    height: inner + 165,
    layout: {
      margin: { l: left, r: 25, t: 55, b: 110 },
      yaxis: { range: [names.length - 0.4, -0.6], categoryorder: 'array', categoryarray: [...names] },
      xaxis: { zeroline: true, zerolinecolor: '#777' },
      legend: { orientation: 'h', x: 0, xanchor: 'left', y: -55 / inner, yanchor: 'top' },
      showlegend: series.some(({ name }) => name !== undefined),
    },
  });
}
