import type { Data } from 'plotly.js';
import { curves } from '../../plots/curves';
import { element } from './dom';
import { type ColorName, onThemeChange, theme } from './theme';
import { readable } from './words';

/** One curve of a chart. Curves differ by dash and markers too, never by colour alone. */
export interface Series {
  name: string;
  x: ArrayLike<number>;
  y: ArrayLike<number>;
  /** Half-width of a band, or of bars where there are markers. */
  error?: ArrayLike<number>;
  color: ColorName;
  dash?: 'solid' | 'dot' | 'dash';
  mode?: 'lines' | 'lines+markers' | 'markers';
}

export interface ChartContent {
  series: readonly Series[];
  x: string;
  y: string;
  logY?: boolean;
  range: { x: [number, number]; y: [number, number] };
  /** Description of the chart for screen readers. */
  label: string;
}

const MARGIN = { l: 66, r: 14, t: 12, b: 48 };

type Plotly = typeof import('plotly.js');
let library: Promise<Plotly> | undefined;

/** plotly.js comes after the first picture: it is large, and the page can be used without it. */
function loadPlotly(): Promise<Plotly> {
  library ??= new Promise((resolve, reject) => {
    const script = element('script', { src: 'plotly.min.js' });
    script.onload = () => resolve((globalThis as unknown as { Plotly: Plotly }).Plotly);
    script.onerror = () => reject(new Error('plotly.min.js could not be loaded'));
    document.head.append(script);
  });
  return library;
}

/** A chart with a legend in HTML and a vertical line that can be moved without drawing the chart again. */
export class Chart {
  private readonly picture = element('div', { class: 'chart', role: 'img' });
  private readonly plot = element('div', { class: 'plot' });
  private readonly line = element('div', { class: 'now-line', hidden: true });
  private readonly legend = element('ul', { class: 'legend' });
  private content?: ChartContent;
  private at?: number;
  private pending = false;

  constructor(parent: HTMLElement) {
    this.picture.append(this.plot, this.line);
    parent.append(this.legend, this.picture);
    new ResizeObserver(() => this.redraw()).observe(this.picture);
    onThemeChange(() => this.redraw());
  }

  show(content: ChartContent): void {
    this.content = content;
    this.picture.setAttribute('aria-label', content.label);
    this.legend.replaceChildren(...content.series.map(legendEntry));
    this.redraw();
  }

  /** Puts the vertical line at this value of x; undefined takes it away. */
  moveLine(x: number | undefined): void {
    this.at = x;
    const { content } = this;
    this.line.hidden = x === undefined || !content;
    if (x === undefined || !content) return;
    const [low, high] = content.range.x;
    const width = this.picture.clientWidth - MARGIN.l - MARGIN.r;
    this.line.style.transform = `translateX(${MARGIN.l + ((x - low) / (high - low)) * width}px)`;
  }

  /** Draws in the next frame; several calls before it draw once. */
  redraw(): void {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(async () => {
      this.pending = false;
      if (!this.content || this.picture.clientWidth === 0) return;
      const plotly = await loadPlotly();
      if (!this.content) return;
      const { data, layout } = styled(this.content, this.picture.clientWidth, this.picture.clientHeight);
      await plotly.react(this.plot, data, layout, { displayModeBar: false, doubleClick: false });
      this.moveLine(this.at);
    });
  }
}

function styled({ series, x, y, logY, range }: ChartContent, width: number, height: number) {
  const colors = theme();
  const figure = curves(
    series.map((curve) => ({ ...curve, color: colors[curve.color] })),
    { title: '', x, y, logY },
  );
  const axis = { gridcolor: colors.grid, linecolor: colors.muted, tickcolor: colors.muted, fixedrange: true };
  const text = { color: colors.ink, family: 'system-ui, sans-serif', size: 13 };
  const yRange = logY ? range.y.map(Math.log10) : range.y;
  const ticks = logY ? logTicks(range.y) : {};
  return {
    // `curves` draws lines with a band solid.
    data: figure.data.map((trace) => dashed(trace, series)),
    layout: {
      ...figure.layout,
      title: undefined,
      width,
      height,
      margin: MARGIN,
      showlegend: false,
      font: text,
      paper_bgcolor: colors.surface,
      plot_bgcolor: colors.surface,
      hovermode: 'x unified' as const,
      hoverlabel: { bgcolor: colors.surface, bordercolor: colors.muted, font: text },
      xaxis: { ...figure.layout.xaxis, ...axis, range: [...range.x] },
      yaxis: { ...figure.layout.yaxis, ...axis, ...ticks, range: [...yRange] },
    },
  };
}

/**
 * Ticks of a logarithmic axis, written out: at powers of ten, and at more numbers between where there are few of them. (plotly's
 * own labels between powers are bare digits, and its raised exponents would need inline styles.)
 */
export function logTicks([low, high]: readonly [number, number]): { tickvals: number[]; ticktext: string[] } {
  const decades = Math.log10(high / low);
  const digits = decades > 2.5 ? [1] : decades > 1.2 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const tickvals: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const digit of digits) {
      const value = Number(`${digit}e${power}`);
      if (value >= low && value <= high) tickvals.push(value);
    }
  }
  return { tickvals, ticktext: tickvals.map((value) => readable(value)) };
}

function dashed(trace: Data, series: readonly Series[]): Data {
  const named = series.find(({ name, error }) => error && name === trace.name);
  return named && 'line' in trace
    ? ({ ...trace, line: { ...trace.line, dash: named.dash ?? 'solid' } } as Data)
    : trace;
}

const SVG = 'http://www.w3.org/2000/svg';

function legendEntry({ name, color, dash = 'solid', mode = 'lines', error }: Series): HTMLElement {
  const swatch = document.createElementNS(SVG, 'svg');
  swatch.setAttribute('class', `swatch ${color} ${dash}`);
  swatch.setAttribute('viewBox', '0 0 28 12');
  swatch.setAttribute('aria-hidden', 'true');
  const shape = (tag: string, attributes: Record<string, string>) => {
    const node = document.createElementNS(SVG, tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    swatch.append(node);
  };
  if (error && mode === 'lines') shape('rect', { x: '0', y: '1', width: '28', height: '10' });
  if (mode !== 'markers') shape('line', { x1: '0', y1: '6', x2: '28', y2: '6' });
  if (mode !== 'lines') shape('circle', { cx: '14', cy: '6', r: '3.5' });
  return element('li', {}, swatch as unknown as Node, name);
}
