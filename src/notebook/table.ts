import { cellsOf, type Rows, toDataFrame } from './data-frame';
import { escapeHtml, publish } from './output';

export interface TableOptions {
  /** A line above the table. */
  title?: string;
  /** Significant digits of numbers that are not whole; default 4. */
  digits?: number;
  /** Which columns, in which order; default all. */
  columns?: string[];
}

/** Shows rows as a table below the cell; outside a notebook prints it aligned. */
export function table(rows: Rows, { title, digits = 4, columns }: TableOptions = {}): void {
  const given = toDataFrame(rows);
  const frame = columns ? given.loc({ columns }) : given;
  const cells = cellsOf(frame).map((row) => row.map((cell) => formatCell(cell, digits)));
  const numeric = frame.columns.map((_, at) => cellsOf(frame).every((row) => row[at] === null || isNumber(row[at])));
  const text = tableText(frame.columns, cells, numeric, title);
  publish({ 'text/html': tableHtml(frame.columns, cells, numeric, title), 'text/plain': text }, text);
}

const isNumber = (cell: unknown) => typeof cell === 'number';

/** A cell as text: whole numbers in full, others with `digits` significant digits, nothing for a missing one. */
export function formatCell(cell: string | number | boolean | null, digits = 4): string {
  if (cell === null) return '';
  if (typeof cell !== 'number') return String(cell);
  if (!Number.isFinite(cell)) return Number.isNaN(cell) ? 'NaN' : cell > 0 ? '∞' : '−∞';
  if (Number.isInteger(cell) && Math.abs(cell) < 1e15) return String(cell);
  const size = Math.abs(cell);
  return size < 1e-4 || size >= 1e7 ? cell.toExponential(digits - 1) : Number(cell.toPrecision(digits)).toString();
}

/** Rows of formatted cells as an HTML table; numeric columns are right-aligned. */
export function tableHtml(columns: string[], cells: string[][], numeric: boolean[], title?: string): string {
  const align = (at: number) => `style="text-align:${numeric[at] ? 'right' : 'left'}"`;
  const head = columns.map((name, at) => `<th ${align(at)}>${escapeHtml(name)}</th>`).join('');
  const body = cells
    .map((row) => `<tr>${row.map((cell, at) => `<td ${align(at)}>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('\n');
  const caption = title
    ? `<caption style="text-align:left;white-space:nowrap;font-weight:600">${escapeHtml(title)}</caption>`
    : '';
  return `<table class="cer-table">${caption}<thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table>`;
}

/** Rows of formatted cells as aligned text. */
export function tableText(columns: string[], cells: string[][], numeric: boolean[], title?: string): string {
  const widths = columns.map((name, at) => Math.max(name.length, ...cells.map((row) => row[at].length)));
  const pad = (cell: string, at: number) => (numeric[at] ? cell.padStart(widths[at]) : cell.padEnd(widths[at]));
  const line = (row: string[]) => row.map(pad).join('  ').trimEnd();
  const lines = [line(columns), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)];
  return (title ? [title, ...lines] : lines).join('\n');
}
