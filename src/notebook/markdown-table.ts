import { formatCell, headerOf } from './table';

/** Rows as a Markdown table, one column per name that occurs: numbers with `digits` significant digits and to the right; bars and tags are escaped. */
export function markdownTable(rows: readonly object[], digits = 4): string {
  const records = rows as readonly Record<string, string | number | boolean | null | undefined>[];
  const columns = [...new Set(records.flatMap((row) => Object.keys(row)))];
  const isNumeric = (name: string) => records.every((row) => row[name] == null || typeof row[name] === 'number');
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const escaped = (text: string) =>
    text
      .replace(/\|/g, '\\|')
      .replace(/\r?\n/g, ' ')
      .replace(/<(?=[a-z!/?])/gi, '&lt;');
  return [
    line(columns.map((name) => escaped(headerOf(name)))),
    line(columns.map((name) => (isNumeric(name) ? '--:' : '---'))),
    ...records.map((row) => line(columns.map((name) => escaped(formatCell(row[name] ?? null, digits))))),
  ].join('\n');
}
