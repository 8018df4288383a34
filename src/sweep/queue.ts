import { setTimeout as wait } from 'node:timers/promises';
import {
  type ConnectionOptions,
  type Job,
  Queue,
  type QueueOptions,
  UnrecoverableError,
  WaitingError,
  Worker,
} from 'bullmq';
import { Redis } from 'ioredis';
import { InvalidInputError, MissingDependencyError } from '../runtime/errors';
import { type Outcome, validatedOutcome } from './child';
import type { Plan } from './plan';
import { openPool, PoolClosed } from './pool';
import { forgetFailed, progressOf, rowOf, rowsOf, type SweepRunOptions } from './run';
import type { Row, RowStore } from './store';
import { type Task, validatedTask } from './task';
import type { Registry } from './types';

export interface QueueOptionsGiven {
  /** `redis://host:port/database`, or `rediss://` for TLS; may hold user and password. */
  url: string;
  /** Name of the queue; default `condition-refinement`. */
  name?: string;
}

export interface WorkerOptionsGiven extends QueueOptionsGiven {
  /** The experiments whose rows it makes. */
  registry: Registry;
  /** Rows that name a file or folder outside this one are refused; default the current folder. */
  folder?: string;
  /** Rows at a time, each in its own process; default one per core. */
  processes?: number;
  /** Ends the worker; rows under way go back to the queue at once. */
  signal?: AbortSignal;
  /** Seconds after which the row of a dead worker is given to another; default 30. */
  lockSeconds?: number;
  onRow?: (task: Task, outcome: Outcome) => void;
  /** Called with the reason when a job is refused. */
  onRefused?: (reason: string) => void;
}

export interface QueueRunOptions extends Omit<SweepRunOptions, 'processes'> {
  /** How often a row is tried before its error is recorded; default 3. Errors that would come again are not retried. */
  attempts?: number;
  /** Milliseconds between looks at the queue; default 500. */
  lookEvery?: number;
  /** Called when nothing can happen until somebody does something: no worker is there, or Redis went away. */
  onRemark?: (text: string) => void;
}

const NAME = 'condition-refinement';
/** How often a row may be the one that its worker died of. */
const MOST_STALLS = 5;
/** Looks between two comparisons of what is missing with what is queued (a job may vanish with its Redis). */
const AUDIT = 20;
/** These come again with every try. */
const LASTING = ['invalid-input', 'file-format', 'missing-dependency'];

/**
 * Makes the missing rows of a plan with workers on a Redis queue and gathers what they made in the store. The key of a row is the id
 * of its job, so that a row is queued once however often, or from however many places, the sweep is started. Results wait in
 * Redis until they are written to the store; only then their job is removed.
 */
export async function runQueuedSweep(
  plan: Plan,
  store: RowStore,
  queueOptions: QueueOptionsGiven,
  { signal, retryFailed, attempts = 3, lookEvery = 500, onProgress, onRemark }: QueueRunOptions = {},
): Promise<Row[]> {
  if (retryFailed) forgetFailed(plan, store);
  const missing = new Map(plan.tasks.filter(({ key }) => !store.read(key)).map((task) => [task.key, task]));
  const tally = progressOf(plan, store, [...missing.values()], onProgress);
  if (missing.size === 0) return rowsOf(plan, store);
  for (const task of missing.values()) validatedTask(task, plan.registry, process.cwd()); // as a worker will
  await checkReachable(queueOptions);
  const queue = new Queue<Task, Outcome>(queueOptions.name ?? NAME, connectionOf(queueOptions.url, signal));
  const remark = oncePerText(onRemark);
  // It connects again by itself; what it missed is looked at next time.
  queue.on('error', ({ message }) => remark(`waiting for Redis at ${withoutPassword(queueOptions.url)} (${message})`));
  const settings = { attempts, backoff: { type: 'exponential', delay: 500 } };
  const enqueue = async () => {
    for (const group of inGroups([...missing.values()], 500)) {
      await queue.addBulk(group.map((task) => ({ name: 'row', data: task, opts: { ...settings, jobId: task.key } })));
    }
  };
  const gather = async () => {
    await enqueue(); // a job that is there already stays as it is
    if (retryFailed) await retryJobs(queue, missing);
    for (let look = 1; missing.size > 0 && !signal?.aborted; look++) {
      for (const job of await ended(queue, missing)) {
        const task = missing.get(job.id!)!;
        const row = rowOf(task, outcomeOf(job));
        store.write(row);
        tally(store.read(task.key)!);
        missing.delete(task.key);
        await job.remove();
      }
      if (look % AUDIT === 0) {
        noteRowsFromElsewhere();
        await enqueue();
        if ((await queue.getWorkersCount()) === 0) {
          remark(
            `no worker serves the queue ${queue.name}: start \`cer worker --queue ${withoutPassword(queueOptions.url)}\``,
          );
        }
      }
      if (missing.size > 0) await wait(lookEvery);
    }
  };
  // Calls to an unreachable Redis never return, so shutdown does not wait for them.
  const gathering = gather();
  gathering.catch(() => {});
  try {
    await Promise.race([gathering, aborted(signal)]);
  } finally {
    await closed(queue);
  }
  return rowsOf(plan, store);

  /** Another process may be gathering into the same folder. */
  function noteRowsFromElsewhere(): void {
    for (const key of missing.keys()) {
      const row = store.read(key);
      if (row) tally(row);
      if (row) missing.delete(key);
    }
  }
}

/**
 * Serves a queue until its signal aborts. A row runs in a process of its own, so that locks are renewed however busy it is; a worker
 * that dies leaves its rows to the others when its locks run out. A job that is not exactly a row that a sweep plans is refused.
 */
export async function serveQueue(options: WorkerOptionsGiven): Promise<void> {
  const {
    url,
    name = NAME,
    registry,
    folder = process.cwd(),
    processes,
    signal,
    lockSeconds = 30,
    onRow,
    onRefused,
  } = options;
  await checkReachable(options);
  const pool = openPool(registry.processEntry, processes);
  const make = async ({ data }: Job<Task, Outcome>): Promise<Outcome> => {
    let task: Task;
    try {
      task = validatedTask(data, registry, folder); // whoever reaches the Redis may have written it
    } catch (error) {
      onRefused?.((error as Error).message);
      throw new UnrecoverableError((error as Error).message);
    }
    const outcome = await pool.run(task);
    onRow?.(task, outcome);
    if (!('error' in outcome)) return outcome;
    if (outcome.code && LASTING.includes(outcome.code)) throw new UnrecoverableError(outcome.error);
    throw new Error(outcome.error);
  };
  const worker = new Worker<Task, Outcome>(name, giveBack(make), {
    ...connectionOf(url, signal),
    concurrency: pool.size,
    lockDuration: 1000 * lockSeconds,
    stalledInterval: 500 * lockSeconds,
    maxStalledCount: MOST_STALLS,
  });
  worker.on('error', () => {}); // a lost connection is made again
  await aborted(signal);
  pool.close();
  await closed(worker);
}

/** Resolves when a signal aborts; never without one. */
function aborted(signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Milliseconds that closing may wait for a Redis that is away; who was told to stop connects no more, and it ends by itself. */
const FAREWELL = 5000;

async function closed(side: Queue<Task, Outcome> | Worker<Task, Outcome>): Promise<void> {
  const inTime = new AbortController();
  const late = wait(FAREWELL, undefined, { signal: inTime.signal }).catch(() => {});
  await Promise.race([side.close().catch(() => {}), late]);
  inTime.abort();
}

/** The same text is said once. */
function oncePerText(say: QueueRunOptions['onRemark']): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) say?.(text);
    said.add(text);
  };
}

/** On closing, a row under way goes back to the queue and costs no attempt. */
function giveBack(make: (job: Job<Task, Outcome>) => Promise<Outcome>) {
  return async (job: Job<Task, Outcome>, token?: string): Promise<Outcome> => {
    try {
      return await make(job);
    } catch (error) {
      if (!(error instanceof PoolClosed)) throw error;
      await job.moveToWait(token);
      throw new WaitingError();
    }
  };
}

/** Jobs of missing rows that came to an end, well or not. */
async function ended(queue: Queue<Task, Outcome>, missing: ReadonlyMap<string, Task>): Promise<Job<Task, Outcome>[]> {
  const jobs = await queue.getJobs(['completed', 'failed']);
  return jobs.filter((job) => job?.id !== undefined && missing.has(job.id));
}

function outcomeOf(job: Job<Task, Outcome>): Outcome {
  const seconds = Math.max(0, ((job.finishedOn ?? 0) - (job.processedOn ?? 0)) / 1000) || 0;
  try {
    if (job.returnvalue) return validatedOutcome(job.returnvalue); // the reason of an attempt that failed before stays beside it
  } catch (error) {
    return { error: (error as Error).message, seconds };
  }
  return { error: `${job.failedReason} (${job.attemptsMade} attempts)`, seconds };
}

async function retryJobs(queue: Queue<Task, Outcome>, missing: ReadonlyMap<string, Task>): Promise<void> {
  for (const job of await queue.getJobs(['failed'])) {
    if (job?.id !== undefined && missing.has(job.id)) await job.retry('failed');
  }
}

/** Connects again and again until the signal aborts; calls wait that long. */
function connectionOf(url: string, signal?: AbortSignal): QueueOptions {
  const retryStrategy = (times: number) => (signal?.aborted ? null : Math.min(100 * times, 2000));
  const connection = { url, maxRetriesPerRequest: null, retryStrategy };
  return { connection: connection as ConnectionOptions };
}

/** Says at once what a queue would try again for ever. @throws MissingDependencyError */
async function checkReachable({ url }: QueueOptionsGiven): Promise<void> {
  if (!/^rediss?:\/\//.test(url)) {
    throw new InvalidInputError('Queue', {
      given: JSON.stringify(url),
      expected: 'an address like redis://127.0.0.1:6379',
      remedy: 'Give the address of a Redis server.',
    });
  }
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 5000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.ping();
  } catch (error) {
    throw new MissingDependencyError('Queue', {
      given: `no answer from ${withoutPassword(url)} (${(error as Error).message})`,
      expected: 'a Redis server, version 6.2 or newer',
      remedy: 'Start one (`redis-server --appendonly yes`), or leave --queue out to use local processes.',
    });
  } finally {
    client.disconnect();
  }
}

/** An address that may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//***@');
}

function inGroups<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}
