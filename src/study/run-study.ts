import { cpus } from 'node:os';
import { runTrainings, TRAININGS } from '../recipes/run-trainings';
import { InvalidInputError } from '../runtime/errors';
import { runSweep } from '../sweep/run';
import { RowStore } from '../sweep/store';
import { RESULTS, resultsFile, saveAblation, saveResults } from './results';
import type { RunOptions } from './run-configuration';
import { ABLATED, planTable, STUDY_SIZES, studyAblation, studyRows, TABLES, type Table } from './study';

export interface StudyOptions {
  /** `full`: every training and row; `smoke`: a few rows on the shipped models, to see that everything runs. */
  size: keyof typeof STUDY_SIZES;
  /** Names of tables; default all. */
  tables?: readonly string[];
  /** Folder of the checkpoints. */
  checkpoints?: string;
  /** Folder of the rows; rows that are there are kept. */
  store?: string;
  /** Folder of the finished tables. */
  results?: string;
  /** Processes at a time; default one per core. */
  processes?: number;
  /** As typed, for the record. */
  command?: string;
  signal?: AbortSignal;
  onText?: (text: string) => void;
}

/**
 * Trains what is missing, makes the rows that are missing, and writes the tables and (full, all of them) the ablations. Everything is resumable: what is finished is kept.
 * @returns the paths of the tables that are complete.
 * @throws InvalidInputError for an unknown table, CerError for a training or a row that fails.
 */
export async function runStudy(options: StudyOptions): Promise<string[]> {
  const { size: name, tables, checkpoints = 'data/checkpoints', store = 'runs/study', results = RESULTS } = options;
  const { processes, signal, onText, command = `cer study --size ${name}` } = options;
  const size = STUDY_SIZES[name];
  const chosen = tables ? tables.map(tableNamed) : TABLES;
  if (name === 'full')
    await runTrainings(TRAININGS, { profile: 'full', out: checkpoints, parallel: processes, signal, onText });
  const rows = new RowStore(store);
  const base: RunOptions = { checkpoints };
  const written: string[] = [];
  for (const table of chosen) {
    if (signal?.aborted) break;
    const planned = planTable(table, size, base);
    const total = planned.plan.tasks.length;
    onText?.(`${table.name}: ${total} rows`);
    const made = await runSweep(planned.plan, rows, {
      processes,
      signal,
      onProgress: ({ done, row }) => {
        if (row && (done % 10 === 0 || done === total)) onText?.(`  ${table.name}: ${done} of ${total}`);
      },
    });
    const failed = made.find(({ status }) => status === 'failed');
    if (failed) throw rowFailed(table, failed);
    if (made.length < total) break; // interrupted
    const processor = `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}`;
    written.push(
      saveResults(table.name, studyRows(planned, rows), { command, processor, images: size.images }, results),
    );
    onText?.(`  written: ${resultsFile(table.name, results)}`);
  }
  for (const model of name === 'full' && !tables ? ABLATED : []) {
    if (signal?.aborted) break;
    const { plan } = studyAblation(model);
    onText?.(`ablation of ${model}: ${plan.tasks.length} rows`);
    const made = await runSweep(plan, rows, { processes, signal });
    if (made.length === plan.tasks.length) written.push(saveAblation(model, rows, results));
  }
  return written;
}

function tableNamed(name: string): Table {
  const found = TABLES.find((table) => table.name === name);
  if (found) return found;
  throw new InvalidInputError('Table of the study', {
    given: JSON.stringify(name),
    expected: `one of ${TABLES.map((table) => table.name).join(', ')}`,
    remedy: 'Correct the name.',
  });
}

function rowFailed(
  table: Table,
  { configuration, seed, error }: { configuration: object; seed: number; error?: string },
) {
  return new InvalidInputError(`A row of ${table.name}`, {
    given: `seed ${seed} of ${JSON.stringify(configuration)} failed: ${error}`,
    expected: 'every row',
    remedy: 'Remove the cause; finished rows are kept.',
  });
}
