import { availableParallelism } from 'node:os';
import type { Plan } from './plan';
import { rowsOf } from './run';
import type { RowStore } from './store';

/** What a sweep would come to. */
export interface SweepEstimate {
  experiment: string;
  configurations: number;
  seeds: number;
  rows: number;
  /** Rows that are there already. */
  present: number;
  /** Seconds per row and in all; null where nothing is known of it. */
  secondsPerRow: number | null;
  seconds: number | null;
  /** Memory of all processes together in MiB; null where nothing is known of it. */
  megabytes: number | null;
  /** What every point changes: the configuration in effect, with all defaults. */
  base: Plan['base'];
  text: string;
}

/** Counts the rows of a plan and estimates the time from the rows that are there, else from the experiment's own measure. */
export function estimateSweep(plan: Plan, store: RowStore, processes = availableParallelism()): SweepEstimate {
  const { experiment, points, seeds, tasks } = plan;
  const made = rowsOf(plan, store);
  const present = new Set(made.map(({ key }) => key));
  const missing = tasks.filter(({ key }) => !present.has(key));
  const times = made.filter(({ status }) => status === 'done').map(({ seconds }) => seconds);
  const perRow = mean(times) ?? mean(missing.flatMap(({ configuration }) => experiment.seconds?.(configuration) ?? []));
  const busy = Math.max(1, Math.min(processes, missing.length));
  const each = missing.map(({ configuration }) => experiment.megabytes?.(configuration) ?? 0);
  const megabytes = Math.max(0, ...each) * busy || null;
  const seconds = perRow === undefined ? null : (perRow * missing.length) / busy;
  const source = times.length > 0 ? 'from the rows that are there' : 'from runs on two cores';
  const text = [
    `${experiment.name}: ${points.length} configurations, ${seeds.length} seeds: ${tasks.length} rows, ${made.length} of them there`,
    seconds === null || perRow === undefined
      ? 'time: unknown until the first row is made'
      : `time: about ${duration(seconds)} on ${processes} processes (${perRow.toPrecision(2)} s a row, ${source})`,
    ...(megabytes === null ? [] : [`memory: about ${Math.round(megabytes)} MiB`]),
  ].join('\n');
  return {
    experiment: experiment.name,
    configurations: points.length,
    seeds: seeds.length,
    rows: tasks.length,
    present: made.length,
    secondsPerRow: perRow ?? null,
    seconds,
    megabytes,
    base: plan.base,
    text,
  };
}

/** The configuration in effect that every point changes, one field a line. */
export function baseText({ base }: Plan): string {
  const width = Math.max(...Object.keys(base).map((name) => name.length));
  return [
    'base',
    ...Object.entries(base).map(([name, value]) => `  ${name.padEnd(width)}  ${JSON.stringify(value)}`),
  ].join('\n');
}

function mean(values: readonly number[]): number | undefined {
  return values.length > 0 ? values.reduce((sum, x) => sum + x, 0) / values.length : undefined;
}

function duration(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}
