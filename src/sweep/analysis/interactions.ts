import type { Data } from 'plotly.js';
import { holm } from '../../metrics/confidence';
import { type ProductGain, productGain } from '../../metrics/product-gain';
import { centredRanks } from '../../metrics/rank-correlation';
import { type Figure, figure, PALETTE } from '../../plots/figure';
import { foldIn, key } from '../../runtime/random';
import { type Measured, short, type TableRow } from './measured';
import type { Knob, Search } from './search';

/** How far two knobs do together what they do not do apart. */
export interface Interaction extends ProductGain {
  first: Knob;
  second: Knob;
  pHolm: number;
}

/**
 * Every pair of knobs of a search with the gain of their product over their sum (on ranks), the least likely by chance first: gains alone do not
 * compare, since more categories gain more by chance.
 */
export function interactions({ knobs, objective }: Search): Interaction[] {
  const ranks = centredRanks(objective);
  const columns = knobs.map(columnsOf);
  const found = knobs.flatMap((first, i) =>
    knobs.slice(i + 1).flatMap((second, j) => {
      const source = foldIn(foldIn(key(0), first.name), second.name);
      const gain = productGain(columns[i], columns[i + 1 + j], ranks, { key: source });
      return gain ? [{ first, second, ...gain }] : [];
    }),
  );
  const corrected = holm(found.map(({ pValue }) => pValue));
  return found
    .map((each, i) => ({ ...each, pHolm: corrected[i] }))
    .sort((a, b) => a.pValue - b.pValue || b.gain - a.gain);
}

/** A number as its rank, a category as one indicator for each but the first. */
function columnsOf(knob: Knob): number[][] {
  if (knob.kind === 'number') return [centredRanks(knob.values)];
  const categories = [...new Set(knob.values)].sort().slice(1);
  return categories.map((category) => knob.values.map((value) => (value === category ? 1 : 0)));
}

/** Pairs on a page. */
const SHOWN = 12;

export function interactionRows(found: readonly Interaction[]): { rows: TableRow[]; page: TableRow[] } {
  const rows = found.map(({ first, second, additive, gain, pValue, pHolm, freedom }) => ({
    first: first.name,
    second: second.name,
    'explained by the sum': additive,
    'gain of the product': gain,
    p: pValue,
    'p (Holm)': pHolm,
    'degrees of freedom': freedom,
  }));
  return { rows, page: rows.slice(0, SHOWN) };
}

export function interactionNote(found: readonly Interaction[], { points }: Search): string {
  const n = points.length;
  return [
    ...(found.length > SHOWN ? [`The first ${SHOWN} of ${found.length} pairs.`] : []),
    'Share of the variance of the ranks that the two knobs explain as a sum, and what their product adds (least squares on ranks; p by permuting',
    `what the sum leaves over, corrected by Holm over all pairs). With ${n} points a product that means nothing gains about ${short(1 / Math.max(1, n - 3))}`,
    'of what the sum leaves over. The effects of all other knobs are noise here, and a strong effect that bends can look like an interaction:',
    'a large gain is a hint where to look, not a finding.',
  ].join(' ');
}

/** Up to this many points are drawn one by one, more as a map of means. */
const MOST_DOTS = 80;
const CELLS = 5;

/** Objective against two knobs: dots with error bars, coloured by the second knob; for many points a map of binned means. */
export function interactionFigure(pair: Interaction, search: Search, measured: Measured): Figure {
  const { first, second, gain, pValue } = pair;
  const { label } = measured.plan.experiment.objective;
  const title = `${label} by ${first.name} and ${second.name}<br>their product gains ${short(gain)} (p = ${short(pValue)})`;
  const crowded = search.points.length > MOST_DOTS;
  const data = crowded ? binnedMeans(pair, search, label) : dotsByColour(pair, search, measured);
  return figure(data, {
    title,
    x: first.name,
    y: crowded ? second.name : label,
    layout: {
      xaxis: crowded ? { type: 'category' } : axisOf(first),
      ...(crowded ? { yaxis: { type: 'category' as const } } : {}),
      title: { text: title, font: { size: 14 } },
      margin: { l: 80, r: 110, t: 65, b: 60 },
    },
  });
}

/** Numbers on an axis, logarithmic where they span decades; categories, and numbers with an infinity, as words. */
function axisOf(knob: Knob) {
  if (knob.kind === 'category') return { type: 'category' as const };
  if (!knob.values.every(Number.isFinite)) {
    const order = [...new Set(knob.values)].sort((a, b) => a - b).map(wordOf);
    return { type: 'category' as const, categoryorder: 'array' as const, categoryarray: order };
  }
  const [low, high] = [Math.min(...knob.values), Math.max(...knob.values)];
  return { type: low > 0 && high / low > 20 ? ('log' as const) : ('linear' as const) };
}

function dotsByColour({ first, second }: Interaction, search: Search, { plan }: Measured): Data[] {
  const { name } = plan.experiment.objective;
  const words = axisOf(first).type === 'category';
  const dots = (rows: number[], title: string, marker: object): Data => ({
    type: 'scatter',
    mode: 'markers',
    name: title,
    x: rows.map((i) => (words ? wordOf(first.values[i]) : (first.values[i] as number))),
    y: rows.map((i) => search.objective[i]),
    error_y: {
      type: 'data',
      array: rows.map((i) => search.points[i].values[name].standardError ?? 0),
      thickness: 1.2,
      color: '#333',
    },
    text: rows.map((i) => `${second.name} = ${wordOf(second.values[i])}`),
    marker: { size: 10, line: { width: 1, color: '#333' }, ...marker },
  });
  const all = search.objective.map((_, i) => i);
  const scale = axisOf(second).type;
  if (scale === 'category') {
    const categories = [...new Set<string | number>(second.values)];
    return categories.map((category, at) =>
      dots(
        all.filter((i) => second.values[i] === category),
        `${second.name} = ${wordOf(category)}`,
        { color: PALETTE[at % PALETTE.length] },
      ),
    );
  }
  const numbers = second.values as number[];
  const color = scale === 'log' ? numbers.map(Math.log10) : numbers;
  const bar = { title: { text: scale === 'log' ? `log10 ${second.name}` : second.name, side: 'right' }, thickness: 12 };
  return [dots(all, second.name, { color, colorscale: 'Viridis', showscale: true, colorbar: bar })];
}

const wordOf = (value: number | string) => (value === Infinity ? 'infinite' : String(value));

/** Means over cells of about equally many points; a cell without points stays empty. */
function binnedMeans({ first, second }: Interaction, { objective }: Search, label: string): Data[] {
  const [across, up] = [binsOf(first), binsOf(second)];
  const z = up.names.map((_, row) =>
    across.names.map((_, column) => {
      const own = objective.filter((_, i) => across.bin[i] === column && up.bin[i] === row);
      return own.length > 0 ? own.reduce((sum, x) => sum + x, 0) / own.length : null;
    }),
  );
  const colorbar = { title: { text: label, side: 'right' as const }, thickness: 12 };
  return [{ type: 'heatmap', x: across.names, y: up.names, z, colorscale: 'Viridis', colorbar } as Data];
}

function binsOf(knob: Knob): { names: string[]; bin: number[] } {
  const distinct = [...new Set<number | string>(knob.values)];
  if (knob.kind === 'category' || distinct.length <= CELLS) {
    const names = knob.kind === 'category' ? distinct : (distinct as number[]).sort((a, b) => a - b);
    return { names: names.map(wordOf), bin: knob.values.map((value) => names.indexOf(value)) };
  }
  const sorted = knob.values.slice().sort((a, b) => a - b);
  const edges = Array.from({ length: CELLS - 1 }, (_, i) => sorted[Math.floor(((i + 1) * sorted.length) / CELLS)]);
  const bin = knob.values.map((value) => edges.filter((edge) => value >= edge).length);
  const names = Array.from({ length: CELLS }, (_, i) => {
    const inside = knob.values.filter((_, row) => bin[row] === i);
    return inside.length > 0 ? `${short(Math.min(...inside))} – ${short(Math.max(...inside))}` : `cell ${i + 1}`;
  });
  return { names, bin };
}
