import type { Data } from 'plotly.js';
import { type Figure, type FigureOptions, figure, lineWithBand, PALETTE } from './figure';

/** One series of a plot of curves. */
export interface Curve {
  name: string;
  y: ArrayLike<number>;
  /** Default 0, 1, 2, ... */
  x?: ArrayLike<number>;
  /** Half-width of a shaded band around the curve, or of an error bar on each marker. */
  error?: ArrayLike<number>;
  /** Default `lines`. */
  mode?: 'lines' | 'markers' | 'lines+markers';
  dash?: 'solid' | 'dot' | 'dash';
  color?: string;
}

/** Several curves over one axis; `logY` for exponential decays, where numbers that are not positive are left out. */
export function curves(series: readonly Curve[], { logY, ...options }: FigureOptions & { logY?: boolean }): Figure {
  const data = series.flatMap((curve, i): Data[] => {
    const { name, mode = 'lines', dash = 'solid', error, color = PALETTE[i % PALETTE.length] } = curve;
    const y = Array.from(curve.y, (value) => (logY && !(value > 0) ? null : value));
    const x = Array.from(curve.x ?? y.keys());
    if (error && mode === 'lines') return lineWithBand(name, x, curve.y, error, color);
    const bars = error ? { error_y: { type: 'data' as const, array: Array.from(error), thickness: 1.2 } } : {};
    return [
      { type: 'scatter', mode, name, x, y, line: { color, dash, width: 2 }, marker: { color, size: 7 }, ...bars },
    ];
  });
  const axis = logY ? { type: 'log' as const, exponentformat: 'power' as const, dtick: decadesPerTick(series) } : {};
  const layout = { ...options.layout, yaxis: { ...options.layout?.yaxis, ...axis } };
  return figure(data, { ...options, layout });
}

/** At most about eight labelled powers of ten. */
function decadesPerTick(series: readonly Curve[]): number {
  const logs = series.flatMap(({ y }) =>
    Array.from(y)
      .filter((value) => value > 0)
      .map(Math.log10),
  );
  const decades = logs.reduce((a, b) => Math.max(a, b), -Infinity) - logs.reduce((a, b) => Math.min(a, b), Infinity);
  return Math.max(1, Math.ceil(decades / 8));
}
