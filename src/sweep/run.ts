import { setTimeout as wait } from 'node:timers/promises';
import type { Outcome } from './child';
import type { Plan } from './plan';
import { openPool, PoolClosed } from './pool';
import type { Claim, Row, RowStore } from './store';
import type { Task } from './task';

export interface SweepProgress {
  /** Rows that are there, of all. */
  done: number;
  total: number;
  failed: number;
  /** The row that was just finished, here or elsewhere; absent at the start. */
  row?: Row;
}

export interface SweepRunOptions {
  /** Local processes; default one per core. */
  processes?: number;
  /** Stops: rows under way are dropped whole, their claims released. */
  signal?: AbortSignal;
  /** Makes the rows that failed again. */
  retryFailed?: boolean;
  onProgress?: (progress: SweepProgress) => void;
}

/** Milliseconds between looks at rows that other processes are making. */
const LOOK = 500;

/**
 * Makes the missing rows of a plan in local processes, each row by whoever claims it first, until all are there. Several calls, in several
 * processes, share the work; a dead one's rows are taken over.
 * @returns the rows that are there in the order of the plan: all, unless it was stopped.
 */
export async function runSweep(plan: Plan, store: RowStore, options: SweepRunOptions = {}): Promise<Row[]> {
  const { processes, signal, onProgress } = options;
  if (options.retryFailed) forgetFailed(plan, store);
  const waiting = plan.tasks.filter(({ key }) => !store.read(key));
  const tally = progressOf(plan, store, waiting, onProgress);
  /** Rows that other processes are making. */
  const elsewhere: Task[] = [];
  const pool = openPool(plan.registry.processEntry, processes);
  const stop = () => pool.close();
  signal?.addEventListener('abort', stop, { once: true });

  async function lane(): Promise<void> {
    while (!signal?.aborted) {
      const task = waiting.shift();
      if (!task) {
        if (elsewhere.length === 0) return;
        await wait(LOOK); // should its maker die, the row is ours
        waiting.push(...elsewhere.splice(0));
        continue;
      }
      const claim = store.claim(task.key);
      if (claim) await make(task, claim);
      const row = store.read(task.key);
      if (row) tally(row);
      else elsewhere.push(task);
    }
  }

  async function make(task: Task, claim: Claim): Promise<void> {
    const renewal = setInterval(claim.renew, (1000 * store.leaseSeconds) / 4);
    try {
      store.write(rowOf(task, await pool.run(task)));
    } catch (error) {
      if (!(error instanceof PoolClosed)) throw error;
    } finally {
      clearInterval(renewal);
      claim.release();
    }
  }

  try {
    if (waiting.length > 0 && !signal?.aborted) {
      await Promise.all(Array.from({ length: Math.min(pool.size, waiting.length) }, lane));
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    pool.close();
  }
  return rowsOf(plan, store);
}

/** The rows that are there, in the order of the plan. */
export function rowsOf(plan: Plan, store: RowStore): Row[] {
  return plan.tasks.flatMap(({ key }) => store.read(key) ?? []);
}

/** Forgets the rows of a plan that failed. */
export function forgetFailed(plan: Plan, store: RowStore): void {
  for (const { key } of plan.tasks) if (store.read(key)?.status === 'failed') store.forget(key);
}

/** Builds a row from a task's outcome. */
export function rowOf(task: Task, outcome: Outcome): Row {
  const { seconds } = outcome;
  if ('error' in outcome) return { ...task, status: 'failed', values: {}, error: outcome.error, seconds };
  return { ...task, status: 'done', values: outcome.values, seconds };
}

/** Reports the start at once and then each row that comes. */
export function progressOf(
  plan: Plan,
  store: RowStore,
  waiting: readonly Task[],
  onProgress?: SweepRunOptions['onProgress'],
): (row: Row) => void {
  const missing = new Set(waiting.map(({ key }) => key));
  const total = plan.tasks.length;
  let failed = rowsOf(plan, store).filter(({ status }) => status === 'failed').length;
  onProgress?.({ done: total - missing.size, total, failed });
  return (row) => {
    if (!missing.delete(row.key)) return;
    if (row.status === 'failed') failed++;
    onProgress?.({ done: total - missing.size, total, failed, row });
  };
}
