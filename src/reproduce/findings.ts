import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SummaryRow } from '../notebook/record';

/** An experiment as `record` wrote it. */
export interface Finding {
  experiment: string;
  /** The notebook that recorded it. */
  notebook?: string;
  profile: string;
  summary: SummaryRow[];
  tables: Record<string, object[]>;
  figures: string[];
}

/** Every experiment in the results folder, in the order of their notebooks. */
export function readFindings(folder: string): Finding[] {
  if (!existsSync(folder)) return [];
  const findings: Finding[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json')) continue;
    const content = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    if (typeof content.experiment === 'string' && Array.isArray(content.summary)) findings.push(content);
  }
  return findings.sort((a, b) => ((a.notebook ?? '') < (b.notebook ?? '') ? -1 : 1));
}

/** Removes what a notebook recorded before, so that a failed run leaves no result of an older one. */
export function forgetFindings(folder: string, notebook: string): void {
  for (const finding of readFindings(folder)) {
    if (finding.notebook !== notebook) continue;
    const tables = Object.keys(finding.tables).map((name) =>
      name === finding.experiment ? `${name}.csv` : `${finding.experiment}-${name}.csv`,
    );
    for (const file of [`${finding.experiment}.json`, ...tables, ...finding.figures]) {
      rmSync(join(folder, file), { force: true });
    }
  }
}

/** Ours and its error as one text: `0.52 ± 0.03`, or `0.52 (exact)` when the error is a word. */
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
