import { verdictOf } from '../metrics/verdict';
import { difference, measured, type StudyRow } from './rows';
import type { TableRow } from './table-report';

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
