import { type Figure, PALETTE } from '../../plots/figure';
import { forestFigure } from '../../plots/forest';
import type { Plan } from '../plan';
import type { Comparison, Effect } from './effects';
import { isNamed, type Measured, pointName, shortName } from './measured';

/** What a point is compared with, and how that series looks in every figure. */
export function sides({ control = {} }: Plan) {
  const unlike = pointName({ changes: control });
  return [
    { side: 'toBase', name: 'against the base', color: PALETTE[0], symbol: 'circle' },
    { side: 'toControl', name: `against the same with ${unlike}`, color: PALETTE[1], symbol: 'square' },
  ] as const;
}

/** Half of an interval; 0 where there is none, and then no bar is drawn. */
export const halfWidth = ({ mean, high }: Comparison) => (high === undefined ? 0 : high - mean);

/** All effects as dots with their 95 % intervals; random points are left out. */
export function effectFigure(found: readonly Effect[], measured: Measured): Figure | undefined {
  const { plan } = measured;
  const { label, better } = plan.experiment.objective;
  const shown = found.filter(({ at, toBase, toControl }) => isNamed(at, measured) && (toBase || toControl));
  if (shown.length === 0) return undefined;
  const series = sides(plan).map(({ side, ...look }) => ({
    ...look,
    rows: shown.flatMap(({ at, [side]: comparison }) =>
      comparison ? [{ ...comparison, name: shortName(at.name) }] : [],
    ),
  }));
  return forestFigure(
    series.filter(({ rows }) => rows.length > 0),
    {
      title: `Effects on ${label}: mean over seeds and 95 % interval`,
      x: `difference of ${label} (${better === 'lower' ? 'left' : 'right'} of 0 is better)`,
      names: shown.map(({ at }) => shortName(at.name)),
    },
  );
}
