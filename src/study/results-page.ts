import { existsSync } from 'node:fs';
import { VERDICT_ORDER } from '../metrics/verdict';
import { markdownTable } from '../notebook/markdown-table';
import type { SummaryRow } from '../notebook/record';
import {
  CHOICE_METHODS,
  CONTROL_METHODS,
  FINE_TUNED_METHODS,
  type Method,
  PAPER_METHODS,
  RIVAL_METHODS,
} from './methods';
import { RESULTS, type Results, readAblation, readResults, resultsFile } from './results';
import type { StudyRow } from './rows';
import { ABLATED } from './study';
import { ablationSummary, claimRow, differenceRows, table2Rows, table3Rows, tableRows } from './table-report';

/** The claims of Table 1, and how the paper puts them. */
export const TABLE_1_CLAIMS = [
  { baseline: 'AR', method: 'AR + OT', text: 'Table 1: refinement improves AR', paper: 'FID 2.02 → 1.52' },
  { baseline: 'MAR', method: 'MAR + OT', text: 'Table 1: refinement improves MAR', paper: 'FID 1.55 → 1.31' },
  { baseline: 'CDM', method: 'AR', text: 'Table 1: AR is better than CDM', paper: 'FID 3.26 → 2.02' },
  { baseline: 'AR', method: 'MAR', text: 'Table 1: MAR is better than AR', paper: 'FID 2.02 → 1.55' },
] as const;

/** The refinement head to head with the rivals that use the same buffer, and with guidance. */
export const HEAD_TO_HEAD: readonly Method[] = (['AR', 'MAR'] as const).flatMap((model) =>
  RIVAL_METHODS.filter(({ name, options }) => options.model === model && !name.includes('+ OT')).map(({ name }) => ({
    name: `${model} + OT`,
    options: {},
    baseline: name,
  })),
);

/** Tables of other scales, and what the paper says of them. */
const SCALES = [
  ['table-2', 'Table 2', 'holds for three sizes of MAR'],
  ['table-3', 'Table 3', 'FID 1.73 → 1.58 (MAR)'],
] as const;

/** What was found in the tables that are there, what does not replicate first. */
export function studySummary(folder = RESULTS): SummaryRow[] {
  if (!existsSync(resultsFile('table-1', folder))) return [];
  const table1 = readResults('table-1', folder);
  const rows = TABLE_1_CLAIMS.map((claim) => claimRow(table1.rows, claim));
  const rivals = optional('rivals', folder);
  if (rivals) {
    const all = [...table1.rows, ...rivals.rows];
    for (const { name, baseline } of present(HEAD_TO_HEAD, all)) {
      if (!/nearest|Gaussian|guidance/.test(baseline as string)) continue;
      const text = `refinement is better than its rival: ${name} against ${baseline}`;
      rows.push(claimRow(all, { text, baseline: baseline as string, method: name, paper: 'no rivals' }));
    }
  }
  for (const [name, title, paper] of SCALES) {
    const found = optional(name, folder)?.rows ?? [];
    for (const method of new Set(found.map((row) => row.method))) {
      if (!method.includes(' + OT')) continue;
      const baseline = method.replace(' + OT', '');
      rows.push(claimRow(found, { text: `${title}: refinement improves ${baseline}`, baseline, method, paper }));
    }
  }
  return rows.sort((a, b) => VERDICT_ORDER.indexOf(a.verdict) - VERDICT_ORDER.indexOf(b.verdict));
}

/** The summary as a Markdown table for the README. */
export function readmeResults(folder = RESULTS): string {
  const rows = studySummary(folder);
  if (rows.length === 0) return '';
  return markdownTable(
    rows.map(({ claim, ours, paper, verdict }) => ({
      claim: claim.replace(/^Table \d: /, ''),
      'here: FID difference [95 % interval]': ours,
      'the paper': paper,
      verdict,
    })),
  );
}

/** `docs/results.md`: every table of the study, as computed. */
export function resultsPage(folder = RESULTS): string {
  const table1 = readResults('table-1', folder);
  const parts = [
    '# Results',
    `Made by \`${table1.command}\` (${table1.date}, ${table1.processor}) and written by \`npm run docs\`; nothing here is typed in. Analogues: ten classes of
procedural images, models of half a million weights, features of a small classifier. ${table1.images} images a run; each training counts once (the mean over its
sampling seeds), errors and intervals are over trainings (Tables 2 and 3 and the fine-tunes have one training: over sampling seeds). Seconds per image were taken while other
work used the machine and say little; operations are counted. Notebooks 11 and 12 show the same with figures and compute a part again.`,
    '## What was found, what does not replicate first',
    markdownTable(
      studySummary(folder).map(({ claim, ours, error, paper, verdict }) => ({ claim, ours, error, paper, verdict })),
    ),
    '## Table 1',
    markdownTable(tableRows(table1.rows)),
  ];
  const beside = (name: string, title: string, methods: readonly Method[]) => {
    const found = optional(name, folder);
    if (!found) return;
    const all = [...table1.rows, ...found.rows];
    parts.push(
      `## ${title}`,
      markdownTable(tableRows(all, {})),
      markdownTable(differenceRows(all, present(methods, all))),
    );
  };
  const choice = optional('choice', folder);
  if (choice) {
    parts.push(
      "## How MAR's refinement was chosen, on trainings that are not reported",
      markdownTable(differenceRows(choice.rows, present(CHOICE_METHODS, choice.rows))),
    );
  }
  beside('rivals', 'Rivals', [...PAPER_METHODS, ...RIVAL_METHODS]);
  const rivals = optional('rivals', folder);
  if (rivals) {
    const all = [...table1.rows, ...rivals.rows];
    parts.push('### Head to head', markdownTable(differenceRows(all, present(HEAD_TO_HEAD, all))));
  }
  beside('controls', 'Controls: what the gain is', [...PAPER_METHODS, ...CONTROL_METHODS]);
  beside('fine-tune', 'Refinement in training', FINE_TUNED_METHODS);
  const [sizes, resolution] = [optional('table-2', folder), optional('table-3', folder)];
  if (sizes) parts.push('## Table 2: sizes', markdownTable(table2Rows(sizes.rows, table1.rows)));
  if (resolution) parts.push('## Table 3: twice the resolution', markdownTable(table3Rows(resolution.rows)));
  const found = ABLATED.filter((model) => existsSync(resultsFile(`ablation-${model}`, folder)));
  if (found.length > 0) {
    const ablations = found.map((model) => readAblation(model, folder));
    const summary = ablationSummary(ablations);
    parts.push(
      '## Ablation, on the training on which defaults are chosen',
      ...ablations.flatMap(({ model, unmatched }) =>
        unmatched > 0
          ? [`${unmatched} rows of ${model} are left out: they belong to other weights than those here.`]
          : [],
      ),
      markdownTable(summary.map(({ claim, ours, error, verdict }) => ({ claim, ours, error, verdict }))),
    );
  }
  return `${parts.join('\n\n')}\n`;
}

function optional(name: string, folder: string): Results | undefined {
  return existsSync(resultsFile(name, folder)) ? readResults(name, folder) : undefined;
}

/** The methods that have rows, with a baseline that has some. */
function present(methods: readonly Method[], rows: readonly StudyRow[]): Method[] {
  const names = new Set(rows.map(({ method }) => method));
  return methods.filter(({ name, baseline }) => names.has(name) && (!baseline || names.has(baseline)));
}
