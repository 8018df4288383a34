import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { abortOnInterrupt } from '../runtime/interrupt';
import { checkpointHashes, FIGURE_3_FILE, type Figure3Data, figure3Data } from './figure-3-data';
import { buildPage } from './page';
import { servePage } from './serve';

const ROOT = join(__dirname, '..', '..');
const CHECKPOINTS = join(ROOT, 'data', 'checkpoints');

/** Serves the page until Ctrl-C; `open` also starts a browser. */
export async function runServer({ port, open, json }: { port: number; open: boolean; json?: boolean }): Promise<void> {
  const { signal, release } = abortOnInterrupt();
  const server = await servePage(await buildPage(), port);
  console.log(json ? JSON.stringify({ address: server.url }) : `${server.url}  (Ctrl-C ends it)`);
  const note = staleNote(shippedCurves(), checkpointHashes(CHECKPOINTS));
  if (note) console.error(note);
  if (open) openBrowser(server.url);
  if (!signal.aborted) await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
  await server.close();
  release();
  process.exitCode = 0; // Ctrl-C is the normal way to stop it
}

/** Writes the page to a folder and returns the file to open. */
export async function writePage(folder: string): Promise<string> {
  const files = await buildPage();
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) writeFileAtomic(join(folder, name), (write) => write(content));
  return resolve(folder, 'index.html');
}

/** Stores the curves of a run for the page and returns the file that was written. */
export function takeCurves(resultsFile: string): string {
  const text = `${JSON.stringify(figure3Data(resultsFile, CHECKPOINTS), null, 1)}\n`;
  mkdirSync(join(ROOT, 'data', 'explore'), { recursive: true });
  writeFileAtomic(join(ROOT, FIGURE_3_FILE), (write) => write(Buffer.from(text)));
  return FIGURE_3_FILE;
}

/** A sentence if the shipped curves were recorded with weights other than the current ones. */
export function staleNote({ provenance }: Figure3Data, now: Record<string, string>): string | undefined {
  const changed = Object.keys(now).filter((name) => provenance.checkpoints[name] !== now[name]);
  if (changed.length === 0) return undefined;
  return `Note: the curves of the third panel were recorded with other weights (${changed.join(', ')}); to renew them: ${provenance.command}`;
}

function shippedCurves(): Figure3Data {
  return JSON.parse(readFileSync(join(ROOT, FIGURE_3_FILE), 'utf8'));
}

/** Best effort: where there is no browser, the printed address is enough. */
function openBrowser(url: string): void {
  const [program, ...before] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open'];
  const child = spawn(program, [...before, url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
