import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import type { Figure } from '../plots/figure';
import { renderPng } from '../plots/render';
import { InvalidInputError } from '../runtime/errors';
import { type Rows, toCsv, toDataFrame } from './data-frame';
import { finishWithCell } from './output';
import { profileInEffect } from './parameters';

export const VERDICTS = ['holds', 'fails', 'undecided', 'assumption violated', 'analogue'] as const;
export type SummaryVerdict = (typeof VERDICTS)[number];

/** One line of the summary: a claim of the paper, what was found here with its error, and the paper's own number. */
export interface SummaryRow {
  claim: string;
  ours: string;
  error: string;
  paper: string;
  verdict: SummaryVerdict;
  note?: string;
}

/** The results of an experiment, as `record` saves them. */
export interface Findings {
  table?: Rows;
  tables?: Record<string, Rows>;
  figures?: Record<string, Figure>;
  summary?: SummaryRow[];
}

/** Where results go: the environment variable `CER_RESULTS`, else `results/` in the project folder. */
export function resultsFolder(): string {
  return process.env.CER_RESULTS || join(__dirname, '..', '..', 'results');
}

/**
 * Writes `<experiment>.json` (profile, tables, summary), `<experiment>.csv` (further tables as `<experiment>-<name>.csv`)
 * and one `<experiment>-<figure>.png` per figure to the results folder, each file all or nothing. Tables are written
 * when it returns, pictures when its promise is fulfilled (a cell waits for it in any case).
 * @throws InvalidInputError for a name that is no file name or a verdict that is not one of `VERDICTS`.
 */
export function record(
  experiment: string,
  { table, tables = {}, figures = {}, summary = [] }: Findings,
): Promise<void> {
  for (const name of [experiment, ...Object.keys(tables), ...Object.keys(figures)]) checkName(name);
  summary.forEach(checkVerdict);
  const folder = resultsFolder();
  const frames = Object.entries({ ...(table ? { '': table } : {}), ...tables }).map(
    ([name, rows]) => [name, toDataFrame(rows)] as const,
  );
  const { toJSON } = require('danfojs-node') as typeof import('danfojs-node');
  const content = {
    experiment,
    notebook: process.env.CER_NOTEBOOK,
    profile: profileInEffect(),
    summary,
    tables: Object.fromEntries(frames.map(([name, frame]) => [name || experiment, toJSON(frame)])),
    figures: Object.keys(figures).map((name) => `${experiment}-${name}.png`),
  };
  writeText(join(folder, `${experiment}.json`), `${JSON.stringify(content, null, 2)}\n`);
  for (const [name, frame] of frames) {
    writeText(join(folder, `${[experiment, name].filter(Boolean).join('-')}.csv`), toCsv(frame));
  }
  return finishWithCell(savePictures(folder, experiment, figures));
}

async function savePictures(folder: string, experiment: string, figures: Record<string, Figure>): Promise<void> {
  for (const [name, figure] of Object.entries(figures)) {
    const png = await renderPng(figure);
    if (png) writeFileAtomic(join(folder, `${experiment}-${name}.png`), (write) => write(png));
  }
}

function writeText(path: string, text: string): void {
  writeFileAtomic(path, (write) => write(Buffer.from(text)));
}

function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9._-]*$/i.test(name)) return;
  throw new InvalidInputError('Name of an experiment, table or figure', {
    given: JSON.stringify(name),
    expected: 'letters, digits, dots, hyphens, as it becomes a file name',
    remedy: 'Choose a name like decay or error-by-step.',
  });
}

function checkVerdict(row: SummaryRow): void {
  if ((VERDICTS as readonly string[]).includes(row.verdict)) return;
  throw new InvalidInputError(`Verdict on "${row.claim}"`, {
    given: JSON.stringify(row.verdict),
    expected: `one of ${VERDICTS.join(', ')}`,
    remedy: 'Use undecided where the interval contains both answers.',
  });
}
