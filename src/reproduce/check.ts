import { type Cell, codeCells, codeHash, type Notebook, textOf } from './document';

const MOST_LINES = 20;
const LONGEST_LINE = 140;
const MACHINE_PATHS = /(?:\/(?:home|root|tmp|work|Users)\/|[A-Z]:\\Users\\)[\w.-]+/;

/** Reasons against committing a notebook, one sentence each; empty when there are none. */
export function checkNotebook(notebook: Notebook): string[] {
  const problems = [...checkStructure(notebook)];
  const cells = codeCells(notebook);
  const executed = cells.filter((cell) => typeof cell.execution_count === 'number');
  if (executed.length === 0) return [...problems, 'is not executed'];
  if (notebook.metadata.cer?.code !== codeHash(notebook)) problems.push('its code changed after it was executed');
  if (notebook.metadata.cer && notebook.metadata.cer.profile !== 'small') {
    problems.push(`was executed with profile ${notebook.metadata.cer.profile}, not small`);
  }
  cells.forEach((cell, at) => {
    if (cell.execution_count !== at + 1) problems.push(`code cell ${at + 1} was not executed in its turn`);
    problems.push(...checkOutputs(cell, at + 1));
  });
  return problems;
}

function* checkStructure(notebook: Notebook): Generator<string> {
  if (notebook.nbformat_minor < 5) yield `is nbformat 4.${notebook.nbformat_minor}, not 4.5`;
  if (notebook.metadata.kernelspec?.name !== 'cer') yield 'its kernel is not cer';
  const ids = notebook.cells.map((cell) => cell.id);
  if (ids.includes(undefined) || new Set(ids).size < ids.length) yield 'has cells without an id of their own';
  const first = notebook.cells[0];
  if (first?.cell_type !== 'markdown' || !textOf(first.source).startsWith('# ')) yield 'does not begin with a title';
  const code = codeCells(notebook);
  const source = code.map((cell) => textOf(cell.source));
  if (!source.some((text) => /\bparameters\(/.test(text))) yield 'has no parameters cell';
  if (!/\b(record|note)\(/.test(source.at(-1) ?? '')) yield 'its last cell says nothing of what was found';
  for (const [at, text] of source.entries()) {
    const lines = text.split('note(`')[0].trim().split('\n').length; // what a note says is prose
    if (lines > MOST_LINES) yield `code cell ${at + 1} has ${lines} lines, more than ${MOST_LINES}`;
    const longest = Math.max(...text.split('\n').map((line) => line.length));
    if (longest > LONGEST_LINE)
      yield `code cell ${at + 1} has a line of ${longest} characters, more than ${LONGEST_LINE}`;
  }
}

function* checkOutputs(cell: Cell, number: number): Generator<string> {
  for (const output of cell.outputs ?? []) {
    if (output.output_type === 'error') yield `code cell ${number} failed: ${output.ename}: ${output.evalue}`;
    const html = textOf(output.data?.['text/html']);
    if (html.includes('class="cer-figure"') && !output.data?.['image/png']) {
      yield `code cell ${number} shows a figure without a picture (no Chromium when it was executed)`;
    }
    const words = [textOf(output.text), html.replace(/base64,[^"]*/g, ''), textOf(output.data?.['text/plain'])].join(
      '\n',
    );
    const path = MACHINE_PATHS.exec(words);
    if (path) yield `code cell ${number} prints a path of one machine: ${path[0]}`;
  }
}
