import type { Data } from 'plotly.js';
import { type Figure, figure } from '../../plots/figure';
import { type Json, valueAt } from '../configuration';
import type { Effect } from './effects';
import { halfWidth, sides } from './forest';
import { knobsOf, type Measured, type MeasuredPoint, valueText } from './measured';

/** Positive values that span more than this factor stand on a logarithmic axis. */
const DECADES = 20;

/** One figure per knob that is changed alone: the effect with its 95 % interval at each value. */
export function knobFigures(found: readonly Effect[], measured: Measured): Record<string, Figure> {
  const alone = found.filter(({ at }) => Object.keys(at.point.changes).length === 1 && isPlanned(at));
  return Object.fromEntries(
    knobsOf(alone.map(({ at }) => at)).map((knob) => [
      `knob-${knob.replace(/[^a-z0-9.-]/gi, '-')}`,
      knobFigure(
        knob,
        alone.filter(({ at }) => knob in at.point.changes),
        found,
        measured,
      ),
    ]),
  );
}

const isPlanned = ({ point }: MeasuredPoint) => point.origin === 'one at a time' || point.origin === 'point';

function knobFigure(knob: string, own: readonly Effect[], found: readonly Effect[], measured: Measured): Figure {
  const { base, plan } = measured;
  const { label, better } = plan.experiment.objective;
  const ofBase = base && found.find(({ at }) => at === base);
  const stops = own.map((effect) => ({ value: effect.at.point.changes[knob], effect }));
  const baseValue = valueAt(plan.base, knob);
  if (ofBase && baseValue !== undefined) {
    stops.push({ value: baseValue, effect: { ...ofBase, toBase: { mean: 0, count: 0, verdict: 'undecided' } } });
  }
  stops.sort((a, b) => positionOf(a.value) - positionOf(b.value));
  const values = stops.map(({ value }) => value);
  const onAxis = values.every((value) => typeof value === 'number');
  const data = sides(plan).flatMap(({ side, name, color, symbol }): Data[] => {
    const shown = stops.flatMap(({ value, effect: { [side]: effect } }) => (effect ? [{ value, effect }] : []));
    if (shown.length === 0) return [];
    const markers = { color, size: 9, symbol: shown.map(({ effect }) => (effect.count === 0 ? 'diamond' : symbol)) };
    return [
      {
        type: 'scatter',
        mode: onAxis ? 'lines+markers' : 'markers',
        name,
        x: shown.map(({ value }) => (onAxis ? (value as number) : valueText(value))),
        y: shown.map(({ effect }) => effect.mean),
        error_y: { type: 'data', array: shown.map(({ effect }) => halfWidth(effect)), thickness: 1.4, width: 5 },
        line: { color, width: 1 },
        marker: markers,
      },
    ];
  });
  const numbers = values.filter((value): value is number => typeof value === 'number');
  const isLog = onAxis && Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) > DECADES;
  const ticks = isLog ? { tickvals: [...new Set(numbers)], ticktext: [...new Set(numbers)].map(String) } : {};
  return figure(data, {
    title: `${knob}: effect on ${label}, ${better} is better (95 % intervals, ◆ the base)`,
    x: knob,
    y: `difference of ${label}`,
    layout: {
      xaxis: onAxis ? { type: isLog ? 'log' : 'linear', ...ticks } : { type: 'category' },
      yaxis: { zeroline: true, zerolinecolor: '#777' },
      showlegend: true,
    },
  });
}

/** Numbers in their order, "infinite" after them, then words. */
function positionOf(value: Json): number {
  if (typeof value === 'number') return value;
  return value === 'infinite' || value === 'Infinity' ? Number.MAX_VALUE : Infinity;
}
