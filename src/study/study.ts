import { CHOICE_SEED, MAR_CHOICE_SEEDS, REPORTED_SEEDS } from '../recipes/run-trainings';
import { parseOptions } from '../runtime/options';
import { type Plan, type Point, planSweep, type SweepFile } from '../sweep/plan';
import type { RowStore } from '../sweep/store';
import type { Task } from '../sweep/task';
import { EXPERIMENTS } from './experiments';
import { type AblationOptions, ablationSweep } from './knobs';
import { measuredRunSchema } from './measures';
import {
  CHOICE_METHODS,
  CONTROL_METHODS,
  FINE_TUNED_METHODS,
  type Method,
  PAPER_METHODS,
  RIVAL_METHODS,
} from './methods';
import type { StudyRow } from './rows';
import type { RunOptions } from './run-configuration';

/** How much of a table is computed. */
export interface StudySize {
  trainingSeeds: readonly number[];
  seeds: readonly number[];
  images: number;
}

/** `full` is what is shipped; `smoke` shows that everything runs. */
export const STUDY_SIZES: Record<'full' | 'smoke', StudySize> = {
  full: { trainingSeeds: REPORTED_SEEDS, seeds: [0, 1, 2, 3, 4], images: 500 },
  smoke: { trainingSeeds: [CHOICE_SEED], seeds: [0, 1], images: 100 },
};

/** A table of the paper as runs. */
export interface Table {
  name: string;
  methods: readonly Method[];
  /** Seeds of training; default those of the size. */
  trainingSeeds?: readonly number[];
  /** At most this many sampling seeds; default all of the size. */
  samplingSeeds?: number;
}

const scaled = (size: 'narrow' | 'wide'): Method[] =>
  PAPER_METHODS.filter(({ options }) => options.model !== 'CDM').map(({ name, options }) => ({
    name: `${name}, ${size}`,
    options: { ...options, training: { size } },
    baseline: `${name.replace(' + OT', '')}, ${size}`,
  }));

/** Table 1; how MAR's refinement was chosen; the rivals, controls and fine-tunes beside it; Table 2, further sizes; Table 3, twice the resolution. */
export const TABLES: readonly Table[] = [
  { name: 'table-1', methods: PAPER_METHODS },
  { name: 'choice', methods: CHOICE_METHODS, trainingSeeds: MAR_CHOICE_SEEDS, samplingSeeds: 3 },
  { name: 'rivals', methods: RIVAL_METHODS, trainingSeeds: REPORTED_SEEDS.slice(0, 3), samplingSeeds: 3 },
  { name: 'controls', methods: CONTROL_METHODS, trainingSeeds: REPORTED_SEEDS.slice(0, 3), samplingSeeds: 3 },
  { name: 'fine-tune', methods: FINE_TUNED_METHODS, trainingSeeds: [REPORTED_SEEDS[0]] },
  { name: 'table-2', methods: [...scaled('narrow'), ...scaled('wide')], trainingSeeds: [CHOICE_SEED] },
  {
    name: 'table-3',
    methods: PAPER_METHODS.filter(({ options }) => options.model !== 'CDM').map(({ name, options }) => ({
      name: `${name}, 64 pixels`,
      options: { ...options, training: { resolution: 64 } },
      baseline: `${name.replace(' + OT', '')}, 64 pixels`,
    })),
    trainingSeeds: [CHOICE_SEED],
  },
];

/** The models that have conditions to refine. */
export const ABLATED = ['AR', 'MAR'] as const;
export type Ablated = (typeof ABLATED)[number];

/**
 * On the training of seed 0, where defaults are chosen: for AR each knob alone and what shows only together, for MAR the knobs that change
 * where conditions go.
 */
const ABLATIONS: Record<Ablated, AblationOptions> = {
  AR: { model: 'AR', seeds: 3, images: 300 },
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

/** The sweep of the shipped ablation of a model. */
export function studyAblation(model: Ablated): { file: SweepFile; plan: Plan } {
  const file = ablationSweep(ABLATIONS[model]);
  return { file, plan: planSweep(file, EXPERIMENTS) };
}

/** The runs of one method under one training, under every sampling seed. */
interface Cell {
  method: string;
  trainingSeed: number;
  point: Point;
}

/** The runs of a table, each once however many methods share it. */
export interface TablePlan {
  table: Table;
  plan: Plan;
  cells: Cell[];
}

/** Plans a table; everything is validated before anything runs. @param base what all runs have in common, such as `checkpoints`. */
export function planTable(table: Table, size: StudySize, base: RunOptions = {}): TablePlan {
  const { images } = size;
  const seeds = size.seeds.slice(0, table.samplingSeeds);
  const plans = table.methods.flatMap(({ name, options }) =>
    (table.trainingSeeds ?? size.trainingSeeds).map((trainingSeed) => {
      const all = { images, ...base, ...options, training: { ...options.training, seed: trainingSeed } };
      const given = JSON.parse(JSON.stringify(all));
      return { name, trainingSeed, plan: planSweep({ experiment: 'refinement', base: given, seeds }, EXPERIMENTS) };
    }),
  );
  const tasks = new Map(plans.flatMap(({ plan }) => plan.tasks.map((task) => [task.key, task])));
  return {
    table,
    // Rows of one model together: whoever makes them loads it and its law once.
    plan: { ...plans[0].plan, points: plans.flatMap(({ plan }) => plan.points), tasks: byModel([...tasks.values()]) },
    cells: plans.map(({ name, trainingSeed, plan }) => ({ method: name, trainingSeed, point: plan.points[0] })),
  };
}

function byModel(tasks: Task[]): Task[] {
  const modelOf = ({ configuration: { training, model } }: Task) => JSON.stringify([training, model]);
  return tasks.sort((a, b) => (modelOf(a) < modelOf(b) ? -1 : modelOf(a) > modelOf(b) ? 1 : 0));
}

/** The rows of a table that are there. */
export function studyRows({ plan, cells }: TablePlan, store: RowStore): StudyRow[] {
  return cells.flatMap(({ method, trainingSeed, point }) =>
    point.keys.flatMap((key, i) => {
      const row = store.read(key);
      if (row?.status !== 'done') return [];
      return [
        {
          method,
          trainingSeed,
          seed: plan.seeds[i],
          values: parseOptions(`the row ${key}`, measuredRunSchema, row.values),
        },
      ];
    }),
  );
}
