import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { writeFileAtomic } from '../io/atomic-file';
import { isFigureScript } from '../notebook/figure-html';
import { Html, html, lines } from '../notebook/html';
import type { SummaryRow, SummaryVerdict } from '../notebook/record';
import { SORT_SCRIPT } from '../notebook/table-html';
import { plotlyPath } from '../plots/render';
import { type Cell, type Output, readNotebook, textOf } from './document';
import { type Finding, type NotebookResult, type Reproduction, withError } from './findings';
import { limitsSection } from './limits';
import { markdownToHtml } from './markdown';
import { REPORT_STYLE } from './style';
import { sweepSections } from './sweeps';

/**
 * Writes `report.html`: what was found and what does not replicate, every notebook with its figures, the sweeps in the results folder, and a
 * page of limits. One file that opens offline: plotly is inside once, pictures stand in where scripts are off. Its policy forbids any
 * request, and any script but this project's own.
 * @returns its path.
 */
export function writeReport({ profile, results, notebooks, findings }: Omit<Reproduction, 'report'>): string {
  const path = join(results, 'report.html');
  const sections = notebooks.flatMap(({ notebook }, at) => {
    const file = join(results, 'notebooks', `${notebook}.ipynb`);
    return existsSync(file) ? [notebookSection(notebook, at, readNotebook(file).cells)] : [];
  });
  const sweeps = sweepSections(results);
  const contents = lines([
    html`<h1>Condition errors refinement, reproduced</h1>`,
    leadParagraph(profile, notebooks, findings),
    summarySection(findings),
    html`<nav><h2>Notebooks</h2><ol>${notebooks.map(notebookLine)}</ol>
<ul>${sweeps.map(({ name }, i) => html`<li><a href="#sweep-${i}">Sweep: ${name}</a></li>`)}
<li><a href="#limits">Limits</a></li></ul></nav>`,
    ...sections,
    ...sweeps.map((sweep) => sweep.html),
    limitsSection({ profile, findings }),
  ]);
  const plotly = readFileSync(plotlyPath(), 'utf8').replace(/<\/script/gi, '<\\/script');
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy([plotly, ...ownScripts(contents)])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Condition errors refinement, reproduced</title>
<style>${new Html(REPORT_STYLE)}</style>
<script>${new Html(plotly)}</script>
</head><body><main>
${contents}
</main></body></html>
`;
  writeFileAtomic(path, (write) => write(Buffer.from(page.text)));
  return path;
}

/** No request, and no script but these, whatever else the page holds. */
function policy(scripts: readonly string[]): string {
  const hashes = scripts.map((script) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`);
  return [
    "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: blob:; style-src 'unsafe-inline'",
    `script-src ${[...new Set(hashes)].join(' ')}`,
  ].join('; ');
}

/** The scripts of figures and tables as this project writes them; outputs of notebooks may hold others. */
function ownScripts({ text }: Html): string[] {
  const scripts = [...text.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, script]) => script);
  return scripts.filter((script) => script === SORT_SCRIPT || isFigureScript(script));
}

/** The first paragraph: what does not replicate, before anything that does. */
export function leadParagraph(
  profile: string,
  notebooks: readonly NotebookResult[],
  findings: readonly Finding[],
): Html {
  const rows = findings.flatMap(({ summary }) => summary);
  const list = (verdict: SummaryVerdict) => rows.filter((row) => row.verdict === verdict);
  const names = (some: readonly SummaryRow[]) =>
    some.map((row, at) => {
      const claim = html`${inline(row.claim)} (ours ${inline(withError(row))}, the paper ${inline(row.paper)})`;
      return at === 0 ? claim : html`; ${claim}`;
    });
  const sentences: Html[] = [];
  const fails = list('fails');
  sentences.push(
    fails.length > 0
      ? html`<strong>What does not replicate:</strong> ${names(fails)}. `
      : html`<strong>Nothing that was checked fails to replicate</strong>${rows.length ? '' : ', because no claim was recorded'}. `,
  );
  const violated = list('assumption violated');
  if (violated.length > 0) sentences.push(html`An assumption of the paper is violated in: ${names(violated)}. `);
  const undecided = list('undecided');
  if (undecided.length > 0) sentences.push(html`Undecided, the interval contains both answers: ${names(undecided)}. `);
  const analogues = list('analogue').length;
  sentences.push(
    html`Of ${rows.length} claims, ${list('holds').length} hold with their whole interval${analogues ? `; ${analogues} are analogues at small scale, whose numbers are not the paper's` : ''}. Profile <em>${profile}</em>.`,
  );
  const failed = notebooks.filter(({ status }) => status === 'failed');
  if (failed.length > 0) {
    const which = failed.map(({ notebook }) => notebook).join(', ');
    sentences.push(
      html` <strong>Not everything ran:</strong> ${which} failed, so what it would have found is missing.`,
    );
  }
  return html`<p class="lead">${sentences}</p>`;
}

function summarySection(findings: readonly Finding[]): Html {
  const rows = findings.flatMap(({ summary, notebook = '' }) => summary.map((row) => ({ ...row, notebook })));
  if (rows.length === 0) return html``;
  const body = rows.map(({ notebook, verdict, note, ...row }) => {
    const remark = note && html`<tr class="remark"><td colspan="5">${inline(note)}</td></tr>`;
    const link = notebook && html`<a href="#${notebook}" title="${notebook}">${notebook.split('-')[0]}</a>`;
    const found = html`<td class="verdict ${verdict.replace(/ /g, '-')}">${verdict}</td>`;
    return html`<tr><td>${inline(row.claim)}</td><td>${inline(withError({ ...row, verdict }))}</td><td>${inline(row.paper)}</td>${found}<td>${link}</td></tr>${remark}`;
  });
  const head = ['claim', 'ours', 'the paper', 'verdict', 'notebook'].map((name) => html`<th>${name}</th>`);
  return html`<h2>Summary</h2><table class="summary"><thead><tr>${head}</tr></thead><tbody>${lines(body)}</tbody></table>`;
}

const inline = (text: string) => markdownToHtml(text, { inline: true });

function notebookLine({ notebook, status, seconds, cells, failedCell, error }: NotebookResult): Html {
  const failed =
    status === 'failed' ? html`: <span class="fails">cell ${failedCell} failed, ${error}</span>` : undefined;
  const reused = status === 'reused' ? ' (reused)' : '';
  return html`<li><a href="#${notebook}">${notebook}</a> ${cells} cells, ${seconds.toFixed(0)} s${reused}${failed}</li>`;
}

function notebookSection(notebook: string, at: number, cells: readonly Cell[]): Html {
  // Figures of one notebook are numbered alike in another: a number of the notebook makes their ids unique on this page.
  const body = lines(cells.map(cellHtml)).text.replace(/cer-figure-(?=\d+-[0-9a-f]{10})/g, `cer-figure-${at}-`);
  return html`<section id="${notebook}">${new Html(body)}</section>`;
}

function cellHtml(cell: Cell): Html {
  const source = textOf(cell.source);
  if (cell.cell_type === 'markdown') return markdownToHtml(source);
  if (cell.cell_type !== 'code' || !source.trim()) return html``;
  const outputs = (cell.outputs ?? []).map(outputHtml);
  return html`<details class="code"><summary>code</summary><pre>${source}</pre></details>${lines(outputs)}`;
}

/** An output in the richest form that a page without a Jupyter can show. */
function outputHtml({ output_type, text, data = {}, traceback, ename, evalue }: Output): Html {
  if (output_type === 'stream') return html`<pre>${textOf(text)}</pre>`;
  if (output_type === 'error') {
    const trace = (traceback ?? [`${ename}: ${evalue}`]).join('\n');
    return html`<pre class="error">${stripVTControlCharacters(trace)}</pre>`;
  }
  if (data['text/html']) return html`<div class="output">${new Html(textOf(data['text/html']))}</div>`;
  const picture = textOf(data['image/png']);
  if (picture) return html`<div class="output"><img src="data:image/png;base64,${picture}" alt=""></div>`;
  if (data['text/markdown'])
    return html`<div class="output note">${markdownToHtml(textOf(data['text/markdown']))}</div>`;
  return html`<pre>${textOf(data['text/plain'])}</pre>`;
}
