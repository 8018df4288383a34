import type { Data } from 'plotly.js';
import { PALETTE } from './figure';
import type { Grid } from './plane';

/**
 * A plan [n, m] of total mass one between points of the plane as lines: each pair that carries mass is joined, the more of a
 * point's mass goes that way the darker, in four shades; pairs below 2 % of a point's mass are left out.
 */
export function planLines(x: ArrayLike<number>, y: ArrayLike<number>, plan: ArrayLike<number>): Data[] {
  const n = x.length / 2;
  const m = y.length / 2;
  const shades = [0.02, 0.1, 0.3, 0.6];
  return shades.map((from, shade): Data => {
    const to = shades[shade + 1] ?? Infinity;
    const xs: (number | null)[] = [];
    const ys: (number | null)[] = [];
    for (let k = 0; k < n * m; k++) {
      const share = plan[k] * Math.max(n, m);
      if (share < from || share >= to) continue;
      const [i, j] = [Math.floor(k / m), k % m];
      xs.push(x[2 * i], y[2 * j], null);
      ys.push(x[2 * i + 1], y[2 * j + 1], null);
    }
    const line = { color: PALETTE[6], width: 0.8 + 0.3 * shade };
    const opacity = [0.08, 0.2, 0.4, 0.7][shade];
    return { type: 'scatter', mode: 'lines', x: xs, y: ys, line, opacity, showlegend: false, hoverinfo: 'skip' };
  });
}

/** A plan between points of the line as a picture: columns are source positions, rows target positions, colour is mass density. */
export function planGrid(x: ArrayLike<number>, y: ArrayLike<number>, plan: ArrayLike<number>): Grid {
  const n = x.length;
  const m = y.length;
  let largest = 0;
  for (let k = 0; k < n * m; k++) largest = Math.max(largest, plan[k]);
  const z = Array.from({ length: m }, (_, j) => Array.from({ length: n }, (_, i) => plan[i * m + j] / largest));
  return { x: Array.from(x), y: Array.from(y), z };
}
