import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { FileFormatError } from '../runtime/errors';

/** A notebook file as data (nbformat 4.5); only what is used here is typed. */
export interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: {
    kernelspec?: { name: string };
    /** What the outputs came from; written by `cer notebooks --execute`. */
    cer?: { profile: string; code: string };
    [name: string]: unknown;
  };
  cells: Cell[];
}

export interface Cell {
  cell_type: 'code' | 'markdown' | 'raw';
  id?: string;
  source: string | string[];
  metadata: Record<string, unknown>;
  execution_count?: number | null;
  outputs?: Output[];
}

export interface Output {
  output_type: 'stream' | 'display_data' | 'execute_result' | 'error';
  name?: string;
  text?: string | string[];
  data?: Record<string, string | string[]>;
  ename?: string;
  evalue?: string;
  traceback?: string[];
}

/** The notebook's file name without its extension. */
export function notebookName(path: string): string {
  return basename(path, '.ipynb');
}

/** A text of a notebook file, which may be stored as lines. */
export function textOf(text: string | string[] | undefined): string {
  return Array.isArray(text) ? text.join('') : (text ?? '');
}

/** The code cells that have code, in order. */
export function codeCells(notebook: Notebook): Cell[] {
  return notebook.cells.filter((cell) => cell.cell_type === 'code' && textOf(cell.source).trim() !== '');
}

/** A hash of the code alone: prose may change without a new execution. */
export function codeHash(notebook: Notebook): string {
  const hash = createHash('sha256');
  for (const cell of codeCells(notebook)) hash.update(`${textOf(cell.source)}\0`);
  return hash.digest('hex').slice(0, 16);
}

/** @throws FileFormatError when the file is no notebook of version 4. */
export function readNotebook(path: string): Notebook {
  return parseNotebook(() => readFileSync(path, 'utf8'), path);
}

/** The same from a text, however it is read; `path` is for the error. */
export function parseNotebook(read: () => string, path: string): Notebook {
  let parsed: Partial<Notebook> | undefined;
  let problem = 'no notebook of version 4';
  try {
    parsed = JSON.parse(read());
  } catch (error) {
    problem = (error as Error).message;
  }
  if (parsed?.nbformat === 4 && Array.isArray(parsed.cells)) return parsed as Notebook;
  throw new FileFormatError(`Notebook ${path}`, {
    given: problem,
    expected: 'a Jupyter notebook (nbformat 4)',
    remedy: 'Save it again from Jupyter, or take it from the repository.',
  });
}

/** Writes a notebook as Jupyter does (sorted names, texts as lines), all or nothing. */
export function writeNotebook(path: string, notebook: Notebook): void {
  writeFileAtomic(path, (write) => write(Buffer.from(`${JSON.stringify(sorted(notebook), null, 1)}\n`)));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, content]) => [name, sorted(content)]));
}

/** Takes all outputs, execution counts and their provenance out. */
export function strip(notebook: Notebook): Notebook {
  const { cer: _, ...metadata } = notebook.metadata;
  const cells = notebook.cells.map((cell) =>
    cell.cell_type === 'code' ? { ...cell, metadata: {}, execution_count: null, outputs: [] } : cell,
  );
  return { ...notebook, metadata, cells };
}

/** An executed notebook in the one form that is committed: nothing in it depends on the run but the results. */
export function normalise(executed: Notebook, profile: string): Notebook {
  const cells = executed.cells.map((cell) => {
    if (cell.cell_type !== 'code') return cell;
    const outputs = mergeStreams(cell.outputs ?? []).map((output) =>
      output.data ? { ...output, data: asLines(output.data) } : output,
    );
    return { ...cell, metadata: {}, outputs };
  });
  const language_info = { file_extension: '.ts', mimetype: 'text/typescript', name: 'typescript' };
  return {
    ...executed,
    metadata: { ...executed.metadata, language_info, cer: { profile, code: codeHash(executed) } },
    cells,
  };
}

/** Where one chunk of printed text ends depends on timing; joined they are always the same. */
function mergeStreams(outputs: Output[]): Output[] {
  const merged: Output[] = [];
  for (const output of outputs) {
    const last = merged.at(-1);
    if (output.output_type === 'stream' && last?.output_type === 'stream' && last.name === output.name) {
      last.text = splitLines(textOf(last.text) + textOf(output.text));
    } else merged.push({ ...output });
  }
  return merged;
}

function asLines(data: Record<string, string | string[]>): Record<string, string | string[]> {
  return Object.fromEntries(
    Object.entries(data).map(([type, content]) =>
      type.startsWith('image/') && type !== 'image/svg+xml'
        ? [type, textOf(content).trim()]
        : [type, splitLines(textOf(content))],
    ),
  );
}

function splitLines(text: string): string[] {
  return text.split(/(?<=\n)/).filter((line) => line !== '');
}
