import type { Command } from 'commander';
import { wholeNumber } from '../arguments';

interface WorkerArguments {
  queue: string;
  queueName: string;
  processes?: number;
  lock: number;
  json?: boolean;
}

/** Adds `cer worker`. */
export function register(program: Command): void {
  program
    .command('worker')
    .description('compute rows of sweeps from a Redis queue until stopped; run any number, on any machine')
    .requiredOption('--queue <url>', 'redis://host:port, or rediss:// for TLS')
    .option('--queue-name <name>', 'name of the queue in Redis', 'condition-refinement')
    .option('--processes <n>', 'rows at a time (default: one per core)', wholeNumber)
    .option('--lock <seconds>', 'time after which the row of a dead worker goes to another', wholeNumber, 30)
    .option('--json', 'print only one JSON object per row and line on standard output')
    .addHelpText(
      'after',
      `
Example:
  redis-server --appendonly yes &
  cer worker --queue redis://127.0.0.1:6379 --processes 2 &
  cer sweep epsilon.json --queue redis://127.0.0.1:6379

A worker needs the same code and the same weight files as the process that started the sweep, and refuses rows where they differ.
It reads no file outside the folder in which it is started, even if a row names one.
Stopped with Ctrl-C, it returns unfinished rows to the queue.`,
    )
    .action(async ({ queue: url, queueName: name, processes, lock, json }: WorkerArguments) => {
      const { serveQueue, withoutPassword } = await import('../../sweep/queue');
      const { EXPERIMENTS } = await import('../../study/experiments');
      const { abortOnInterrupt } = await import('../../runtime/interrupt');
      const { signal, release } = abortOnInterrupt();
      console.error(`worker on ${withoutPassword(url)}, queue ${name}; Ctrl-C stops it`);
      await serveQueue({
        url,
        name,
        registry: EXPERIMENTS,
        processes,
        lockSeconds: lock,
        signal,
        onRefused: (reason) => console.error(`a job was refused: ${JSON.stringify(reason)}`),
        onRow: ({ experiment, seed, key }, outcome) => {
          if (json) return console.log(JSON.stringify({ experiment, key, seed, ...outcome }));
          const what = `${experiment} ${key.slice(0, 8)}, seed ${seed}`;
          const came = 'error' in outcome ? `failed: ${outcome.error}` : 'done';
          console.error(`${what}: ${came} (${outcome.seconds.toFixed(1)} s)`);
        },
      });
      release();
      process.exit(); // with the exit code of the interrupt, whatever a lost connection still waits for
    });
}
