import { estimate } from '../metrics/confidence';
import type { SummaryRow } from '../notebook/record';
import type { RefinementReport } from '../refinement/condition-refinement';
import type { Drift, DriftReport } from './drift';

/** A drift report and whose it is. */
export type NamedDrift = { model: string } & DriftReport;

/** Excess over the floor by AR step, before and after, as bands of one standard error over groups. */
export function driftCurves(reports: readonly NamedDrift[]) {
  return reports.flatMap(({ model, before, after }) =>
    [['before', before] as const, ['after', after] as const].map(([side, rows]) => ({
      name: `${model}, ${side} refinement`,
      x: rows.map(({ step }) => step),
      y: rows.map(({ excess }) => excess),
      error: rows.map(({ error }) => error),
      mode: 'lines+markers' as const,
    })),
  );
}

/** One row per model and side. */
export function driftRows(reports: readonly NamedDrift[]) {
  return reports.flatMap(({ model, before, after }) =>
    [['before', before] as const, ['after', after] as const].map(([side, rows]) => {
      const over = (of: (drift: Drift) => number) => rows.reduce((sum, row) => sum + of(row), 0) / rows.length;
      const steps = rows.length > 1 ? estimate(rows.map(({ excess }) => excess)) : undefined;
      return {
        model,
        side,
        excess: over(({ excess }) => excess),
        errorOverGroups: Math.sqrt(rows.reduce((sum, { error }) => sum + error ** 2, 0)) / rows.length,
        lowOverSteps: steps?.low ?? Number.NaN,
        highOverSteps: steps?.high ?? Number.NaN,
        floor: over(({ floor }) => floor),
        spread: over(({ spread }) => spread),
      };
    }),
  );
}

export type DriftRow = ReturnType<typeof driftRows>[number];

/** Drift as a claim. */
export function driftSummary(drift: readonly DriftRow[]): SummaryRow[] {
  return drift
    .filter(({ side }) => side === 'before')
    .map(({ model, excess, errorOverGroups, floor }) => ({
      claim: `Conditions drift from their ideal law, ${model}`,
      ours: `${(100 * excess).toFixed(2)} % of the variance above a floor of ${(100 * floor).toFixed(0)} %`,
      error: `± ${(100 * errorOverGroups).toFixed(2)} % over groups`,
      paper: 'assumed (condition errors accumulate)',
      verdict: excess - 2 * errorOverGroups > 0 ? ('holds' as const) : ('undecided' as const),
      note: 'one training and one sampling seed; measured against images seen by nobody',
    }));
}

/** What was found, in words. */
export function driftText(drift: readonly DriftRow[]): string {
  const lines = drift
    .filter(({ side }) => side === 'before')
    .map(({ model, excess, errorOverGroups, spread }) => {
      const clear = excess - 2 * errorOverGroups > 0;
      return (
        `- ${model}: generated conditions are ${(100 * excess).toFixed(2)} ± ${(100 * errorOverGroups).toFixed(2)} % of the ideal law's variance ` +
        `away from it, ${clear ? 'clear of' : 'not clear of'} the sampling floor; their spread is ${spread.toFixed(2)} of the ideal law's.`
      );
    });
  return `### What was found\n\n${lines.join('\n')}`;
}

/** Per iteration, over the AR steps of a measured refinement: the rate at which the distance to the buffer shrinks, and the one of theory. */
export function rateRows(model: string, { records }: Pick<RefinementReport, 'records'>) {
  const iterations = Math.max(0, ...records.map(({ rho }) => rho.length));
  return Array.from({ length: iterations }, (_, k) => {
    const rates = records.flatMap(({ rho }) => (rho[k] && Number.isFinite(rho[k].measured) ? [rho[k].measured] : []));
    const { mean, low, high } = estimate(rates);
    const theory = records.find(({ rho }) => rho[k])?.rho[k].theory;
    return { model, iteration: k + 1, rho: mean, low, high, theory: theory ?? null, steps: rates.length };
  });
}

/** Where the time of a measured refinement goes, in milliseconds per image, and what its buffer holds. */
export function costRow(
  model: string,
  { milliseconds, priors }: RefinementReport,
  images: number,
  generation: { seconds: number },
  buffer: { rows: number; bytes: number },
) {
  const { refiner, coupling, prior, inverse, measuring } = milliseconds;
  const own = refiner - measuring;
  return {
    model,
    'generation / ms': (1000 * generation.seconds - measuring) / images,
    'refinement / ms': own / images,
    share: `${((100 * own) / (1000 * generation.seconds - measuring)).toFixed(1)} %`,
    'coupling / ms': coupling / images,
    'prior and inverse / ms': (prior + inverse) / images,
    priors: priors.drawn,
    'buffer rows': buffer.rows,
    'buffer / MiB': buffer.bytes / 2 ** 20,
  };
}
