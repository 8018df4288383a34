import { basename } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { toCsv, toDataFrame } from '../notebook/data-frame';
import { markdownTable } from '../notebook/markdown-table';
import { renderPng, toPlain } from '../plots/render';
import { analyseSweep } from './analysis/analyse';
import type { SweepReport } from './analysis/measured';
import type { Plan } from './plan';
import type { Row } from './store';

/** A sweep's report as its JSON file holds it. */
export interface SweepFindings {
  /** Name of the sweep. */
  sweep: string;
  experiment: string;
  description: string;
  base: Plan['base'];
  seeds: readonly number[];
  text: string;
  tables: Record<string, { title: string; note?: string; rows: object[]; page: object[] }>;
  /** Files of the figures, beside this one; pictures where a Chromium was there. */
  figures: { name: string; json: string; png?: string }[];
}

/**
 * Writes what a sweep tells, `base` being the path that file names begin with: `BASE.md` (all tables and figures to read), `BASE-TABLE.csv`,
 * `BASE-report.json`, and with `figures` each as plotly JSON and, where there is a Chromium, PNG. Each file all or nothing.
 * @returns the report and the files, the page first.
 */
export async function reportSweep(
  plan: Plan,
  rows: readonly Row[],
  base: string,
  { figures = true }: { figures?: boolean } = {},
): Promise<SweepReport & { files: string[] }> {
  const report = analyseSweep(plan, rows);
  const name = basename(base);
  const files: string[] = [];
  const write = (suffix: string, content: string | Buffer): string => {
    const path = `${base}${suffix}`;
    writeFileAtomic(path, (put) => put(Buffer.from(content as string)));
    files.push(path);
    return `${name}${suffix}`;
  };
  const { toJSON } = require('danfojs-node') as typeof import('danfojs-node');
  const frames = Object.entries(report.tables).map(([table, content]) => ({
    table,
    content,
    frame: toDataFrame(content.rows),
  }));
  for (const { table, frame } of frames) write(`-${table}.csv`, toCsv(frame));
  const drawn: SweepFindings['figures'] = [];
  for (const [figure, content] of figures ? Object.entries(report.figures) : []) {
    const json = write(`-${figure}.json`, `${JSON.stringify(toPlain(content))}\n`);
    const png = await renderPng(content);
    drawn.push({ name: figure, json, ...(png ? { png: write(`-${figure}.png`, png) } : {}) });
  }
  const { experiment, base: configuration, seeds } = plan;
  const findings: SweepFindings = {
    sweep: name,
    experiment: experiment.name,
    description: experiment.description,
    base: configuration,
    seeds,
    text: report.text,
    tables: Object.fromEntries(
      frames.map(({ table, content: { title, note, page, rows: own }, frame }) => [
        table,
        { title, note, rows: toJSON(frame) as object[], page: page ?? own },
      ]),
    ),
    figures: drawn,
  };
  write('-report.json', `${JSON.stringify(findings, null, 2)}\n`);
  write('.md', pageOf(findings));
  return { ...report, files: files.reverse() };
}

/** Text, figures and tables as one Markdown page. */
function pageOf({ sweep, experiment, description, base, seeds, text, tables, figures }: SweepFindings): string {
  const parts = [
    `# ${sweep}`,
    `Experiment \`${experiment}\`: ${description}. Seeds ${seeds.join(', ')}. Base:`,
    `\`\`\`json\n${JSON.stringify(base, null, 2)}\n\`\`\``,
    `\`\`\`text\n${text}\n\`\`\``,
    ...figures.flatMap(({ name, png }) => (png ? [`![${name}](${encodeURI(png)})`] : [])),
    ...Object.values(tables).flatMap(({ title, note, page }) => [
      `## ${title}`,
      ...(note ? [note] : []),
      markdownTable(page),
    ]),
  ];
  return `${parts.join('\n\n')}\n`;
}
