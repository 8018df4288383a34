import { type MeasuredRun, measuredRunSchema } from '../../src/study/measures';

/** What a run measured: the given values, null where that is allowed, else 0. */
export function measuredRun(values: Partial<MeasuredRun>): MeasuredRun {
  const empty = Object.entries(measuredRunSchema.shape).map(([name, field]) => [
    name,
    field.safeParse(null).success ? null : 0,
  ]);
  return { ...(Object.fromEntries(empty) as MeasuredRun), ...values };
}
