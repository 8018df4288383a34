import { estimate, holm, pairedDifference } from '../../metrics/confidence';
import { correctedVerdict, type Verdict, verdictOf } from '../../metrics/verdict';
import type { TableRow } from '../../notebook/data-frame';
import { type Measured, type MeasuredPoint, numbersOf, short } from './measured';

/** Mean over seeds; no error with fewer than two. */
export interface Mean {
  mean: number;
  standardError?: number;
  count: number;
}

/** The paired difference of the objective over the seeds that both sides have; no interval with fewer than two. */
export interface Comparison extends Mean {
  /** 95 % interval (Student's t). */
  low?: number;
  high?: number;
  /** Of no difference, paired t test; and after Holm's correction over all points of the same table. */
  pValue?: number;
  pHolm?: number;
  /** Better or worse with the whole interval, and still so after the correction. */
  verdict: Verdict;
}

/** What a point came to. */
export interface Effect {
  at: MeasuredPoint;
  values: Record<string, Mean>;
  toBase?: Comparison;
  toControl?: Comparison;
}

/** Means of all values of each point, and the objective against the base and against the point's own control. */
export function effects(measured: Measured): Effect[] {
  const { base, points, values } = measured;
  const found = points.map((at): Effect => {
    const means = values.map((name) => [name, meanOver([...numbersOf(at, name).values()])] as const);
    return {
      at,
      values: Object.fromEntries(means.flatMap(([name, mean]) => (mean ? [[name, mean]] : []))),
      toBase: base && base !== at ? comparison(measured, base, at) : undefined,
      toControl: at.control ? comparison(measured, at.control, at) : undefined,
    };
  });
  for (const side of ['toBase', 'toControl'] as const) correct(found.flatMap((effect) => effect[side] ?? []));
  return found;
}

function meanOver(numbers: readonly number[]): Mean | undefined {
  if (numbers.length === 0) return undefined;
  if (numbers.length === 1) return { mean: numbers[0], count: 1 };
  if (new Set(numbers).size === 1) return { mean: numbers[0], standardError: 0, count: numbers.length }; // not the rounding of a sum
  const { mean, standardError, count } = estimate(numbers);
  return { mean, standardError, count };
}

function comparison({ plan }: Measured, from: MeasuredPoint, to: MeasuredPoint): Comparison | undefined {
  const { name, better } = plan.experiment.objective;
  const [before, after] = [numbersOf(from, name), numbersOf(to, name)];
  const seeds = [...before.keys()].filter((seed) => after.has(seed));
  const [a, b] = [before, after].map((side) => seeds.map((seed) => side.get(seed)!));
  if (seeds.length === 0) return undefined;
  if (seeds.length === 1) return { mean: b[0] - a[0], count: 1, verdict: 'undecided' };
  const difference = pairedDifference(a, b);
  return { ...difference, verdict: verdictOf(difference, better) };
}

function correct(comparisons: Comparison[]): void {
  const tested = comparisons.filter(({ pValue }) => pValue !== undefined);
  const corrected = holm(tested.map(({ pValue }) => pValue!));
  tested.forEach((each, i) => {
    each.pHolm = corrected[i];
    each.verdict = correctedVerdict(each.verdict, corrected[i]);
  });
}

/** All numbers, one row per point. */
export function effectRows(found: readonly Effect[], { plan, values }: Measured): TableRow[] {
  const columns = (title: string, comparison?: Comparison): TableRow => ({
    [title]: comparison?.mean ?? null,
    [`${title}, low`]: comparison?.low ?? null,
    [`${title}, high`]: comparison?.high ?? null,
    [`${title}, seeds`]: comparison?.count ?? null,
    [`${title}, p`]: comparison?.pValue ?? null,
    [`${title}, p (Holm)`]: comparison?.pHolm ?? null,
    [`${title}, verdict`]: comparison?.verdict ?? null,
  });
  const hasControl = found.some(({ toControl }) => toControl);
  return found.map(({ at, values: means, toBase, toControl }) => ({
    point: at.name,
    origin: at.point.origin,
    seeds: at.rows.length,
    missing: plan.seeds.length - at.rows.length,
    failed: at.failed,
    ...Object.fromEntries(
      values.flatMap((name) => [
        [name, means[name]?.mean ?? null],
        [`${name} error`, means[name]?.standardError ?? null],
      ]),
    ),
    ...columns('to base', toBase),
    ...(hasControl ? columns('to control', toControl) : {}),
  }));
}

/** The same in one line a point, numbers with their errors. */
export function readableEffects(found: readonly Effect[], { plan }: Measured): TableRow[] {
  const { objective, cost } = plan.experiment;
  const hasControl = found.some(({ toControl }) => toControl);
  const columns = (title: string, comparison?: Comparison): TableRow => ({
    [title]: comparison ? intervalText(comparison) : '',
    [`${title}: p (Holm)`]: comparison?.pHolm === undefined ? '' : short(comparison.pHolm),
    [`${title}: verdict`]: comparison?.verdict ?? '',
  });
  return found.map(({ at, values, toBase, toControl }) => ({
    point: at.name,
    seeds: at.rows.length,
    [objective.label]: meanText(values[objective.name]),
    [cost.label]: meanText(values[cost.name]),
    ...columns('to base', toBase),
    ...(hasControl ? columns('to control', toControl) : {}),
  }));
}

/** `0.52 ± 0.03`; without an error where there is one seed. */
export function meanText(mean?: Mean): string {
  if (!mean) return '';
  return mean.standardError === undefined ? short(mean.mean) : `${short(mean.mean)} ± ${short(mean.standardError)}`;
}

/** `−0.3 [−0.5, −0.1]`; without an interval where there is one seed. */
export function intervalText({ mean, low, high }: Pick<Comparison, 'mean' | 'low' | 'high'>): string {
  return low === undefined || high === undefined ? short(mean) : `${short(mean)} [${short(low)}, ${short(high)}]`;
}
