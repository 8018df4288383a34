import type { Command } from 'commander';
import type { Plan } from '../../sweep/plan';
import type { SweepProgress } from '../../sweep/run';
import type { Row } from '../../sweep/store';
import { wholeNumber } from '../arguments';
import { EXIT } from '../main';

/** Options that `cer sweep` and `cer ablate` share. */
export interface ExecutionOptions {
  out: string;
  processes?: number;
  queue?: string;
  queueName?: string;
  retryFailed?: boolean;
  dryRun?: boolean;
  figures: boolean;
  json?: boolean;
}

/** Adds the options for where and how rows are computed. */
export function executionOptions(command: Command, out = 'runs/sweep'): Command {
  return command
    .option('--out <dir>', 'folder of the rows, tables and figures; sweeps may share one', out)
    .option('--processes <n>', 'local processes (default: one per core)', wholeNumber)
    .option('--queue <url>', 'use workers on a Redis queue instead of local processes: redis://host:port')
    .option('--queue-name <name>', 'name of the queue in Redis', 'condition-refinement')
    .option('--retry-failed', 'recompute rows that failed')
    .option('--no-figures', 'tables only')
    .option('--dry-run', 'print the number of rows and an estimate of the time, and stop')
    .option('--json', 'print only the rows as JSON');
}

/** Adds `cer sweep`. */
export function register(program: Command): void {
  executionOptions(
    program
      .command('sweep')
      .description(
        'run an experiment with many configurations and seeds on many processes; each row is computed once, resumable',
      )
      .argument('<file>', 'JSON: experiment, base, points, grid, oneAtATime, random, seeds'),
  )
    .addHelpText(
      'after',
      `
Example of a file:
  { "experiment": "refinement", "base": { "model": "AR", "images": 200 },
    "oneAtATime": { "refinement.epsilon": [0.0125, 0.2], "guidance": [1.5] },
    "random": { "count": 10, "ranges": { "refinement.epsilon": { "from": 0.01, "to": 0.5, "scale": "log" } } },
    "seeds": [0, 1, 2] }

Examples:
  cer sweep epsilon.json --dry-run
  cer sweep epsilon.json --out runs/epsilon --processes 2
  cer sweep epsilon.json --queue redis://127.0.0.1:6379      rows are computed by \`cer worker\` processes, on any machine

A row is a file named by the hash of its experiment, configuration in effect, inputs and seed. Existing rows are
skipped; after an interruption the same command resumes. Several sweeps may use one folder at a time. "control" removes what is
studied, e.g. { "refinement": { "method": "none" } }: every point is then also compared with itself after these changes.
Written next to the rows: the report FILE.md, FILE-TABLE.csv, FILE-report.json, and each figure as plotly JSON and PNG.
Exit status: 0 all rows computed, 1 some failed, 130 interrupted.`,
    )
    .action(async (file: string, options: ExecutionOptions) => {
      const { readSweep } = await import('../../sweep/plan');
      const { EXPERIMENTS } = await import('../../study/experiments');
      const { basename } = await import('node:path');
      await execute(readSweep(file, EXPERIMENTS), basename(file).replace(/\.json$/, ''), options);
    });
}

/** Computes the rows of a plan with these options, writes tables and figures named `name`, and prints a summary. */
export async function execute(plan: Plan, name: string, options: ExecutionOptions): Promise<Row[]> {
  const { RowStore } = await import('../../sweep/store');
  const { baseText, estimateSweep } = await import('../../sweep/estimate');
  const { join } = await import('node:path');
  const store = new RowStore(options.out);
  const expected = estimateSweep(plan, store, options.queue ? undefined : options.processes);
  if (options.dryRun) {
    if (options.json) console.log(JSON.stringify(expected, null, 2));
    else console.log(`${baseText(plan)}\n${expected.text}`);
    return [];
  }
  const say = (text: string) => console.error(text);
  say(expected.text);
  const { abortOnInterrupt } = await import('../../runtime/interrupt');
  const { signal, release } = abortOnInterrupt();
  const settings = { ...options, signal, onProgress: showProgress(plan, say), onRemark: say };
  const rows = options.queue
    ? await (await import('../../sweep/queue')).runQueuedSweep(
        plan,
        store,
        { url: options.queue, name: options.queueName },
        settings,
      )
    : await (await import('../../sweep/run')).runSweep(plan, store, settings);
  release();
  const failed = rows.filter(({ status }) => status === 'failed');
  if (signal.aborted) say(`Interrupted with ${rows.length} of ${plan.tasks.length} rows; the same command resumes.`);
  else if (failed.length > 0) process.exitCode = EXIT.failed;
  if (failed.length > 0) say(`${failed.length} rows failed (--retry-failed recomputes them): ${failed[0].error}`);
  if (rows.some(({ status }) => status === 'done') && !signal.aborted) {
    const { reportSweep } = await import('../../sweep/report');
    const written = await reportSweep(plan, rows, join(options.out, name), { figures: options.figures });
    if (!options.json) console.log(written.text);
    say(`written: ${written.files[0]} and ${written.files.length - 1} more files in that folder`);
  }
  if (options.json) console.log(JSON.stringify(rows, null, 2));
  return rows;
}

/** A line at the start, at the end and every few seconds; no control characters, so that it can go to a file. */
function showProgress(plan: Plan, say: (text: string) => void): (progress: SweepProgress) => void {
  const started = performance.now();
  const changes = new Map(plan.points.flatMap((point) => point.keys.map((key) => [key, point.changes])));
  const said = new Set<string | undefined>();
  let first: number | undefined;
  let last = Number.NEGATIVE_INFINITY;
  return ({ done, total, failed, row }) => {
    first ??= done;
    const now = performance.now();
    if (row?.status === 'failed') {
      const why = said.has(row.error) ? 'as before' : row.error;
      say(`  seed ${row.seed} of ${JSON.stringify(changes.get(row.key) ?? {})} failed: ${why}`);
      said.add(row.error);
    }
    if (done < total && now - last < 5000) return;
    last = now;
    const made = done - first;
    const left =
      made > 0 && done < total ? `, about ${Math.ceil(((now - started) / 1000 / made) * (total - done))} s left` : '';
    say(`${done} of ${total} rows${failed > 0 ? `, ${failed} failed` : ''}${left}`);
  };
}
