import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../io/atomic-file';
import { canonicalJson, requireChecksum, withChecksum } from '../io/checksum';
import { FileFormatError, MissingDependencyError } from '../runtime/errors';
import { type Plan, planSweep, type SweepFile } from '../sweep/plan';
import { rowsOf } from '../sweep/run';
import type { Row, RowStore } from '../sweep/store';
import { currentCommit, shippedFolder } from '../training/trained-model';
import { EXPERIMENTS } from './experiments';
import { type MeasuredRun, measuredRunSchema } from './measures';
import type { StudyRow } from './rows';
import { type Ablated, studyAblation } from './study';

/** Where the results of the `full` profile are shipped. */
export const RESULTS = 'data/results';

/** The file of some results; the shipped ones are found from any folder. */
export function resultsFile(name: string, folder = RESULTS): string {
  return join(shippedFolder(folder, RESULTS), `${name}.json`);
}

const remedy = 'Fetch the file again, or make it: `cer reproduce --profile full`.';

const tableSchema = z.object({
  table: z.string(),
  command: z.string(),
  commit: z.string(),
  date: z.string(),
  processor: z.string(),
  /** Images of a row. */
  images: z.number(),
  rows: z.array(
    z.object({ method: z.string(), trainingSeed: z.number(), seed: z.number(), values: measuredRunSchema }),
  ),
});

const ablationSchema = z.object({
  ablation: z.string(),
  commit: z.string(),
  date: z.string(),
  file: z.custom<SweepFile>((file) => typeof file === 'object'), // validated by `planSweep`
  rows: z.array(z.object({ key: z.string(), seconds: z.number(), values: measuredRunSchema })),
});

/** A finished table: its rows, and how they were made. */
export type Results = z.output<typeof tableSchema>;

/** An ablation: its plan, and the rows that the weights of today would give. */
export interface Ablation {
  model: Ablated;
  plan: Plan;
  rows: Row<MeasuredRun>[];
  date: string;
  /** Shipped rows that are left out: they were made with other weights, or by another plan. */
  unmatched: number;
}

/** Writes the table `folder/NAME.json`. @returns its path. */
export function saveResults(
  name: string,
  rows: readonly StudyRow[],
  how: Pick<Results, 'command' | 'processor' | 'images'>,
  folder = RESULTS,
): string {
  return save(name, { table: name, ...how }, rows, folder);
}

/**
 * The rows of a table that was computed before.
 * @throws MissingDependencyError when it is not there, FileFormatError for a file that is damaged or no table.
 */
export function readResults(name: string, folder = RESULTS): Results {
  return read(name, tableSchema.extend({ table: z.literal(name) }), folder);
}

/** The rows of a table, none where it was not computed. */
export function optionalRows(name: string, folder = RESULTS): StudyRow[] {
  return existsSync(resultsFile(name, folder)) ? readResults(name, folder).rows : [];
}

/** Writes `folder/ablation-MODEL.json` from the rows that are there; the plan gives back what is not kept of them. @returns its path. */
export function saveAblation(model: Ablated, store: RowStore, folder = RESULTS): string {
  const { file, plan } = studyAblation(model);
  const rows = rowsOf(plan, store).flatMap(({ status, key, seconds, values }) =>
    status === 'done' ? [{ key, seconds, values }] : [],
  );
  return save(`ablation-${model}`, { ablation: model, file }, rows, folder);
}

/**
 * A shipped ablation as a sweep has it; rows that its plan does not find under the weights of today are counted and left out.
 * @throws MissingDependencyError when it is not there, FileFormatError for a file that is damaged or no ablation.
 */
export function readAblation(model: Ablated, folder = RESULTS): Ablation {
  const schema = ablationSchema.extend({ ablation: z.literal(model) });
  const { file, rows: stored, date } = read(`ablation-${model}`, schema, folder);
  const plan = planSweep(file, EXPERIMENTS);
  const byKey = new Map(stored.map((row) => [row.key, row]));
  const rows = plan.tasks.flatMap((task): Row<MeasuredRun>[] => {
    const row = byKey.get(task.key);
    return row ? [{ ...task, ...row, status: 'done' }] : [];
  });
  return { model, plan, rows, date, unmatched: stored.length - rows.length };
}

/** Writes a results file with its checksum, a row a line, so that a change of one row is a change of one line. */
function save(name: string, head: object, rows: readonly object[], folder: string): string {
  const path = resultsFile(name, folder);
  const made = { commit: currentCommit(), date: new Date().toISOString().slice(0, 10) };
  // Through JSON first: the checksum is over what will be read.
  const content = JSON.parse(JSON.stringify({ ...head, ...made, rows }, rounded));
  const { rows: kept, checksum, ...first } = withChecksum(content as { rows: object[] });
  const lines = kept.map((row) => `  ${canonicalJson(row)}`);
  const text = `${JSON.stringify(first).slice(0, -1)},"rows":[\n${lines.join(',\n')}\n],"checksum":"${checksum}"}\n`;
  writeFileAtomic(path, (write) => write(Buffer.from(text)));
  return path;
}

/** Six digits: more than any of the errors allows. */
const rounded = (_: string, value: unknown) =>
  typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;

function read<S extends z.ZodType>(name: string, schema: S, folder: string): z.output<S> {
  const path = resultsFile(name, folder);
  if (!existsSync(path)) {
    throw new MissingDependencyError(`Results of ${name}`, {
      given: `no file ${path}`,
      expected: 'results of the full profile',
      remedy: 'Make them: `cer reproduce --profile full`.',
    });
  }
  const refuse = (given: string) =>
    new FileFormatError(path, { given, expected: 'results as `cer reproduce --profile full` writes them', remedy });
  let stored: unknown;
  try {
    stored = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  const { success, data, error } = schema.safeParse(requireChecksum(path, stored, remedy));
  if (success) return data;
  throw refuse(`${error.issues[0].path.join('.')}: ${error.issues[0].message}`);
}
