import type { Verdict } from '../../metrics/verdict';
import { type Effect, intervalText, meanText } from './effects';
import { isNamed, type Measured, pointName, short } from './measured';
import type { Standing } from './pareto';
import type { WorstCase } from './worst';

/** What a summary is made of. */
export interface Found {
  measured: Measured;
  effects: readonly Effect[];
  worst: readonly WorstCase[];
  front: readonly Standing[];
}

/** Short text summary of a sweep, worst effects first. */
export function summaryText(found: Found): string {
  const { measured, effects } = found;
  const { plan, points, empty } = measured;
  const { objective } = plan.experiment;
  const failed =
    effects.reduce((sum, { at }) => sum + at.failed, 0) + empty.reduce((sum, { failed }) => sum + failed, 0);
  const seeds = `${plan.seeds.length} seed${plan.seeds.length === 1 ? '' : 's'}`;
  const lines = [
    `${plan.experiment.name}: ${points.length} points, ${seeds}; ${objective.label}, ${objective.better} is better`,
  ];
  lines.push(...verdictLines(found, 'toBase', 'the base'));
  if (plan.control) {
    lines.push(...verdictLines(found, 'toControl', `the same with ${pointName({ changes: plan.control })}`));
  }
  lines.push(...bestLine(found), ...worstLine(found), ...frontLine(found));
  if (failed > 0) lines.push(`not everything ran: ${failed} rows failed, ${empty.length} points have no row at all`);
  return lines.join('\n');
}

/** Points named per verdict. */
const LINES = 8;

const ORDER: readonly (readonly [Verdict, string])[] = [
  ['fails', 'hurts'],
  ['undecided', 'undecided'],
  ['holds', 'helps'],
];

function verdictLines({ effects, measured }: Found, side: 'toBase' | 'toControl', what: string): string[] {
  const { plan } = measured;
  const compared = effects.flatMap(({ at, [side]: comparison }) => (comparison ? [{ at, comparison }] : []));
  if (compared.length === 0) return [];
  const sign = plan.experiment.objective.better === 'lower' ? 1 : -1;
  const groups = ORDER.flatMap(([verdict, word]) => {
    const own = compared.filter((each) => isNamed(each.at, measured) && each.comparison.verdict === verdict);
    if (own.length === 0) return [];
    own.sort((a, b) => sign * (verdict === 'holds' ? -1 : 1) * (b.comparison.mean - a.comparison.mean));
    const named = own.map(({ at, comparison }) => `    ${at.name}: ${intervalText(comparison)}`);
    const more = named.length - LINES;
    return [`  ${word} (${own.length}):`, ...named.slice(0, LINES), ...(more > 0 ? [`    and ${more} more`] : [])];
  });
  const random = compared.filter(({ at }) => at.point.origin === 'random');
  const counts = ORDER.map(([verdict, word]) => {
    return `${word} ${random.filter(({ comparison }) => comparison.verdict === verdict).length}`;
  });
  const tested = compared.filter(({ comparison }) => comparison.pHolm !== undefined);
  const sure = tested.filter(({ comparison }) => comparison.pHolm! < 0.05).length;
  return [
    `against ${what} (mean difference, 95 % interval over shared seeds):`,
    ...groups,
    ...(random.length > 0 ? [`  of ${random.length} random points: ${counts.join(', ')}`] : []),
    tested.length === 0
      ? '  no intervals: they need at least two seeds'
      : `  of ${tested.length} comparisons at 95 % each, ${sure} still differ after Holm's correction`,
  ];
}

/** The best mean of many points is better than its point: the line says so. */
function bestLine({ effects, measured }: Found): string[] {
  const { name, label, better } = measured.plan.experiment.objective;
  const sign = better === 'lower' ? 1 : -1;
  const ranked = effects.filter(({ values }) => values[name]);
  if (ranked.length < 2) return [];
  const best = ranked.reduce((a, b) => (sign * b.values[name].mean < sign * a.values[name].mean ? b : a));
  return [
    `best mean: ${best.at.name} with ${label} ${meanText(best.values[name])} (the best of ${ranked.length} looks better than it is)`,
  ];
}

function worstLine({ worst: [first] }: Found): string[] {
  if (!first || first.seeds.length === 0 || !first.against) return [];
  const [{ seed, objective, against }] = first.seeds;
  return [
    `worst case: ${first.effect.at.name}, seed ${seed}: ${short(objective)} against ${short(against!)} of ${first.against.name}`,
  ];
}

function frontLine({ front, measured }: Found): string[] {
  const on = front.filter(({ onFront }) => onFront);
  if (on.length === 0) return [];
  const { cost, objective } = measured.plan.experiment;
  const names = on.map(({ effect: { at, values } }) => {
    return `${at.name} (${meanText(values[cost.name])}; ${meanText(values[objective.name])})`;
  });
  return [`front of ${cost.label} against ${objective.label}: ${firstOf(names, 6)}`];
}

function firstOf(all: readonly string[], most: number): string {
  const more = all.length - most;
  return all.slice(0, most).join('; ') + (more > 0 ? `; and ${more} more` : '');
}
