import { pairedDifference } from '../metrics/confidence';
import { verdictOf } from '../metrics/verdict';
import type { SummaryRow } from '../notebook/record';
import { withChanges } from '../sweep/configuration';
import type { Plan } from '../sweep/plan';
import type { Row } from '../sweep/store';
import type { RunMaker } from './measured-run';
import { runConfiguration } from './run-configuration';
import type { TableRow } from './table-report';

/** A shipped ablation: its plan and rows. */
export interface Ablation {
  model: string;
  plan: Plan;
  rows: readonly Row[];
}

/** FIDs of a point by seed. */
function fidsOf({ rows }: Ablation, keys: readonly string[]): number[] {
  const found = keys.flatMap((key) => rows.find((row) => row.key === key)?.values.fid ?? []);
  return found as number[];
}

/** Makes the unrefined model, the defaults and some epsilons again under one seed, beside the shipped rows of the same size. */
export async function againAtSomePoints(
  maker: RunMaker,
  { plan, rows }: Ablation,
  options: {
    epsilons: readonly number[];
    seed: number;
    images: number;
    onProgress?: (done: number, what: string) => void;
  },
): Promise<TableRow[]> {
  const { epsilons, seed, images, onProgress } = options;
  const points = [
    { name: 'without refinement', changes: { refinement: { method: 'none' }, law: {} } },
    { name: 'defaults', changes: {} },
    ...epsilons.map((epsilon) => ({ name: `epsilon ${epsilon}`, changes: { 'refinement.epsilon': epsilon } })),
  ];
  const out: TableRow[] = [];
  for (const { name, changes } of points) {
    onProgress?.(out.length, name);
    const configuration = runConfiguration(withChanges({ ...plan.base, images }, changes as never));
    const { fid, recall, classAccuracy, secondsPerImage } = await maker.run(configuration, seed);
    const same = (row: Row) => row.seed === seed && JSON.stringify(row.configuration) === JSON.stringify(wanted);
    const wanted = plan.points.find(
      (point) => JSON.stringify(point.changes) === JSON.stringify(changes),
    )?.configuration;
    const shipped = images === plan.base.images ? (rows.find(same)?.values.fid ?? null) : null;
    out.push({ point: name, shipped: shipped as number | null, now: fid, recall, classAccuracy, secondsPerImage });
  }
  return out;
}

/** What the ablation says of the refinement as a whole: at its defaults and at its best and worst single change, against no refinement. */
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
    const alone = rowsOf.filter(({ origin }) => origin !== 'random').sort((a, b) => a.mean - b.mean);
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
