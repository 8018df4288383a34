import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import type { Outcome } from './child';
import type { Task } from './task';

/** Processes that make rows, each one at a time. The parent's event loop stays free to renew claims and locks. */
export interface Pool {
  size: number;
  /** Makes a row. A process that dies is an outcome with an error; it is replaced when next needed. */
  run(task: Task): Promise<Outcome>;
  /** Ends all processes at once; rows under way come to nothing and reject. */
  close(): void;
}

/** Thrown for the rows that were under way when the pool was closed. */
export class PoolClosed extends Error {}

/** Starts no process yet. @param entry script of a process, see `Registry`. @param size processes; default one per core. */
export function openPool(entry: string, size = availableParallelism()): Pool {
  const idle: ChildProcess[] = [];
  const all = new Set<ChildProcess>();
  let serial = 0;
  let closed = false;

  function start(): ChildProcess {
    // Children that share the cores must not each start a thread per core.
    const threads = size > 1 ? { CER_THREADS: '1', TF_NUM_INTRAOP_THREADS: '1', OMP_NUM_THREADS: '1' } : {};
    // Detached, so that Ctrl-C and a terminal that closes reach the parent alone, which decides what becomes of the row.
    const env = { ...threads, ...process.env };
    const child = fork(entry, [], { env, execArgv: [], detached: true });
    all.add(child);
    child.once('exit', () => {
      all.delete(child);
      const at = idle.indexOf(child);
      if (at >= 0) idle.splice(at, 1);
    });
    return child;
  }

  return {
    size,
    run(task) {
      if (closed) return Promise.reject(new PoolClosed('the pool is closed'));
      const child = idle.pop() ?? start();
      const id = serial++;
      const began = performance.now();
      return new Promise((resolve, reject) => {
        const onMessage = (answer: { id: number; outcome: Outcome }) => {
          if (answer.id !== id) return;
          child.off('exit', onExit);
          child.off('message', onMessage);
          idle.push(child);
          resolve(answer.outcome);
        };
        const onExit = (status: number | null, signal: string | null) => {
          if (closed) return reject(new PoolClosed('the pool was closed'));
          const error = `the process of this row ended (${signal ?? `status ${status}`}); was there enough memory?`;
          resolve({ error, seconds: (performance.now() - began) / 1000 });
        };
        child.on('message', onMessage);
        child.once('exit', onExit);
        child.send({ id, task });
      });
    },
    close() {
      closed = true;
      for (const child of all) child.kill('SIGKILL');
    },
  };
}
