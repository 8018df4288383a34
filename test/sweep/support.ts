import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXPERIMENTS } from '../../src/study/experiments';
import * as plans from '../../src/sweep/plan';
import type { Row } from '../../src/sweep/store';

/** A folder of a test's own, removed after all tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cer-sweep-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Waits until something holds. @throws Error when it does not in `seconds`. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, seconds = 60): Promise<void> {
  for (let i = 0; i < 20 * seconds; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

/** The measured values of rows without what differs from run to run. */
export function measured(rows: readonly Row[]) {
  return rows.map(({ key, seed, configuration, values }) => ({ key, seed, configuration, values }));
}

/** The processes that make rows for a process. */
export function childrenOf(parent: number): number[] {
  const found = execFileSync('pgrep', ['-P', String(parent), '-f', 'study/row-process.cjs'], { encoding: 'utf8' });
  return found.trim().split('\n').map(Number);
}

/** Plans a sweep over the experiments that there are. */
export function planSweep(file: plans.SweepFile): plans.Plan {
  return plans.planSweep(file, EXPERIMENTS);
}
