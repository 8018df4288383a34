import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { pathInside } from '../io/path-inside';
import { type SummaryRow, VERDICTS } from '../notebook/record';
import { FileFormatError } from '../runtime/errors';
import type { Outcome } from './execute';

const summaryRow = z.object({
  claim: z.string(),
  ours: z.string(),
  error: z.string(),
  paper: z.string(),
  verdict: z.enum(VERDICTS),
  note: z.string().optional(),
});

const findingSchema = z.object({
  experiment: z.string(),
  notebook: z.string().optional(),
  profile: z.string(),
  summary: z.array(summaryRow),
  tables: z.record(z.string(), z.array(z.record(z.string(), z.unknown()))).default({}),
  figures: z.array(z.string()).default([]),
});

/** An experiment as `record` wrote it: `notebook` recorded it, `figures` are files beside it. */
export type Finding = z.output<typeof findingSchema>;

/** How one notebook of the run ended; `reused` when it was finished before and nothing changed since. */
export interface NotebookResult {
  notebook: string;
  status: Outcome['status'] | 'reused';
  seconds: number;
  cells: number;
  /** The failing cell's number and error. */
  failedCell?: number;
  error?: string;
}

export interface Reproduction {
  profile: string;
  results: string;
  notebooks: NotebookResult[];
  findings: Finding[];
  /** Path of the report, unless the run was interrupted. */
  report?: string;
}

/**
 * Every experiment in the results folder, in the order of their notebooks; other JSON files are passed over.
 * @throws FileFormatError for a file that is no JSON, or an experiment with parts of another kind.
 */
export function readFindings(folder: string): Finding[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder, { withFileTypes: true }).filter(
    (file) => file.isFile() && /\.json$/.test(file.name),
  );
  const findings = files
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name }) => {
      const path = join(folder, name);
      const content = readJson(path);
      return 'experiment' in content && 'summary' in content ? [parsed(findingSchema, content, path)] : [];
    });
  return findings.sort((a, b) => ((a.notebook ?? '') < (b.notebook ?? '') ? -1 : 1));
}

/** The object in a JSON file of a results folder, empty for another value. @throws FileFormatError for damaged text. */
export function readJson(path: string): object {
  try {
    const content: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof content === 'object' && content !== null ? content : {};
  } catch (error) {
    throw damaged(path, (error as Error).message);
  }
}

/** What a file of a results folder holds. @throws FileFormatError that names the first part of another kind. */
export function parsed<T extends z.ZodType>(schema: T, content: unknown, path: string): z.output<T> {
  const { success, data, error } = schema.safeParse(content);
  if (success) return data;
  const [issue] = error.issues;
  throw damaged(path, `${issue.path.join('.')}: ${issue.message}`);
}

function damaged(path: string, given: string): FileFormatError {
  return new FileFormatError(`Results file ${path}`, {
    given,
    expected: 'a file as this program writes it',
    remedy: 'Remove it, or name another folder with --results.',
  });
}

/**
 * Removes what a notebook recorded before, so that a failed run leaves no result of an older one.
 * @throws FileFormatError, before anything is removed, for a record that names a file outside the folder.
 */
export function forgetFindings(folder: string, notebook: string): void {
  const files = readFindings(folder)
    .filter((finding) => finding.notebook === notebook)
    .flatMap(({ experiment, tables, figures }) => [
      `${experiment}.json`,
      ...Object.keys(tables).map((name) => (name === experiment ? `${name}.csv` : `${experiment}-${name}.csv`)),
      ...figures,
    ]);
  const paths = files.map((file) => pathInside(folder, file, `Record of notebook ${notebook}`));
  for (const path of paths) rmSync(path, { force: true });
}

/** Our value and its error as one text: `0.52 ± 0.03`, or `0.52 (exact)` when the error is a word. */
export function withError({ ours, error }: SummaryRow): string {
  const size = error.replace(/^(±|\+-|\+\/-)\s*/, '');
  if (size === '') return ours;
  return /^[\d.[]/.test(size) ? `${ours} ± ${size}` : `${ours} (${size})`;
}

/** The summary as text: one line for a claim. */
export function summaryText(findings: readonly Finding[]): string {
  const head = ['claim', 'ours', 'paper', 'verdict'];
  const rows = findings.flatMap(({ summary }) =>
    summary.map((row) => [row.claim, withError(row), row.paper, row.verdict]),
  );
  if (rows.length === 0) return 'No notebook recorded a claim.';
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => row[at].length)));
  const line = (row: string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
