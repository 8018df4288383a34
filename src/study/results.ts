import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { FileFormatError, MissingDependencyError } from '../runtime/errors';
import { currentCommit } from '../training/trained-model';
import type { StudyRow } from './rows';

/** Where the tables of the `full` profile are shipped. */
export const RESULTS = 'data/results';

/** A finished table: its rows, and how they were made. */
export interface Results {
  table: string;
  command: string;
  commit: string;
  date: string;
  processor: string;
  /** Images of a row. */
  images: number;
  rows: StudyRow[];
}

/** Writes `folder/NAME.json`, a row a line, so that a change of one row is a change of one line. */
export function saveResults(
  name: string,
  rows: readonly StudyRow[],
  how: Pick<Results, 'command' | 'processor' | 'images'>,
  folder = RESULTS,
): string {
  const path = join(folder, `${name}.json`);
  const head = { table: name, ...how, commit: currentCommit(), date: new Date().toISOString().slice(0, 10) };
  const lines = rows.map((row) => `  ${JSON.stringify(row, rounded)}`);
  const text = `${JSON.stringify(head).slice(0, -1)},"rows":[\n${lines.join(',\n')}\n]}\n`;
  writeFileAtomic(path, (write) => write(Buffer.from(text)));
  return path;
}

/** Six digits: more than any of the errors allows. */
const rounded = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;

/**
 * The rows of a table that was computed before.
 * @throws MissingDependencyError when it is not there, FileFormatError for a file that is no table.
 */
export function readResults(name: string, folder = RESULTS): Results {
  const path = join(folder, `${name}.json`);
  if (!existsSync(path)) {
    throw new MissingDependencyError(`Results of ${name}`, {
      given: `no file ${path}`,
      expected: 'a table of the full profile',
      remedy: 'Make it: `cer reproduce --profile full`.',
    });
  }
  try {
    const results = JSON.parse(readFileSync(path, 'utf8')) as Results;
    if (results.table === name && Array.isArray(results.rows)) return results;
  } catch {
    // said below
  }
  throw new FileFormatError(path, {
    given: 'a file that is no table',
    expected: 'what `cer reproduce --profile full` writes',
    remedy: 'Fetch or make the file again.',
  });
}

/** The rows of a table, none where it was not computed. */
export function optionalRows(name: string, folder = RESULTS): StudyRow[] {
  return existsSync(join(folder, `${name}.json`)) ? readResults(name, folder).rows : [];
}
