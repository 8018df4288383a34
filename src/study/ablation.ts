import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../io/atomic-file';
import { FileFormatError, MissingDependencyError } from '../runtime/errors';
import { type Plan, planSweep, type SweepFile } from '../sweep/plan';
import { rowsOf } from '../sweep/run';
import type { Row, RowStore } from '../sweep/store';
import { currentCommit } from '../training/trained-model';
import { EXPERIMENTS } from './experiments';
import { type AblationOptions, ablationSweep } from './knobs';
import { RESULTS } from './results';

/** The models that have conditions to refine. */
export const ABLATED = ['AR', 'MAR'] as const;
export type Ablated = (typeof ABLATED)[number];

/**
 * On the training of seed 0, where defaults are chosen: for AR each knob alone, what shows only together, and a random search over
 * all; for MAR the knobs that change where conditions go.
 */
const ABLATIONS: Record<Ablated, AblationOptions> = {
  AR: { model: 'AR', random: 16, seeds: 3, images: 300 },
  MAR: {
    ...{ model: 'MAR', seeds: 3, images: 300 },
    knobs: [
      'iterations',
      'epsilon',
      'eta',
      'bufferGroups',
      'cost',
      'projection',
      'adaptive',
      'visibleTokens',
      'unit',
      'steps',
      'guidance',
    ],
  },
};

/** An ablation: its plan and rows. */
export interface Ablation {
  model: string;
  plan: Plan;
  rows: readonly Row[];
}

/** The sweep of the shipped ablation of a model. */
export function studyAblation(model: Ablated): { file: SweepFile; plan: Plan } {
  const file = ablationSweep(ABLATIONS[model]);
  return { file, plan: planSweep(file, EXPERIMENTS) };
}

/** What is kept of a row: the plan says the rest. */
interface KeptRow {
  key: string;
  seconds: number;
  values: Row['values'];
}

interface AblationFile {
  ablation: Ablated;
  commit: string;
  date: string;
  file: SweepFile;
  rows: KeptRow[];
}

/** Writes `folder/ablation-MODEL.json` from the rows that are there. */
export function saveAblation(model: Ablated, store: RowStore, folder = RESULTS): string {
  const { file, plan } = studyAblation(model);
  const rows = rowsOf(plan, store).flatMap(({ status, key, seconds, values }) =>
    status === 'done' ? [{ key, seconds, values }] : [],
  );
  const path = join(folder, `ablation-${model}.json`);
  const head = { ablation: model, commit: currentCommit(), date: new Date().toISOString().slice(0, 10), file };
  const digits = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(6)) : value;
  const lines = rows.map((row) => `  ${JSON.stringify(row, digits)}`);
  const text = `${JSON.stringify(head).slice(0, -1)},"rows":[\n${lines.join(',\n')}\n]}\n`;
  writeFileAtomic(path, (write) => write(Buffer.from(text)));
  return path;
}

/**
 * The plan and the rows of a shipped ablation, as a sweep has them. Rows of other weights than those that are there now are left out.
 * @throws MissingDependencyError when it is not there, FileFormatError for a file that is no ablation.
 */
export function readAblation(model: Ablated, folder = RESULTS): { plan: Plan; rows: Row[]; date: string } {
  const path = join(folder, `ablation-${model}.json`);
  if (!existsSync(path)) {
    throw new MissingDependencyError(`Ablation of ${model}`, {
      given: `no file ${path}`,
      expected: 'an ablation of the full profile',
      remedy: 'Make it: `cer reproduce --profile full`, or `cer ablate` for one of your own.',
    });
  }
  try {
    const { ablation, file, rows, date } = JSON.parse(readFileSync(path, 'utf8')) as AblationFile;
    if (ablation === model) {
      const plan = planSweep(file, EXPERIMENTS);
      const kept = new Map(rows.map((row) => [row.key, row]));
      const found = plan.tasks.flatMap((task): Row[] => {
        const row = kept.get(task.key);
        return row ? [{ ...task, ...row, status: 'done' }] : [];
      });
      return { plan, rows: found, date };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new FileFormatError(path, {
    given: 'a file that is no ablation of this model',
    expected: 'what `cer reproduce --profile full` writes',
    remedy: 'Fetch or make the file again.',
  });
}
