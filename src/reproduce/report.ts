import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { writeFileAtomic } from '../io/atomic-file';
import { escapeHtml } from '../notebook/output';
import type { SummaryRow, Verdict } from '../notebook/record';
import { plotlyPath } from '../plots/render';
import { type Cell, type Output, readNotebook, textOf } from './document';
import { type Finding, withError } from './findings';
import { limitsSection } from './limits';
import { markdownToHtml } from './markdown';
import type { NotebookResult, Reproduction } from './reproduce';
import { REPORT_STYLE } from './style';
import { sweepSections } from './sweeps';

/**
 * Writes `report.html`: what was found and what does not replicate, every notebook with its figures, the sweeps in the results folder, and a
 * page of limits. One file that opens offline: plotly is inside once, pictures stand in where scripts are off, and its policy forbids any request.
 * @returns its path.
 */
export function writeReport({ profile, results, notebooks, findings }: Omit<Reproduction, 'report'>): string {
  const path = join(results, 'report.html');
  const executed = notebooks.map((result) => ({
    result,
    file: join(results, 'notebooks', `${result.notebook}.ipynb`),
  }));
  const sections = executed
    .filter(({ file }) => existsSync(file))
    .map(({ result, file }) => notebookSection(result, readNotebook(file).cells));
  const sweeps = sweepSections(results);
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Condition errors refinement, reproduced</title>
<style>${REPORT_STYLE}</style>
<script>${readFileSync(plotlyPath(), 'utf8').replace(/<\/script/gi, '<\\/script')}</script>
</head><body><main>
<h1>Condition errors refinement, reproduced</h1>
${leadParagraph(profile, notebooks, findings)}
${summarySection(findings)}
<nav><h2>Notebooks</h2><ol>${executed.map(({ result }) => notebookLine(result)).join('\n')}</ol>
<ul>${sweeps.map(({ name }, i) => `<li><a href="#sweep-${i}">Sweep: ${escapeHtml(name)}</a></li>`).join('\n')}
<li><a href="#limits">Limits</a></li></ul></nav>
${[...sections, ...sweeps.map(({ html: own }) => own), limitsSection({ profile, findings })].join('\n')}
</main></body></html>
`;
  writeFileAtomic(path, (write) => write(Buffer.from(html)));
  return path;
}

/** The first paragraph: what does not replicate, before anything that does. */
export function leadParagraph(
  profile: string,
  notebooks: readonly NotebookResult[],
  findings: readonly Finding[],
): string {
  const rows = findings.flatMap(({ summary }) => summary);
  const list = (verdict: Verdict) => rows.filter((row) => row.verdict === verdict);
  const name = (row: SummaryRow) =>
    `${markdownToHtml(row.claim, { inline: true })} (ours ${inline(withError(row))}, the paper ${inline(row.paper)})`;
  const sentences: string[] = [];
  const fails = list('fails');
  sentences.push(
    fails.length > 0
      ? `<strong>What does not replicate:</strong> ${fails.map(name).join('; ')}.`
      : `<strong>Nothing that was checked fails to replicate</strong>${rows.length ? '' : ', because no claim was recorded'}.`,
  );
  const violated = list('assumption violated');
  if (violated.length > 0)
    sentences.push(`An assumption of the paper is violated in: ${violated.map(name).join('; ')}.`);
  const undecided = list('undecided');
  if (undecided.length > 0)
    sentences.push(`Undecided, the interval contains both answers: ${undecided.map(name).join('; ')}.`);
  const analogues = list('analogue').length;
  sentences.push(
    `Of ${rows.length} claims, ${list('holds').length} hold with their whole interval${analogues ? `; ${analogues} are analogues at small scale, whose numbers are not the paper's` : ''}. Profile <em>${escapeHtml(profile)}</em>.`,
  );
  const failed = notebooks.filter(({ status }) => status === 'failed');
  if (failed.length > 0) {
    const names = failed.map(({ notebook }) => escapeHtml(notebook)).join(', ');
    sentences.push(`<strong>Not everything ran:</strong> ${names} failed, so what it would have found is missing.`);
  }
  return `<p class="lead">${sentences.join(' ')}</p>`;
}

function summarySection(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ summary, notebook }) => summary.map((row) => ({ ...row, notebook })));
  if (rows.length === 0) return '';
  const body = rows.map((row) => {
    const remark = row.note ? `<tr class="remark"><td colspan="5">${inline(row.note)}</td></tr>` : '';
    const number = row.notebook?.split('-')[0] ?? '';
    const link = row.notebook
      ? `<a href="#${row.notebook}" title="${escapeHtml(row.notebook)}">${escapeHtml(number)}</a>`
      : '';
    const verdict = `<td class="verdict ${row.verdict.replace(/ /g, '-')}">${row.verdict}</td>`;
    return `<tr><td>${inline(row.claim)}</td><td>${inline(withError(row))}</td><td>${inline(row.paper)}</td>${verdict}<td>${link}</td></tr>${remark}`;
  });
  return `<h2>Summary</h2><table class="summary"><thead><tr><th>claim</th><th>ours</th><th>the paper</th><th>verdict</th><th>notebook</th></tr></thead><tbody>${body.join('\n')}</tbody></table>`;
}

const inline = (text: string) => markdownToHtml(text, { inline: true });

function notebookLine({ notebook, status, seconds, cells, failedCell, error }: NotebookResult): string {
  const failed =
    status === 'failed' ? `: <span class="fails">cell ${failedCell} failed, ${escapeHtml(error ?? '')}</span>` : '';
  return `<li><a href="#${notebook}">${escapeHtml(notebook)}</a> ${cells} cells, ${seconds.toFixed(0)} s${status === 'reused' ? ' (reused)' : ''}${failed}</li>`;
}

function notebookSection({ notebook }: NotebookResult, cells: readonly Cell[]): string {
  // Figures of one notebook are numbered alike in another: the name makes their ids unique on this page.
  const body = cells
    .map(cellHtml)
    .join('\n')
    .replace(/cer-figure-(?=\d+-[0-9a-f]{10})/g, `cer-figure-${notebook}-`);
  return `<section id="${notebook}">${body}</section>`;
}

function cellHtml(cell: Cell): string {
  const source = textOf(cell.source);
  if (cell.cell_type === 'markdown') return markdownToHtml(source);
  if (cell.cell_type !== 'code' || !source.trim()) return '';
  const outputs = (cell.outputs ?? []).map(outputHtml).join('\n');
  return `<details class="code"><summary>code</summary><pre>${escapeHtml(source)}</pre></details>${outputs}`;
}

/** An output in the richest form that a page without a Jupyter can show. */
function outputHtml({ output_type, text, data = {}, traceback, ename, evalue }: Output): string {
  if (output_type === 'stream') return `<pre>${escapeHtml(textOf(text))}</pre>`;
  if (output_type === 'error') {
    const trace = (traceback ?? [`${ename}: ${evalue}`]).join('\n');
    return `<pre class="error">${escapeHtml(stripVTControlCharacters(trace))}</pre>`;
  }
  if (data['text/html']) return `<div class="output">${textOf(data['text/html'])}</div>`;
  if (data['image/png'])
    return `<div class="output"><img src="data:image/png;base64,${textOf(data['image/png'])}" alt=""></div>`;
  if (data['text/markdown']) return `<div class="output note">${markdownToHtml(textOf(data['text/markdown']))}</div>`;
  return `<pre>${escapeHtml(textOf(data['text/plain']))}</pre>`;
}
