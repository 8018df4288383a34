import type { Cell, TableRow } from '../../notebook/data-frame';
import { type Figure, PALETTE } from '../../plots/figure';
import { forestFigure } from '../../plots/forest';
import type { Effect } from './effects';
import { type Measured, type MeasuredPoint, numberIn, numbersOf, shortName } from './measured';

/** A point that hurts, and what it was compared with. */
export interface WorstCase {
  effect: Effect;
  against?: MeasuredPoint;
  /** Seeds by how much they hurt, the worst first; `difference` is in the objective's unit, positive where it is worse. */
  seeds: { seed: number; objective: number; against?: number; harm: number }[];
}

/**
 * The points that hurt most, by the mean difference against their own control where there is one, else against the base, else by the objective
 * itself. Only points that hurt in the mean, unless nothing can be compared.
 */
export function worstCases(found: readonly Effect[], measured: Measured, most = 5): WorstCase[] {
  const { objective } = measured.plan.experiment;
  const sign = objective.better === 'lower' ? 1 : -1;
  const side = (['toControl', 'toBase'] as const).find((each) => found.some((effect) => effect[each]));
  const cases = found.flatMap((effect) => {
    const compared = side ? effect[side] : effect.values[objective.name];
    const harm = sign * (compared?.mean ?? Number.NaN);
    if (!Number.isFinite(harm) || (side && harm <= 0)) return [];
    return [{ effect, against: side && (side === 'toControl' ? effect.at.control : measured.base), harm }];
  });
  return cases
    .sort((a, b) => b.harm - a.harm)
    .slice(0, most)
    .map(({ effect, against }) => {
      const before = against ? numbersOf(against, objective.name) : undefined;
      const seeds = [...numbersOf(effect.at, objective.name)].flatMap(([seed, value]) => {
        const other = before?.get(seed);
        if (before && other === undefined) return [];
        return [{ seed, objective: value, against: other, harm: sign * (value - (other ?? 0)) }];
      });
      return { effect, against, seeds: seeds.sort((a, b) => b.harm - a.harm) };
    });
}

/** The rows of the worst cases: each seed with everything that was measured, the worst seed marked. */
export function worstRows(cases: readonly WorstCase[], { plan, values }: Measured) {
  const { name, label } = plan.experiment.objective;
  const rows = cases.flatMap(({ effect, against, seeds }, rank) =>
    seeds.map(({ seed, objective, against: other }, at): TableRow => {
      const row = effect.at.rows.find((each) => each.seed === seed)!;
      const more = values
        .filter((each) => each !== name)
        .map((each): [string, Cell] => [each, numberIn(row, each) ?? null]);
      return {
        rank: rank + 1,
        point: effect.at.name,
        against: against?.name ?? null,
        seed,
        'worst seed': at === 0 && seeds.length > 1,
        [name]: objective,
        [`${name} of the other`]: other ?? null,
        difference: other === undefined ? null : objective - other,
        ...Object.fromEntries(more),
        row: row.key,
      };
    }),
  );
  const page = rows.map((row) => ({
    point: row.point,
    against: row.against,
    seed: row['worst seed'] ? `${row.seed} (worst)` : String(row.seed),
    [label]: row[name],
    [`${label} of the other`]: row[`${name} of the other`],
    difference: row.difference,
  }));
  return { rows, page };
}

/** Each seed's difference as a dot, the mean with its interval beside them. */
export function worstFigure(cases: readonly WorstCase[], { plan }: Measured): Figure | undefined {
  const shown = cases.filter(({ against }) => against);
  if (shown.length === 0) return undefined;
  const { label, better } = plan.experiment.objective;
  const sign = better === 'lower' ? 1 : -1;
  const named = shown.map(({ effect, seeds }) => ({
    name: shortName(effect.at.name),
    mean: (effect.toControl ?? effect.toBase)!,
    seeds,
  }));
  const dots = named.flatMap(({ name, seeds }) =>
    seeds.map(({ seed, harm }) => ({ name, mean: sign * harm, text: `seed ${seed}` })),
  );
  return forestFigure(
    [
      { name: 'one seed', color: PALETTE[5], rows: dots },
      {
        ...{ name: 'mean, 95 % interval', color: PALETTE[1], symbol: 'diamond' },
        rows: named.map(({ name, mean }) => ({ ...mean, name })),
      },
    ],
    {
      title: 'The worst cases, seed by seed',
      x: `difference of ${label} (${better === 'lower' ? 'right' : 'left'} of 0 is worse)`,
      names: named.map(({ name }) => name),
      rowHeight: 40,
    },
  );
}
