import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { InvalidInputError } from '../runtime/errors';

/** The process that holds a folder. */
interface Holder {
  pid: number;
  host: string;
  /** When this process began, and the system's own start time: another process with the same id has another one. */
  since: string;
  begun: string;
}

const NAME = 'lock.json';

/**
 * Locks a folder for this process with a file in it, and returns a function that releases it. The lock of a process that has ended is taken
 * over; whether a process on another machine is alive cannot be seen, so its lock must be removed by hand.
 * @throws InvalidInputError naming who holds the folder.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, NAME);
  const own: Holder = {
    pid: process.pid,
    host: hostname(),
    since: new Date().toISOString(),
    begun: begunOf(process.pid),
  };
  for (let tries = 0; tries < 3; tries++) {
    try {
      const descriptor = openSync(path, 'wx');
      writeSync(descriptor, JSON.stringify(own));
      closeSync(descriptor);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = readHolder(path);
    if (holder && isAlive(holder)) throw inUse(folder, path, holder);
    // Of several processes only one can rename the file away.
    const aside = `${path}.${process.pid}.partial`;
    try {
      renameSync(path, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      continue;
    }
    const taken = readHolder(aside);
    if (taken && isAlive(taken))
      renameSync(aside, path); // another process has just locked it: restore its lock
    else rmSync(aside, { force: true });
  }
  throw inUse(folder, path, readHolder(path));
}

function readHolder(path: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // cut short by a crash, or gone
  }
}

function isAlive({ pid, host, begun }: Holder): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return begun === begunOf(pid);
}

/** When a process began, in the system's own count (Linux); a constant elsewhere. */
function begunOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
}

function inUse(folder: string, path: string, holder?: Holder): InvalidInputError {
  return new InvalidInputError(`Folder ${folder}`, {
    given: holder ? `in use by process ${holder.pid} on ${holder.host} since ${holder.since}` : 'in use',
    expected: 'one training at a time in a folder',
    remedy: `Wait for it, or choose another folder. If that process is gone, remove ${path}.`,
  });
}
