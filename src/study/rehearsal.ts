import { availableParallelism } from 'node:os';
import { missingModels, TRAININGS } from '../recipes/run-trainings';
import { variantFolder } from '../recipes/variants';
import { estimateSweep } from '../sweep/estimate';
import { RowStore } from '../sweep/store';
import type { Estimate } from './dry-run';
import type { StudyOptions } from './run-study';
import { planTable, STUDY_SIZES, TABLES } from './study';

/** Seconds of one training on one core, by what it costs more than the smallest; measured once, on the machine of the shipped study. */
const TRAINING_SECONDS = { narrow: 120, small: 230, wide: 700, '64': 600, fineTune: 60, cdm: 80 };

/** What a study would do, without doing it: trainings and rows that are missing, and about how long they take. */
export function rehearseStudy(options: StudyOptions): { configuration: Record<string, unknown>; estimate: Estimate } {
  const { size: name, checkpoints = 'data/checkpoints', store = 'runs/study', tables, results } = options;
  const processes = options.processes ?? availableParallelism();
  const missing = name === 'full' ? TRAININGS.filter((each) => missingModels(each, checkpoints).length > 0) : [];
  const training = missing.reduce((sum, each) => sum + secondsOf(each, checkpoints), 0);
  const rows = new RowStore(store);
  const planned = TABLES.filter((table) => tables?.includes(table.name) ?? true).map((table) => {
    const { plan } = planTable(table, STUDY_SIZES[name], { checkpoints });
    const { rows: all, present, seconds } = estimateSweep(plan, rows, processes);
    return { table: table.name, rows: all, present, seconds: seconds ?? 0 };
  });
  return {
    configuration: {
      size: name,
      trainings: missing.map(({ models, variant }) => `${models.join('+')} in ${variantFolder(variant, checkpoints)}`),
      tables: planned.map(({ table, rows: all, present }) => `${table}: ${all} rows, ${present} there`),
      checkpoints,
      store,
      results: results ?? 'data/results',
      processes,
    },
    estimate: {
      seconds: training / processes + planned.reduce((sum, { seconds }) => sum + seconds, 0),
      megabytes: 900 * processes,
      basis: 'times of the shipped study, on one core of its machine each',
    },
  };
}

function secondsOf(training: (typeof TRAININGS)[number], checkpoints: string): number {
  const { size, resolution, fineTune } = training.variant;
  const kind = fineTune !== 'none' ? 'fineTune' : resolution === 64 ? '64' : size;
  return missingModels(training, checkpoints).reduce(
    (sum, model) => sum + (model === 'cdm' ? TRAINING_SECONDS.cdm : TRAINING_SECONDS[kind]),
    0,
  );
}
