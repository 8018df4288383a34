import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { codeCells, type Notebook, textOf } from './document';

/** State of an unfinished training; the finished checkpoint lies beside it. */
const UNFINISHED = join('data', 'checkpoints', 'training');
/** Inputs of every notebook beside the modules that it imports. */
const COMMON = ['data', 'package-lock.json', '.jupyter'];
const SETTINGS = ['CER_PARAMETERS', 'CER_BACKEND'];
const IMPORT = /(?:from|import|require)\s*\(?\s*['"](\.{1,2}\/[^'"]*)['"]/g;

/**
 * A hash for each notebook of everything that decides its results: its code, the modules that it imports and those that
 * they import, data, package versions, the kernel, the profile and the settings in the environment.
 * @param root the project folder, from which notebooks import.
 */
export function notebookFingerprints(root: string, profile: string): (notebook: Notebook) => string {
  const common = createHash('sha256').update(profile);
  for (const name of SETTINGS) common.update(`\0${process.env[name] ?? ''}`);
  const all = [...COMMON.flatMap((name) => filesIn(join(root, name))), ...filesIn(join(root, 'src')).filter(notModule)];
  const files = all.filter((file) => !relative(root, file).startsWith(UNFINISHED));
  for (const file of files) common.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
  const base = common.digest();
  return (notebook) => {
    const hash = createHash('sha256').update(base);
    const code = codeCells(notebook).map(({ source }) => textOf(source));
    for (const text of code) hash.update(`${text}\0`);
    const modules = importedModules(code.flatMap((text) => importsOf(text, root)));
    for (const file of [...modules].sort()) hash.update(`\0${relative(root, file)}\0`).update(readFileSync(file));
    return hash.digest('hex');
  };
}

/** What modules read at run time without importing it: WebAssembly kernels and the like. */
const notModule = (file: string) => !file.endsWith('.ts');

/** The modules of the project that are imported from `start` on, themselves included. */
export function importedModules(start: readonly string[]): Set<string> {
  const found = new Set<string>();
  const waiting = [...start];
  for (let file = waiting.pop(); file; file = waiting.pop()) {
    if (found.has(file)) continue;
    found.add(file);
    waiting.push(...importsOf(readFileSync(file, 'utf8'), dirname(file)));
  }
  return found;
}

function importsOf(text: string, folder: string): string[] {
  const found: string[] = [];
  for (const [, specifier] of text.matchAll(IMPORT)) {
    const path = join(folder, specifier);
    const file = [`${path}.ts`, join(path, 'index.ts'), path].find((name) =>
      statSync(name, { throwIfNoEntry: false })?.isFile(),
    );
    if (file) found.push(file);
  }
  return found;
}

function filesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !name.startsWith('.') && name !== 'node_modules' && name !== '__pycache__')
    .sort()
    .flatMap((name) => filesIn(join(path, name)));
}
