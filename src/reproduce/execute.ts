import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { normalise, parseNotebook, writeNotebook } from './document';
import { type Jupyter, jupyterEnvironment, projectRoot } from './jupyter';

/** How far a running notebook is. */
export interface Position {
  /** Number of the code cell that runs, from 1; 0 while the kernel starts. */
  cell: number;
  of: number;
  seconds: number;
}

/** How the execution of a notebook ended. */
export interface Outcome extends Position {
  status: 'done' | 'failed' | 'interrupted';
  /** The failing cell's error, name and text. */
  error?: string;
}

export interface ExecuteOptions {
  jupyter: Jupyter;
  profile: string;
  /** Added to the kernel's environment. */
  environment?: NodeJS.ProcessEnv;
  /** Limit for one cell in seconds; default an hour. */
  secondsPerCell?: number;
  onPosition?: (position: Position) => void;
  /** Stops the execution; the outcome is then `interrupted` and nothing is written. */
  signal?: AbortSignal;
}

/**
 * Executes the notebook `source` in a kernel of its own and writes it with its outputs to `target` (which may be the
 * same file), also when a cell failed: then up to and with that cell.
 */
export async function executeNotebook(source: string, target: string, options: ExecuteOptions): Promise<Outcome> {
  const { jupyter, profile, environment, secondsPerCell = 3600, onPosition, signal } = options;
  const child = spawn(jupyter.python, [join(projectRoot, '.jupyter', 'execute.py'), source, String(secondsPerCell)], {
    cwd: projectRoot,
    env: { ...jupyterEnvironment(), CER_PROFILE: profile, ...environment },
    stdio: ['pipe', 'pipe', 'pipe'], // it ends when its stdin closes, so it cannot outlive this process
    detached: process.platform !== 'win32', // an interrupt from the keyboard is ours to pass on
  });
  const { executed, ...outcome } = await follow(child, onPosition, signal);
  if (executed)
    writeNotebook(
      target,
      normalise(
        parseNotebook(() => executed, source),
        profile,
      ),
    );
  return outcome;
}

async function follow(
  child: ChildProcess,
  onPosition?: (at: Position) => void,
  signal?: AbortSignal,
): Promise<Outcome & { executed?: string }> {
  const position: Position = { cell: 0, of: 0, seconds: 0 };
  let outcome: (Outcome & { executed: string }) | undefined;
  let complaints = '';
  const stop = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  child.stdin?.on('error', () => {}); // the child may be gone already
  child.stderr?.on('data', (text) => {
    complaints = (complaints + text).slice(-4000);
  });
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => {
    const { event, name, text, notebook: executed, ...at } = JSON.parse(line);
    Object.assign(position, at);
    if (event === 'cell') onPosition?.(position);
    if (event === 'done') outcome = { ...position, status: 'done', executed };
    if (event === 'failed') outcome = { ...position, status: 'failed', error: `${name}: ${text}`, executed };
  });
  const [code] = await Promise.all([
    new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    }),
    new Promise((resolve) => lines.on('close', resolve)),
  ]);
  signal?.removeEventListener('abort', stop);
  if (signal?.aborted) return { ...position, status: 'interrupted' };
  if (outcome) return outcome;
  throw new Error(`The notebook could not be executed (exit status ${code}):\n${complaints.trim()}`);
}
