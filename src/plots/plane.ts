import type { Data, Layout } from 'plotly.js';
import { type Figure, type FigureOptions, figure, PALETTE } from './figure';

/** A rectangle of the plane and how finely to look at it. */
export interface Window {
  x: readonly [number, number];
  y: readonly [number, number];
  /** Grid points per axis. */
  points: number;
}

/** Values on a regular grid, `z[row][column]` at `(x[column], y[row])`. */
export interface Grid {
  x: number[];
  y: number[];
  z: number[][];
}

/** Evaluates a function of the plane on a window. */
export function onGrid(f: (point: Float64Array) => number, { x, y, points }: Window): Grid {
  const along = ([low, high]: readonly [number, number]) =>
    Array.from({ length: points }, (_, i) => low + ((high - low) * i) / (points - 1));
  const [xs, ys] = [along(x), along(y)];
  return { x: xs, y: ys, z: ys.map((b) => xs.map((a) => f(Float64Array.of(a, b)))) };
}

/** White to dark: `blue` for densities, `warm` for errors and variances. */
const SCALES: Record<'blue' | 'warm', [number, string][]> = {
  blue: [
    [0, '#ffffff'],
    [0.3, '#b9d6ee'],
    [0.7, '#4a90c8'],
    [1, '#084a85'],
  ],
  warm: [
    [0, '#ffffff'],
    [0.3, '#fde0a8'],
    [0.7, '#ee7f3b'],
    [1, '#8e1b0e'],
  ],
};

/** A colour map of grid values; `label` names the colour bar with its unit, without it there is none. */
export function heatmap(
  { x, y, z }: Grid,
  { label, colors = 'blue', low, high }: { label?: string; colors?: 'blue' | 'warm'; low?: number; high?: number } = {},
): Data {
  const colorbar = { title: { text: label, side: 'right' as const }, thickness: 12, len: 0.9 };
  return {
    type: 'heatmap',
    x,
    y,
    z,
    colorscale: SCALES[colors],
    zmin: low,
    zmax: high,
    zsmooth: 'best',
    showscale: label !== undefined,
    colorbar,
  };
}

/** Level lines of grid values, evenly spaced or at the given levels. */
export function contours({ x, y, z }: Grid, name: string, color: string, levels?: [number, number, number]): Data {
  const spacing = levels ? { start: levels[0], end: levels[1], size: levels[2] } : {};
  return {
    type: 'contour',
    x,
    y,
    z,
    name,
    showlegend: true,
    showscale: false,
    hoverinfo: 'skip',
    autocontour: !levels,
    ncontours: 8,
    contours: { coloring: 'none', ...spacing },
    line: { color, width: 1.5 },
  };
}

/** Row-major points `[count, 2]` as dots. */
export function dots(name: string, points: ArrayLike<number>, color: string, size = 3, opacity = 0.5): Data {
  const values = Array.from(points);
  return {
    type: 'scatter',
    mode: 'markers',
    name,
    x: values.filter((_, i) => i % 2 === 0),
    y: values.filter((_, i) => i % 2 === 1),
    marker: { color, size, opacity },
  };
}

/** Arrows from points along vectors (both in the axes' unit, the vectors times `scale`), as one series. */
export function arrows(
  name: string,
  from: readonly ArrayLike<number>[],
  vectors: readonly ArrayLike<number>[],
  { scale = 1, color = PALETTE[6], width = 1.4 }: { scale?: number; color?: string; width?: number } = {},
): Data {
  const ends = (i: number) => from.flatMap((p, n) => [p[i], p[i] + scale * vectors[n][i], null]);
  const sizes = from.flatMap(() => [0, 6, 0]);
  const marker = { symbol: 'arrow', angleref: 'previous', size: sizes, color, line: { width: 0 } };
  return {
    type: 'scatter',
    mode: 'lines+markers',
    name,
    x: ends(0),
    y: ends(1),
    line: { color, width },
    // plotly's types do not know `angleref` yet.
    marker: marker as object,
    hoverinfo: 'skip',
  };
}

/** A figure of the plane with one unit as long on both axes, cut to a window. */
export function plane(data: Data[], options: FigureOptions & { window: Window }): Figure {
  const { window, ...rest } = options;
  return figure(data, {
    width: 640,
    height: 560,
    ...rest,
    layout: {
      ...rest.layout,
      xaxis: { range: [...window.x], constrain: 'domain', ...rest.layout?.xaxis },
      yaxis: { range: [...window.y], scaleanchor: 'x', constrain: 'domain', ...rest.layout?.yaxis },
    },
  });
}

/** One of several plots side by side. */
export interface Panel {
  title: string;
  data: Data[];
}

/** Planes side by side with common axes: one row, the titles above, one legend for all. */
export function panels(parts: readonly Panel[], options: FigureOptions & { window: Window }): Figure {
  const { window, title, x, y, width = 330 * parts.length, height = 460, layout: extra } = options;
  const gap = 0.05;
  const share = (1 - gap * (parts.length - 1)) / parts.length;
  const layout: Record<string, unknown> = { ...extra, annotations: [] };
  const seen = new Set<string>();
  const data = parts.flatMap((part, i) => {
    const suffix = i === 0 ? '' : String(i + 1);
    const domain = [i * (share + gap), i * (share + gap) + share];
    const lines = { gridcolor: '#e5e5e5', linecolor: '#444', zeroline: false, constrain: 'domain' };
    layout[`xaxis${suffix}`] = { ...lines, domain, anchor: `y${suffix}`, range: [...window.x], title: { text: x } };
    layout[`yaxis${suffix}`] = {
      ...lines,
      anchor: `x${suffix}`,
      range: [...window.y],
      scaleanchor: `x${suffix}`,
      title: { text: i === 0 ? y : '' },
    };
    (layout.annotations as object[]).push({
      text: part.title,
      showarrow: false,
      xref: 'paper',
      yref: 'paper',
      x: (domain[0] + domain[1]) / 2,
      xanchor: 'center',
      y: 1.02,
      yanchor: 'bottom',
    });
    return part.data.map((trace) => {
      const { name, showlegend } = trace as { name?: string; showlegend?: boolean };
      const first = name !== undefined && !seen.has(name) && showlegend !== false;
      if (name) seen.add(name);
      return { ...trace, xaxis: `x${suffix}`, yaxis: `y${suffix}`, legendgroup: name, showlegend: first } as Data;
    });
  });
  return figure(data, { title, x, y, width, height, layout: layout as Partial<Layout> });
}
