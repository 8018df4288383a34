import { bootstrap, holm } from '../../metrics/confidence';
import { associationTest, centredRanks, correlationRatio, spearman } from '../../metrics/rank-correlation';
import { foldIn, key } from '../../runtime/random';
import { type Measured, short, type TableRow } from './measured';
import type { Knob, Search } from './search';

/** How much a knob has to do with the objective over the points of a search. */
export interface Importance {
  knob: string;
  /** Spearman's correlation for numbers; for categories the correlation ratio of the ranks, which has no sign. */
  measure: 'rank correlation' | 'correlation ratio';
  strength: number;
  /** 95 % bootstrap interval over points; absent for categories, whose ratio resampling distorts upwards. */
  low?: number;
  high?: number;
  /** 95 % of permutations stay below this strength: what chance gives at this number of points. */
  chance: number;
  pValue: number;
  pHolm: number;
  /** Largest minus smallest mean objective over the categories; absent for numbers. */
  spread?: number;
}

/** The knobs of a search by strength, the strongest first. */
export function importances({ knobs, objective }: Search): Importance[] {
  const ranks = centredRanks(objective);
  const found = knobs.map((knob) => {
    const source = foldIn(key(0), knob.name);
    const strength = (rows: ArrayLike<number>, responses: ArrayLike<number>): number => {
      const response = Array.from(responses, (row) => ranks[row]);
      return knob.kind === 'number'
        ? spearman(Float64Array.from(rows, (row) => knob.values[row]), response) // biome-ignore format: one call
        : correlationRatio(Array.from(rows, (row) => knob.values[row]), response); // biome-ignore format: one call
    };
    const all = objective.map((_, i) => i);
    const { pValue, critical } = associationTest(foldIn(source, 1), all.length, (order) => strength(all, order));
    const interval =
      knob.kind === 'number'
        ? bootstrap(foldIn(source, 2), all.length, (rows) => strength(rows, rows), { resamples: 500 })
        : undefined;
    return {
      knob: knob.name,
      measure: knob.kind === 'number' ? ('rank correlation' as const) : ('correlation ratio' as const),
      strength: strength(all, all),
      low: interval?.low,
      high: interval?.high,
      chance: critical,
      pValue,
      spread: knob.kind === 'category' ? spreadOfMeans(knob, objective) : undefined,
    };
  });
  const corrected = holm(found.map(({ pValue }) => pValue));
  return found
    .map((each, i) => ({ ...each, pHolm: corrected[i] }))
    .sort((a, b) => Math.abs(b.strength) - Math.abs(a.strength));
}

function spreadOfMeans({ values }: Knob, objective: readonly number[]): number {
  const means = [...new Set<unknown>(values)].map((category) => {
    const own = objective.filter((_, i) => values[i] === category);
    return own.reduce((sum, x) => sum + x, 0) / own.length;
  });
  return Math.max(...means) - Math.min(...means);
}

export function importanceRows(found: readonly Importance[]): TableRow[] {
  return found.map(({ knob, measure, strength, low, high, chance, pValue, pHolm, spread }) => ({
    knob,
    measure,
    strength,
    low: low ?? null,
    high: high ?? null,
    'chance level': chance,
    p: pValue,
    'p (Holm)': pHolm,
    'spread of means': spread ?? null,
  }));
}

/** What the numbers mean and how weak they are. */
export function importanceNote(found: readonly Importance[], { points }: Search, { plan }: Measured): string {
  const { label } = plan.experiment.objective;
  const weakest = Math.min(...found.map(({ chance }) => chance));
  return [
    `Over ${points.length} points: Spearman's rank correlation of each knob with ${label} (bootstrap interval over points), for categories the`,
    'correlation ratio of the ranks. Both see a monotone effect of one knob on average over all others, nothing else. p by permutation, corrected by Holm.',
    `With so few points chance alone reaches ${short(weakest)} in one of twenty cases: what is weaker is not told from nothing.`,
  ].join(' ');
}
