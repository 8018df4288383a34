import type { Plan, SweepFile } from '../../../src/sweep/plan';
import type { Row } from '../../../src/sweep/store';
import { makeTask } from '../../../src/sweep/task';
import { toyExperiment } from '../../../src/sweep/toy-experiment';
import { planSweep } from '../support';

/** The rows of a toy sweep, made here and now. */
export async function toyRows(file: Omit<SweepFile, 'experiment'>): Promise<{ plan: Plan; rows: Row[] }> {
  const plan = planSweep({ experiment: 'toy', ...file });
  const run = await toyExperiment.open();
  const rows: Row[] = [];
  for (const task of plan.tasks) {
    const values = await run(task.configuration, task.seed);
    rows.push({ ...task, status: 'done', values, seconds: 0.1 });
  }
  return { plan, rows };
}

/** A row of one's own: the toy at x and y with made-up values. */
export function toyRow(configuration: { x?: number; y?: number }, seed: number, values: Row['values']): Row {
  const full = toyExperiment.parse(configuration);
  return { ...makeTask(toyExperiment, full, seed), status: 'done', values, seconds: 0.1 };
}
