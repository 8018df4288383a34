import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { pathInside } from '../io/path-inside';
import { figureHtml } from '../notebook/figure-html';
import { type Html, html, lines } from '../notebook/html';
import { markdownTable } from '../notebook/markdown-table';
import type { Figure } from '../plots/figure';
import { parsed, readJson } from './findings';
import { markdownToHtml } from './markdown';

const SUFFIX = '-report.json';

const cell = z.union([z.string(), z.number(), z.boolean(), z.null()]);
const table = z.object({ title: z.string(), note: z.string().optional(), page: z.array(z.record(z.string(), cell)) });
/** The parts of a sweep's own report (`reportSweep`) that are shown here. */
const sweepSchema = z.object({
  sweep: z.string(),
  description: z.string(),
  seeds: z.array(z.number()),
  text: z.string(),
  tables: z.record(z.string(), table),
  figures: z.array(z.object({ json: z.string(), png: z.string().optional() })),
});
const figureSchema = z.object({ data: z.array(z.looseObject({})), layout: z.looseObject({}) });

/**
 * The sweeps that left a report in a folder or in a folder directly inside it, as sections; empty where there are none.
 * @throws FileFormatError for a report that is damaged or names files elsewhere.
 */
export function sweepSections(folder: string): { name: string; html: Html }[] {
  const found = reportFiles(folder).flatMap((path) => {
    const content = readJson(path);
    const isReport = 'sweep' in content && 'tables' in content && 'figures' in content;
    return isReport ? [{ path, sweep: parsed(sweepSchema, content, path) }] : [];
  });
  return found.map(({ path, sweep }, at) => ({ name: sweep.sweep, html: section(sweep, path, at) }));
}

function reportFiles(folder: string): string[] {
  const inside = entries(folder);
  const folders = [folder, ...inside.filter((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory())];
  return folders.flatMap(entries).filter((path) => path.endsWith(SUFFIX));
}

const entries = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder)
        .sort()
        .map((name) => join(folder, name))
    : [];

function section(sweep: z.output<typeof sweepSchema>, report: string, at: number): Html {
  const { description, seeds, text, tables, figures } = sweep;
  const beside = (name: string) => pathInside(dirname(report), name, `Sweep report ${report}`);
  const pictures = figures.map(({ json, png }, i) => {
    const figure = parsed(figureSchema, readJson(beside(json)), beside(json)) as Figure;
    const picture = png && existsSync(beside(png)) ? readFileSync(beside(png)) : undefined;
    return html`<div class="output">${figureHtml(figure, picture, `sweep-${at}-${i + 1}`)}</div>`;
  });
  // The widest table comes last, folded: every point with every number.
  const order = Object.entries(tables).sort(([a], [b]) => Number(a === 'summary') - Number(b === 'summary'));
  const shown = order.map(([name, { title, note, page }]) => {
    const body = markdownToHtml([note ?? '', page.length > 0 ? markdownTable(page) : 'No rows.'].join('\n\n'));
    const content = html`<summary><strong>${title}</strong></summary><div class="output">${body}</div>`;
    return name === 'summary' ? html`<details>${content}</details>` : html`<details open>${content}</details>`;
  });
  return html`<section id="sweep-${at}"><h1>Sweep: ${sweep.sweep}</h1>
<p>${description}; seeds ${seeds.join(', ')}.</p><pre>${text}</pre>
${lines(pictures)}
${lines(shown)}</section>`;
}
