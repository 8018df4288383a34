import type { Plan } from '../plan';
import type { Row } from '../store';
import { effectRows, effects, readableEffects } from './effects';
import { effectFigure } from './forest';
import { measured as measure, type ReportTable, type SweepReport } from './measured';
import { knobFigures } from './one-at-a-time';
import { paretoFigure, paretoRows, standings } from './pareto';
import { summaryText } from './words';
import { worstCases, worstFigure, worstRows } from './worst';

/**
 * The results of a sweep as plain tables and figures: what each point is worth against the base and against its control, each
 * knob alone, cost against quality, and the worst cases.
 * Rows that are missing or failed are left out and counted.
 */
export function analyseSweep(plan: Plan, rows: readonly Row[]): SweepReport {
  const measured = measure(plan, rows);
  const { objective } = plan.experiment;
  const found = effects(measured);
  const worst = worstCases(found, measured);
  const front = standings(found, measured);
  const tables: Record<string, ReportTable> = {
    summary: {
      title: 'Every point',
      rows: effectRows(found, measured),
      page: readableEffects(found, measured),
      note: `Means ± standard errors over seeds. Differences of ${objective.label} are paired over the seeds that both sides have, with Student's 95 % interval; "holds" means better with the whole interval, "fails" worse. p: paired t test, corrected by Holm over the table.`,
    },
  };
  const figures: SweepReport['figures'] = {};
  const forest = effectFigure(found, measured);
  if (forest) figures.effects = forest;
  Object.assign(figures, knobFigures(found, measured));
  if (front.length > 1) {
    tables.pareto = {
      title: `The front of ${plan.experiment.cost.label} against ${objective.label}`,
      ...paretoRows(front, measured),
      note: 'On the front, nothing is both cheaper and better in the mean. The share of seeds says in how many of them the same holds.',
    };
    figures.pareto = paretoFigure(front, measured);
  }
  if (worst.length > 0) {
    tables.worst = { title: 'The worst cases, seed by seed', ...worstRows(worst, measured) };
    const strip = worstFigure(worst, measured);
    if (strip) figures.worst = strip;
  }
  const text = summaryText({ measured, effects: found, worst, front });
  return { text, tables, figures };
}
