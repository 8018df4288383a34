import { pairedDifference } from '../metrics/confidence';
import { type Verdict, verdictOf } from '../metrics/verdict';
import type { TableRow } from '../notebook/data-frame';
import type { SummaryRow } from '../notebook/record';
import { type Figure, figure, PALETTE } from '../plots/figure';
import { forestFigure } from '../plots/forest';
import type { Measure } from './measures';
import type { Method } from './methods';
import { baselineOf } from './methods';
import type { Ablation } from './results';
import { difference, measured, methodsOf, type StudyRow, samplingError, unitOf, valuesByUnit } from './rows';

/** The published numbers (ImageNet 256 x 256, FID-50K; PAPER: Table 1). */
export const PAPER_TABLE_1: Record<string, { fid: number; inceptionScore: number }> = {
  CDM: { fid: 3.26, inceptionScore: 259.6 },
  AR: { fid: 2.02, inceptionScore: 282.6 },
  'AR + OT': { fid: 1.52, inceptionScore: 317.6 },
  MAR: { fid: 1.55, inceptionScore: 303.7 },
  'MAR + OT': { fid: 1.31, inceptionScore: 324.2 },
};

/** Measures of a table with the decimals that their errors allow. */
const COLUMNS: readonly [Measure, number][] = [
  ['fid', 1],
  ['inceptionScore', 2],
  ['precision', 3],
  ['recall', 3],
  ['classAccuracy', 3],
  ['conditionError', 3],
  ['spread', 2],
  ['bufferDistance', 2],
  ['nearCopies', 3],
  ['secondsPerImage', 4],
  ['megaflopsPerImage', 0],
];

/** One row per method: mean and standard error over trainings (or sampling seeds, where there is one training) of every measure. */
export function tableRows(rows: readonly StudyRow[], paper = PAPER_TABLE_1): TableRow[] {
  return methodsOf(rows).map((method) => {
    const own = rows.filter((row) => row.method === method);
    const cells = COLUMNS.map(([measure, digits]): [string, string | number | null] => {
      const found = measured(rows, method, measure);
      return [measure, found ? `${found.mean.toFixed(digits)} ± ${found.standardError.toFixed(digits)}` : null];
    });
    const trainings = new Set(own.map(({ trainingSeed }) => trainingSeed)).size;
    return {
      method,
      ...Object.fromEntries(cells),
      paperFid: paper[method]?.fid ?? null,
      paperIs: paper[method]?.inceptionScore ?? null,
      trainings,
      runs: own.length,
      fidSamplingError: Number(samplingError(rows, method, 'fid').toFixed(2)),
    };
  });
}

/** One row per method against its baseline: paired differences with 95 % intervals, and the verdict on the FID. */
export function differenceRows(rows: readonly StudyRow[], methods: readonly Method[]): TableRow[] {
  return methods.flatMap((method) => {
    const baseline = baselineOf(method);
    if (baseline === method.name) return [];
    const { mean, low, high, pValue, count, unit } = difference(rows, baseline, method.name, 'fid');
    const of = (measure: Measure) => difference(rows, baseline, method.name, measure);
    const [recall, accuracy] = [of('recall'), of('classAccuracy')];
    return [
      {
        method: method.name,
        baseline,
        fid: round(mean, 2),
        low: round(low, 2),
        high: round(high, 2),
        relative: `${Math.round((100 * mean) / meanOf(rows, baseline))} %`,
        pValue: round(pValue, 4),
        verdict: verdictOf({ low, high }, 'lower'),
        recall: round(recall.mean, 3),
        classAccuracy: round(accuracy.mean, 3),
        over: `${count} ${unit}`,
      },
    ];
  });
}

const round = (value: number, digits: number) => Number(value.toFixed(digits));

function meanOf(rows: readonly StudyRow[], method: string): number {
  const values = [...valuesByUnit(rows, method, 'fid').values()];
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** FID differences with their intervals, best first. */
export function differenceFigure(differences: readonly TableRow[], title: string): Figure {
  const rows = [...differences]
    .sort((a, b) => Number(a.fid) - Number(b.fid))
    .map(({ method, baseline, fid, low, high, verdict }) => ({
      name: `${method} − ${baseline}`,
      ...{ mean: Number(fid), low: Number(low), high: Number(high), verdict: verdict as Verdict },
    }));
  const names = rows.map(({ name }) => name);
  return forestFigure([{ rows }], { title, x: 'FID difference, left is better (95 % interval)', names });
}

/** The FID of methods with their errors. */
export function fidFigure(rows: readonly StudyRow[], title: string): Figure {
  const found = methodsOf(rows).flatMap((method) => {
    const value = measured(rows, method, 'fid');
    return value ? [{ method, ...value }] : [];
  });
  return figure(
    [
      {
        type: 'bar',
        x: found.map(({ method }) => method),
        y: found.map(({ mean }) => mean),
        error_y: { type: 'data', array: found.map(({ standardError }) => standardError), thickness: 1.5 },
        marker: { color: found.map((_, i) => PALETTE[i % 7]) },
      },
    ],
    {
      title,
      x: '',
      y: 'FID of small-classifier features',
      width: 820,
      layout: { margin: { l: 70, r: 40, t: 55, b: 140 } },
    },
  );
}

/** A claim "method is better than baseline" as a line of the summary. */
export function claimRow(
  rows: readonly StudyRow[],
  claim: { text: string; baseline: string; method: string; paper: string },
): SummaryRow {
  const { mean, standardError, low, high, count, unit } = difference(rows, claim.baseline, claim.method, 'fid');
  const share = Math.round((100 * mean) / meanOf(rows, claim.baseline));
  return {
    claim: claim.text,
    ours: `FID ${mean > 0 ? '+' : ''}${mean.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}] (${share} %)`,
    error: `± ${standardError.toFixed(1)} (${count} ${unit})`,
    paper: claim.paper,
    verdict: verdictOf({ low, high }, 'lower'),
    note: `analogue: procedural images, small-classifier features; error over ${unitOf(rows)}`,
  };
}

/** A table of scales: per model and scale the FID without and with refinement, and the paired difference. */
function scaleRows(rows: readonly StudyRow[], scales: readonly { label: string; suffix: string }[]): TableRow[] {
  return (['AR', 'MAR'] as const).flatMap((model) =>
    scales.flatMap(({ label, suffix }) => {
      const [plain, refined] = [`${model}${suffix}`, `${model} + OT${suffix}`];
      const [a, b] = [measured(rows, plain, 'fid'), measured(rows, refined, 'fid')];
      if (!a || !b) return [];
      const { mean, low, high, unit, count } = difference(rows, plain, refined, 'fid');
      const text = ({ mean: value, standardError }: typeof a) => `${value.toFixed(1)} ± ${standardError.toFixed(1)}`;
      return [
        {
          model,
          scale: label,
          fid: text(a),
          'fid + OT': text(b),
          difference: Number(mean.toFixed(1)),
          low: Number(low.toFixed(1)),
          high: Number(high.toFixed(1)),
          verdict: verdictOf({ low, high }, 'lower'),
          over: `${count} ${unit}`,
        },
      ];
    }),
  );
}

/** Table 2: widths 32, 64 and 128; the middle one is Table 1's. */
export function table2Rows(rows: readonly StudyRow[], table1: readonly StudyRow[]): TableRow[] {
  return scaleRows(
    [...rows, ...table1],
    [
      { label: 'narrow (32)', suffix: ', narrow' },
      { label: 'small (64)', suffix: '' },
      { label: 'wide (128)', suffix: ', wide' },
    ],
  );
}

/** Table 3: twice the resolution. */
export function table3Rows(rows: readonly StudyRow[]): TableRow[] {
  return scaleRows(rows, [{ label: '64 x 64', suffix: ', 64 pixels' }]);
}

/** FIDs of a point by seed. */
function fidsOf({ rows }: Ablation, keys: readonly string[]): number[] {
  return keys.flatMap((key) => rows.find((row) => row.key === key)?.values.fid ?? []);
}

/** Claims of an ablation about the refinement as a whole: at its defaults and at its best and worst single change, against no refinement. */
export function ablationSummary(ablations: readonly Ablation[]): SummaryRow[] {
  return ablations.flatMap((ablation) => {
    const { model, plan } = ablation;
    const rowsOf = plan.points.flatMap((point) => {
      const [own, without] = [point.keys, point.control ?? []].map((keys) => fidsOf(ablation, keys));
      if (own.length < 2 || own.length !== without.length) return [];
      const name = Object.entries(point.changes).map(
        ([knob, value]) => `${knob.replace('refinement.', '')} ${JSON.stringify(value)}`,
      );
      return [{ origin: point.origin, name: name.join(', ') || 'the defaults', ...pairedDifference(without, own) }];
    });
    const alone = rowsOf.sort((a, b) => a.mean - b.mean);
    const base = rowsOf.find(({ origin }) => origin === 'base');
    if (!base || alone.length < 2) return [];
    const line = (
      claim: string,
      { name, mean, low, high, standardError, count }: (typeof alone)[number],
    ): SummaryRow => ({
      claim: `${claim} (${name})`,
      ours: `FID ${mean > 0 ? '+' : ''}${mean.toFixed(1)} [${low.toFixed(1)}, ${high.toFixed(1)}]`,
      error: `± ${standardError.toFixed(1)} (${count} sampling seeds)`,
      paper: 'no ablation',
      verdict: verdictOf({ low, high }, 'lower'),
      note: 'one training, the one on which defaults are chosen; the best of many points looks better than it is',
    });
    return [
      line(`Ablation, ${model}: refinement helps at its defaults`, base),
      line(`Ablation, ${model}: refinement helps at its best single change`, alone[0]),
      line(`Ablation, ${model}: refinement helps at its worst single change`, alone[alone.length - 1]),
    ];
  });
}
