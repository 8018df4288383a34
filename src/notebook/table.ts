import { InvalidInputError } from '../runtime/errors';
import { cellsOf, type Rows, toDataFrame } from './data-frame';
import { publish } from './output';
import { type Column, tableHtml } from './table-html';

export interface TableOptions {
  /** A line above the table. */
  title?: string;
  /** Significant digits of numbers that are not whole; default 4. */
  digits?: number;
  /** Which columns, in which order; default all. */
  columns?: string[];
  /** For a column of ours, the column of the paper's numbers, which is shown right beside it and set apart. */
  paper?: Record<string, string>;
}

/**
 * Shows rows as a table below the cell, sortable by its headers; outside a notebook prints it aligned.
 * @throws InvalidInputError for a column that the rows do not have.
 */
export function table(rows: Rows, { title, digits = 4, columns, paper = {} }: TableOptions = {}): void {
  const given = toDataFrame(rows);
  const order = besideOurs(columns ?? given.columns, paper);
  for (const name of [...order, ...Object.keys(paper)]) checkColumn(name, given.columns);
  const values = cellsOf(given.loc({ columns: order }));
  const ours = Object.fromEntries(Object.entries(paper).map(([own, theirs]) => [theirs, own]));
  const shown = order.map((name, at) => ({
    name: ours[name] ? `${headerOf(ours[name])}, paper` : headerOf(name),
    numeric: values.every((row) => readsAsNumber(row[at])),
    paper: name in ours,
  }));
  const cells = values.map((row) => row.map((cell) => formatCell(cell, digits)));
  const text = tableText(shown, cells, title);
  publish({ 'text/html': tableHtml(shown, cells, title).text, 'text/plain': text }, text);
}

/** The columns with the paper's right after ours. */
function besideOurs(columns: readonly string[], paper: Record<string, string>): string[] {
  const theirs = Object.values(paper);
  return columns
    .filter((name) => !theirs.includes(name))
    .flatMap((name) => (Object.hasOwn(paper, name) ? [name, paper[name]] : [name]));
}

function checkColumn(name: string, columns: readonly string[]): void {
  if (columns.includes(name)) return;
  throw new InvalidInputError('Column of a table', {
    given: name,
    expected: `one of ${columns.join(', ')}`,
    remedy: 'Name columns as the rows do.',
  });
}

/** Whether a cell is missing, a number, or text that begins as one and goes on with its error: `0.79 ± 0.01`, `95 %`. */
const readsAsNumber = (cell: unknown) =>
  cell === null || typeof cell === 'number' || /^[-−+]?[\d.]+(e[-+]?\d+)?( ?%)?( ± .*)?$/.test(String(cell));

/** Column names that are no words of a sentence: acronyms, and what needs its unit. */
const HEADERS: Record<string, string> = {
  fid: 'FID',
  fidSamplingError: 'FID sampling error',
  paperFid: "paper's FID",
  paperIs: "paper's inception score",
  megaflopsPerImage: 'MFLOP per image',
  psnr: 'PSNR / dB',
  pValue: 'p-value',
  snr: 'SNR / dB',
  expectedSnr: 'expected SNR / dB',
};

/** What a column's header says: its name, as words where it is an identifier. */
export function headerOf(name: string): string {
  if (Object.hasOwn(HEADERS, name)) return HEADERS[name];
  return /^[a-z]+\d*([A-Z][a-z0-9]*)+$/.test(name)
    ? name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    : name;
}

/** A cell as text: whole numbers in full, others with `digits` significant digits, nothing for a missing one. */
export function formatCell(cell: string | number | boolean | null, digits = 4): string {
  if (cell === null) return '';
  if (typeof cell !== 'number') return String(cell);
  if (!Number.isFinite(cell)) return Number.isNaN(cell) ? 'NaN' : cell > 0 ? '∞' : '−∞';
  if (Number.isInteger(cell) && Math.abs(cell) < 1e15) return String(cell);
  const size = Math.abs(cell);
  return size < 1e-4 || size >= 1e7 ? cell.toExponential(digits - 1) : Number(cell.toPrecision(digits)).toString();
}

/** Rows of formatted cells as aligned text. */
export function tableText(columns: readonly Column[], cells: readonly string[][], title?: string): string {
  const widths = columns.map(({ name }, at) => Math.max(name.length, ...cells.map((row) => row[at].length)));
  const pad = (cell: string, at: number) => (columns[at].numeric ? cell.padStart(widths[at]) : cell.padEnd(widths[at]));
  const line = (row: string[]) => row.map(pad).join('  ').trimEnd();
  const names = columns.map(({ name }) => name);
  const lines = [line(names), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)];
  return (title ? [title, ...lines] : lines).join('\n');
}
