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
import { requireChecksum, withChecksum } from '../io/checksum';
import { pathInside } from '../io/path-inside';
import { CerError, FileFormatError } from '../runtime/errors';
import { canonicalJson } from './configuration';
import { keyOf, type Task } from './task';
import type { Values } from './types';

/** One finished run. A row that failed holds its error instead of values. */
export interface Row<V extends Values = Values> extends Task {
  status: 'done' | 'failed';
  values: V;
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
  /** Called for a row that is damaged and was set aside; default writes to standard error. */
  onDamage?: (message: string) => void;
}

/**
 * The rows of sweeps in a folder, one file each, safe to share between processes without a lock.
 *
 * - Rows are written atomically and never overwritten: beside their place, then linked there, which fails where one is already.
 * - A row carries a checksum and the key of its task is computed again on reading; a damaged one is renamed `KEY.json.damaged`.
 * - A claim is a file `KEY.GENERATION` that is created exclusively. Taking over a dead claim is creating the next
 *   generation, which only one process can; nobody ever deletes a claim that may be someone else's.
 */
export class RowStore {
  readonly rows: string;
  readonly claims: string;
  readonly leaseSeconds: number;
  private readonly onDamage: (message: string) => void;
  private serial = 0;

  constructor(
    readonly folder: string,
    { leaseSeconds = 60, onDamage = console.error }: StoreOptions = {},
  ) {
    this.rows = join(folder, 'rows');
    this.claims = join(folder, 'claims');
    this.leaseSeconds = leaseSeconds;
    this.onDamage = onDamage;
    mkdirSync(this.rows, { recursive: true });
    mkdirSync(this.claims, { recursive: true });
  }

  has(key: string): boolean {
    return existsSync(this.path(key));
  }

  /** The row of a key; undefined where there is none, and where it is damaged: then it is set aside and can be made again. */
  read(key: string): Row | undefined {
    const path = this.path(key);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return rowFrom(path, key, text);
    } catch (error) {
      if (!(error instanceof CerError)) throw error;
      renameSync(path, `${path}.damaged`);
      this.onDamage(`${error.message} It is now ${path}.damaged.`);
      return undefined;
    }
  }

  /** Writes a row unless there is one. @returns false where there was one, which stays as it is. */
  write(row: Row): boolean {
    const temporary = join(this.claims, `${row.key}.${process.pid}-${this.serial++}.partial`);
    const descriptor = openSync(temporary, 'w');
    try {
      // Through JSON first: the checksum is over what will be read.
      writeSync(descriptor, `${JSON.stringify(withChecksum(JSON.parse(canonicalJson(row))))}\n`);
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
      return true; // released just now: the next look shows the row, or that the claim is free
    }
    // A claim from the future, left by a clock that was wrong, would never run out.
    if (Math.abs(Date.now() - modified) > 1000 * this.leaseSeconds) return false;
    try {
      const { host, pid } = JSON.parse(readFileSync(path, 'utf8'));
      if (host === hostname()) process.kill(pid, 0);
      return true;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // no such process: dead before its lease is over
    }
  }
}

/** The row in a text. @throws FileFormatError for anything but an intact row of this key. */
function rowFrom(path: string, key: string, text: string): Row {
  const remedy = 'The next run makes the row again.';
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch (error) {
    throw new FileFormatError(`Row ${path}`, { given: (error as Error).message, expected: 'JSON', remedy });
  }
  const row = requireChecksum<Row>(`Row ${path}`, stored, remedy);
  const own = keyOf(row);
  if (row.key === key && own === key && (row.status === 'done' || row.status === 'failed')) return row;
  throw new FileFormatError(`Row ${path}`, {
    given: `a row whose fields have the key ${own}`,
    expected: `the key ${key}`,
    remedy,
  });
}
