import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pathInside } from '../io/path-inside';
import { InvalidInputError } from '../runtime/errors';
import type { Values } from '../study/experiments';
import { canonicalJson } from './configuration';
import type { Task } from './plan';

/** One finished run. A row that failed holds its error instead of values. */
export interface Row extends Task {
  status: 'done' | 'failed';
  values: Values;
  error?: string;
  /** Wall-clock seconds of the run. */
  seconds: number;
}

/** The right to make one row, held until it is released; others may take it over when it is not renewed in time. */
export interface Claim {
  renew(): void;
  release(): void;
}

export interface StoreOptions {
  /** Seconds without renewal after which a claim is taken over; default 60. Clocks of several machines must agree to that. */
  leaseSeconds?: number;
}

/**
 * The rows of sweeps in a folder, one file each, safe to share between processes without a lock.
 *
 * - A row is written beside its place and linked there, which fails where one is already: no half row, and none twice.
 * - A claim is a file `KEY.GENERATION` that is created exclusively. Taking over a dead claim is creating the next
 *   generation, which only one process can; nobody ever deletes a claim that may be someone else's.
 */
export class RowStore {
  readonly rows: string;
  readonly claims: string;
  readonly leaseSeconds: number;
  private serial = 0;

  constructor(
    readonly folder: string,
    { leaseSeconds = 60 }: StoreOptions = {},
  ) {
    this.rows = join(folder, 'rows');
    this.claims = join(folder, 'claims');
    this.leaseSeconds = leaseSeconds;
    mkdirSync(this.rows, { recursive: true });
    mkdirSync(this.claims, { recursive: true });
  }

  has(key: string): boolean {
    return existsSync(this.path(key));
  }

  /** The row of a key, or undefined. @throws InvalidInputError for a file that is no row. */
  read(key: string): Row | undefined {
    if (!this.has(key)) return undefined;
    try {
      const row: Row = JSON.parse(readFileSync(this.path(key), 'utf8'));
      if (row.key === key && (row.status === 'done' || row.status === 'failed')) return row;
    } catch {
      // said below
    }
    throw new InvalidInputError(`Row ${this.path(key)}`, {
      given: 'a file that is no row of this key',
      expected: 'a row as a sweep writes it',
      remedy: 'Remove the file; the next run makes the row again.',
    });
  }

  /** Writes a row unless there is one. @returns false where there was one, which stays as it is. */
  write(row: Row): boolean {
    const temporary = join(this.claims, `${row.key}.${process.pid}-${this.serial++}.partial`);
    const descriptor = openSync(temporary, 'w');
    try {
      writeSync(descriptor, `${canonicalJson(row)}\n`);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    try {
      linkSync(temporary, this.path(row.key));
      return true;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return false;
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP') throw error;
      if (this.has(row.key)) return false; // a file system without hard links: the same but for an instant's race
      renameSync(temporary, this.path(row.key));
      return true;
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  /** Forgets a row that failed, so that it is made again. */
  forget(key: string): void {
    rmSync(this.path(key), { force: true });
  }

  /** Claims a row, or undefined where it exists or is being made by a process that is alive. */
  claim(key: string): Claim | undefined {
    const newest = Math.max(-1, ...this.generations(key));
    if (this.has(key) || (newest >= 0 && this.isAlive(this.claimPath(key, newest)))) return undefined;
    const own = this.claimPath(key, newest + 1);
    try {
      const descriptor = openSync(own, 'wx');
      writeSync(descriptor, JSON.stringify({ host: hostname(), pid: process.pid }));
      closeSync(descriptor);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined; // another was quicker
      throw error;
    }
    const release = () => {
      if (this.has(key)) this.clear(key, newest);
      rmSync(own, { force: true });
    };
    if (this.has(key)) {
      release(); // it was finished between the look and the claim
      return undefined;
    }
    const renew = () => {
      const now = new Date();
      try {
        utimesSync(own, now, now);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    };
    return { renew, release };
  }

  private path(key: string): string {
    return pathInside(this.rows, `${key}.json`, 'Key of a row');
  }

  private claimPath(key: string, generation: number): string {
    return pathInside(this.claims, `${key}.${generation}`, 'Key of a row');
  }

  private generations(key: string): number[] {
    return readdirSync(this.claims)
      .filter((name) => name.startsWith(`${key}.`) && /^\d+$/.test(name.slice(key.length + 1)))
      .map((name) => Number(name.slice(key.length + 1)));
  }

  /** The claims of dead processes on a row that is there. */
  private clear(key: string, newest: number): void {
    for (let generation = 0; generation <= newest; generation++) {
      rmSync(this.claimPath(key, generation), { force: true });
    }
  }

  private isAlive(path: string): boolean {
    let modified: number;
    try {
      modified = statSync(path).mtimeMs;
    } catch {
      return true; // released just now: whoever asks again sees what became of it
    }
    if (Date.now() - modified > 1000 * this.leaseSeconds) return false;
    try {
      const { host, pid } = JSON.parse(readFileSync(path, 'utf8'));
      if (host === hostname()) process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // no such process: dead before its lease is over
    }
  }
}
