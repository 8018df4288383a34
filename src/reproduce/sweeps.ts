import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { figureHtml } from '../notebook/figure-html';
import { markdownTable } from '../notebook/markdown-table';
import { escapeHtml } from '../notebook/output';
import type { Figure } from '../plots/figure';
import type { SweepFindings } from '../sweep/report';
import { markdownToHtml } from './markdown';

const SUFFIX = '-report.json';

/** The sweeps that left a report in a folder or in a folder directly inside it, as sections; empty where there are none. */
export function sweepSections(folder: string): { name: string; html: string }[] {
  const found = reportFiles(folder).flatMap((path) => {
    const findings: Partial<SweepFindings> = JSON.parse(readFileSync(path, 'utf8'));
    const isReport = typeof findings.sweep === 'string' && findings.tables && findings.figures;
    return isReport ? [{ findings: findings as SweepFindings, folder: dirname(path) }] : [];
  });
  return found.map(({ findings, folder: own }, at) => ({ name: findings.sweep, html: section(findings, own, at) }));
}

function reportFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const inside = readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
  const folders = [folder, ...inside.filter((path) => statSync(path).isDirectory())];
  return folders.flatMap((each) =>
    readdirSync(each)
      .filter((name) => name.endsWith(SUFFIX))
      .sort()
      .map((name) => join(each, name)),
  );
}

function section({ sweep, description, seeds, text, tables, figures }: SweepFindings, folder: string, at: number) {
  const pictures = figures.map(({ json, png }, i) => {
    const figure: Figure = JSON.parse(readFileSync(join(folder, json), 'utf8'));
    const picture = png && existsSync(join(folder, png)) ? readFileSync(join(folder, png)) : undefined;
    const html = figureHtml(figure, picture, i + 1).replace(
      /cer-figure-(?=\d+-[0-9a-f]{10})/g,
      `cer-figure-sweep-${at}-`,
    );
    return `<div class="output">${html}</div>`;
  });
  // The widest table comes last, folded: every point with every number.
  const order = Object.entries(tables).sort(([a], [b]) => Number(a === 'summary') - Number(b === 'summary'));
  const shown = order.map(([name, { title, note, page }]) => {
    const body = markdownToHtml([note ?? '', page.length > 0 ? markdownTable(page) : 'No rows.'].join('\n\n'));
    const open = name === 'summary' ? '' : ' open';
    return `<details${open}><summary><strong>${escapeHtml(title)}</strong></summary><div class="output">${body}</div></details>`;
  });
  return `<section id="sweep-${at}"><h1>Sweep: ${escapeHtml(sweep)}</h1>
<p>${escapeHtml(description)}; seeds ${seeds.join(', ')}.</p><pre>${escapeHtml(text)}</pre>
${pictures.join('\n')}
${shown.join('\n')}</section>`;
}
