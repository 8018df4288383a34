import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import { notebookName } from './document';
import { type ExecuteOptions, executeNotebook, type Outcome, type Position } from './execute';
import { projectRoot } from './jupyter';

/** One notebook of a batch: its source, where the executed file goes, and additions to its kernel's environment. */
export interface Job {
  source: string;
  target: string;
  environment?: NodeJS.ProcessEnv;
}

/** The project's notebooks in order, or those in `names` (each a path, a file name, a name or its number). */
export function findNotebooks(names: readonly string[] = []): string[] {
  const folder = join(projectRoot, 'notebooks');
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.ipynb')) : [];
  const all = files.sort().map((file) => join(folder, file));
  if (names.length === 0) return all;
  return names.map((name) => {
    const found = all.find((path) => {
      const own = notebookName(path);
      return own === notebookName(name) || own.split('-')[0] === name || own.slice(own.indexOf('-') + 1) === name;
    });
    if (existsSync(name)) return resolve(name);
    if (found) return found;
    const near = closest(name, all.map(notebookName));
    throw new InvalidInputError('Notebook', {
      given: name,
      expected: `a file, or one of ${all.map(notebookName).join(', ') || '(there are none in notebooks/)'}`,
      remedy: near ? `Did you mean ${near}?` : 'Give a name as listed.',
    });
  });
}

/**
 * Executes notebooks, `parallel` at a time, each in its own kernel. One that fails does not stop the others; after an
 * abort no further one is started.
 * @param onEnd called when a notebook has ended, in the order of ending.
 */
export async function executeBatch(
  jobs: readonly Job[],
  options: Omit<ExecuteOptions, 'environment' | 'onPosition'> & { parallel: number },
  onEnd: (job: Job, outcome: Outcome) => void,
  display: BatchDisplay,
): Promise<void> {
  const { parallel, ...rest } = options;
  const waiting = [...jobs];
  async function work(): Promise<void> {
    for (let job = waiting.shift(); job && !rest.signal?.aborted; job = waiting.shift()) {
      const name = notebookName(job.source);
      const started = performance.now();
      const onPosition = (position: Position) => display.move(name, position);
      display.move(name, { cell: 0, of: 0, seconds: 0 });
      const { environment } = job;
      const outcome = await executeNotebook(job.source, job.target, { ...rest, environment, onPosition }).catch(
        (error): Outcome => ({ status: 'failed', cell: 0, of: 0, seconds: 0, error: error.message }),
      );
      outcome.seconds = (performance.now() - started) / 1000;
      display.end(name, outcome);
      onEnd(job, outcome);
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, parallel) }, work));
  display.close();
}

/** Shows a batch on a stream: one line for each notebook that ended, and while they run, where they are. */
export class BatchDisplay {
  private readonly running = new Map<string, Position & { since: number }>();
  private readonly timer: NodeJS.Timeout;
  private readonly live: boolean;

  constructor(private readonly stream: NodeJS.WriteStream = process.stderr) {
    this.live = Boolean(stream.isTTY);
    this.timer = setInterval(() => this.drawRunning(), this.live ? 250 : 15_000); // without a terminal: a sparse log
    this.timer.unref();
  }

  move(name: string, position: Position): void {
    const since = this.running.get(name)?.since ?? performance.now();
    this.running.set(name, { ...position, since });
  }

  end(name: string, outcome: Outcome): void {
    this.running.delete(name);
    const marks = { done: 'done  ', failed: 'FAILED', interrupted: 'stopped' };
    const where = outcome.status === 'done' ? `${outcome.of} cells` : `cell ${outcome.cell}/${outcome.of}`;
    this.line(`${marks[outcome.status]}  ${name}  ${where}, ${outcome.seconds.toFixed(1)} s`);
    if (outcome.error) this.line(`        ${outcome.error.replace(/\n/g, '\n        ')}`);
  }

  /** Prints a permanent line above the live one. */
  line(text: string): void {
    this.stream.write(`${this.live ? '\r\x1b[K' : ''}${text}\n`);
    if (this.live) this.drawRunning();
  }

  close(): void {
    clearInterval(this.timer);
    if (this.live) this.stream.write('\r\x1b[K');
  }

  private drawRunning(): void {
    if (this.running.size === 0) return;
    const now = performance.now();
    const parts = [...this.running].map(([name, { cell, of, since }]) => {
      const place = cell === 0 ? 'starting' : `cell ${cell}/${of}`;
      return `${name} ${place} ${((now - since) / 1000).toFixed(0)} s`;
    });
    const text = `running ${parts.join(' | ')}`;
    if (this.live) this.stream.write(`\r\x1b[K${text.slice(0, (this.stream.columns ?? 80) - 1)}`);
    else this.stream.write(`${text}\n`);
  }
}
