import type { Data, Layout } from 'plotly.js';

/** A plotly figure as plain data; drawing it is somebody else's job. */
export interface Figure {
  data: Data[];
  layout: Partial<Layout>;
}

/** The colours of the project (Okabe-Ito, safe for colour-blind readers), in the order in which series take them. */
export const PALETTE = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#000000',
  '#f0e442',
] as const;

/** Titles and axis labels (with units) of a figure, plus anything else plotly's layout takes. */
export interface FigureOptions {
  title: string;
  x: string;
  y: string;
  width?: number;
  height?: number;
  layout?: Partial<Layout>;
}

/** A figure in the project's style: white ground, labelled axes with units, legend under the plot. */
export function figure(data: Data[], { title, x, y, width = 760, height = 440, layout = {} }: FigureOptions): Figure {
  const axis = { zeroline: false, gridcolor: '#e5e5e5', linecolor: '#444', hoverformat: '.6~g' }; // 0.0002, not 200μ
  return {
    data,
    layout: {
      title: { text: title, font: { size: 16 } },
      xaxis: { title: { text: x }, ...axis, ...layout.xaxis },
      yaxis: { title: { text: y }, ...axis, ...layout.yaxis },
      width,
      height,
      colorway: [...PALETTE],
      paper_bgcolor: '#ffffff',
      plot_bgcolor: '#ffffff',
      margin: { l: 70, r: 25, t: 55, b: 60 },
      legend: { orientation: 'h', y: -0.22 },
      hoverlabel: { namelength: -1 }, // plotly cuts names after 15 letters
      ...Object.fromEntries(Object.entries(layout).filter(([name]) => name !== 'xaxis' && name !== 'yaxis')),
    },
  };
}

/** A line with a shaded band `mean +- error` (both in the axis' unit), as two traces that share one legend entry. */
export function lineWithBand(
  name: string,
  x: ArrayLike<number>,
  mean: ArrayLike<number>,
  error: ArrayLike<number>,
  color: string = PALETTE[0],
): Data[] {
  const xs = Array.from(x);
  const low = Array.from(mean, (m, i) => m - error[i]);
  const high = Array.from(mean, (m, i) => m + error[i]);
  return [
    {
      type: 'scatter',
      x: [...xs, ...xs.slice().reverse()],
      y: [...high, ...low.reverse()],
      fill: 'toself',
      fillcolor: color,
      opacity: 0.2,
      line: { width: 0 },
      hoverinfo: 'skip',
      showlegend: false,
      legendgroup: name,
    },
    { type: 'scatter', mode: 'lines', name, legendgroup: name, x: xs, y: Array.from(mean), line: { color, width: 2 } },
  ];
}
