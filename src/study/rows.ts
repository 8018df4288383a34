import { type Estimate, estimate, type PairedDifference, pairedDifference } from '../metrics/confidence';
import { InvalidInputError } from '../runtime/errors';
import type { Row } from '../sweep/store';
import type { Measure, MeasuredRun } from './measures';

/** One run of a method: its seeds and what was measured. */
export interface StudyRow extends Pick<Row<MeasuredRun>, 'seed' | 'values'> {
  method: string;
  trainingSeed: number;
}

/** What an error is over: trainings when there are several (the mean over sampling seeds of each counts once), else sampling seeds. */
export type ErrorUnit = 'trainings' | 'sampling seeds';

/** The methods of rows, in order of first occurrence. */
export function methodsOf(rows: readonly StudyRow[]): string[] {
  return [...new Set(rows.map(({ method }) => method))];
}

/** The unit of errors of a method's rows. */
export function unitOf(rows: readonly StudyRow[]): ErrorUnit {
  return new Set(rows.map(({ trainingSeed }) => trainingSeed)).size > 1 ? 'trainings' : 'sampling seeds';
}

/** One value per unit, by its seed; absent values leave the unit out. */
export function valuesByUnit(rows: readonly StudyRow[], method: string, measure: Measure): Map<number, number> {
  const own = rows.filter((row) => row.method === method);
  const byTraining = unitOf(own) === 'trainings';
  const groups = new Map<number, number[]>();
  for (const { trainingSeed, seed, values } of own) {
    const value = values[measure];
    if (typeof value !== 'number') continue;
    const unit = byTraining ? trainingSeed : seed;
    groups.set(unit, [...(groups.get(unit) ?? []), value]);
  }
  const units = [...groups].sort(([a], [b]) => a - b);
  return new Map(units.map(([unit, values]) => [unit, values.reduce((sum, x) => sum + x, 0) / values.length]));
}

/** Mean of a measure with its error over units; undefined where it does not exist or there is one unit only. */
export function measured(rows: readonly StudyRow[], method: string, measure: Measure): Estimate | undefined {
  const values = [...valuesByUnit(rows, method, measure).values()];
  return values.length > 1 ? estimate(values) : undefined;
}

/** A paired difference over units, and what they are. */
export interface StudyDifference extends PairedDifference {
  unit: ErrorUnit;
}

/**
 * The paired difference `method - baseline` over the runs that both have: same trainings where both are of one model, same
 * sampling seeds, the same noise.
 * @throws InvalidInputError when the two do not share at least two units.
 */
export function difference(
  rows: readonly StudyRow[],
  baseline: string,
  method: string,
  measure: Measure,
): StudyDifference {
  const runs = (name: string) =>
    new Set(rows.filter((row) => row.method === name).map(({ trainingSeed, seed }) => `${trainingSeed} ${seed}`));
  const [ofBaseline, ofMethod] = [runs(baseline), runs(method)];
  const both = rows.filter(({ trainingSeed, seed }) => {
    const run = `${trainingSeed} ${seed}`;
    return ofBaseline.has(run) && ofMethod.has(run);
  });
  const [a, b] = [valuesByUnit(both, baseline, measure), valuesByUnit(both, method, measure)];
  const shared = [...a.keys()].filter((unit) => b.has(unit));
  if (shared.length < 2) {
    throw new InvalidInputError(`Difference of ${method} and ${baseline}`, {
      given: `${shared.length} shared seeds for ${measure}`,
      expected: 'at least two',
      remedy: 'Run both with the same seeds.',
    });
  }
  const of = (values: Map<number, number>) => shared.map((unit) => values.get(unit) as number);
  const unit = unitOf(rows.filter((row) => row.method === method));
  return { ...pairedDifference(of(a), of(b)), unit };
}

/** The mean over sampling seeds of one training has this much error from sampling alone: pooled standard error over trainings. */
export function samplingError(rows: readonly StudyRow[], method: string, measure: Measure): number {
  const own = rows.filter((row) => row.method === method && typeof row.values[measure] === 'number');
  const groups = [...new Set(own.map(({ trainingSeed }) => trainingSeed))].map((training) =>
    own.filter(({ trainingSeed }) => trainingSeed === training).map(({ values }) => values[measure] as number),
  );
  const variances = groups.filter(({ length }) => length > 1).map((values) => estimate(values).standardError ** 2);
  return Math.sqrt(variances.reduce((sum, x) => sum + x, 0)) / Math.max(1, variances.length);
}
