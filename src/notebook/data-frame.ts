import type { DataFrame } from 'danfojs-node';
import { InvalidInputError } from '../runtime/errors';

/** What a table cell holds. */
export type Cell = string | number | boolean | null;

/** A row of a table, by the names of its columns. */
export type TableRow = Record<string, Cell>;

/** Rows as objects, or a danfo.js DataFrame. */
export type Rows = readonly object[] | DataFrame;

/**
 * Rows as a danfo.js DataFrame: one column per name that occurs, in order of first occurrence; `null` where a row has
 * none. Nested values are written as JSON.
 * @throws InvalidInputError when there are no rows.
 */
export function toDataFrame(rows: Rows): DataFrame {
  const danfo = require('danfojs-node') as typeof import('danfojs-node'); // half a second, so only when needed
  if (rows instanceof danfo.DataFrame) return rows;
  const records = rows as readonly Record<string, unknown>[];
  const columns = [...new Set(records.flatMap((row) => Object.keys(row)))];
  if (!Array.isArray(rows) || columns.length === 0) {
    throw new InvalidInputError('Table', {
      given: Array.isArray(rows) ? 'no rows' : typeof rows,
      expected: 'an array of one or more objects, or a DataFrame',
      remedy: 'Pass one object per row, for example [{ step: 1, loss: 0.5 }].',
    });
  }
  return new danfo.DataFrame(
    records.map((row) => columns.map((column) => toCell(row[column]))),
    { columns },
  );
}

function toCell(value: unknown): Cell {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}

/** The DataFrame's cells row by row, with `null` for what danfo.js calls missing. */
export function cellsOf(frame: DataFrame): Cell[][] {
  return (frame.values as Cell[][]).map((row) => row.map((cell) => cell ?? null));
}

/**
 * The DataFrame as CSV text (RFC 4180: cells with commas, quotes, line breaks or blanks at an end are quoted). Text that a spreadsheet would
 * run as a formula (it begins with =, +, -, @, tab or return, and is no number) gets an apostrophe before it.
 */
export function toCsv(frame: DataFrame): string {
  const quote = (cell: Cell) => {
    if (typeof cell !== 'string') return String(cell ?? '');
    const text = /^[=+\-@\t\r]/.test(cell) && !Number.isFinite(Number(cell)) ? `'${cell}` : cell;
    return /[",\n\r]|^\s|\s$/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  const lines = [frame.columns, ...cellsOf(frame)].map((row) => row.map(quote).join(',') || '""'); // readers skip empty lines
  return `${lines.join('\n')}\n`;
}
