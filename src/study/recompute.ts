import type { TableRow } from '../notebook/data-frame';
import { InvalidInputError } from '../runtime/errors';
import { type Json, withChanges } from '../sweep/configuration';
import type { Row } from '../sweep/store';
import type { Runner } from './measured-run';
import { PAPER_METHODS } from './methods';
import type { Ablation, Results } from './results';
import { runConfiguration } from './run-configuration';

export interface RecomputeOptions {
  trainingSeed: number;
  seed: number;
  images: number;
  checkpoints?: string;
  onProgress?: (done: number, what: string) => void;
}

/** A shipped FID beside the same run computed now; `shipped` is null where no row of this seed and size is there. */
export interface Recomputed {
  method: string;
  trainingSeed: number;
  seed: number;
  images: number;
  shipped: number | null;
  now: number;
  difference: number | null;
}

/**
 * Recomputes rows of Table 1 under one training and sampling seed.
 * @param shipped rows to compare with; with another number of images the FID is another, and nothing is compared
 * @throws InvalidInputError for a method that is not in Table 1.
 */
export async function recompute(
  maker: Runner,
  methods: readonly string[],
  shipped: Pick<Results, 'rows' | 'images'>,
  { trainingSeed, seed, images, checkpoints, onProgress }: RecomputeOptions,
): Promise<Recomputed[]> {
  const rows: Recomputed[] = [];
  for (const method of methods) {
    onProgress?.(rows.length, method);
    const options = PAPER_METHODS.find(({ name }) => name === method)?.options;
    if (!options) {
      throw new InvalidInputError('Rows to recompute', {
        given: JSON.stringify(method),
        expected: `some of ${PAPER_METHODS.map(({ name }) => name).join(', ')}`,
        remedy: 'Correct the name.',
      });
    }
    const given = { ...options, images, training: { ...options.training, seed: trainingSeed }, checkpoints };
    const { fid } = await maker.run(runConfiguration(JSON.parse(JSON.stringify(given))), seed);
    const row = shipped.rows.find(
      (each) => each.method === method && each.trainingSeed === trainingSeed && each.seed === seed,
    );
    const before = row && images === shipped.images ? row.values.fid : null;
    rows.push({
      ...{ method, trainingSeed, seed, images, shipped: before, now: fid },
      difference: before === null ? null : Number((fid - before).toPrecision(2)),
    });
  }
  return rows;
}

/** Recomputes the unrefined model, the defaults and some epsilons under one seed, beside the shipped rows of the same size. */
export async function recomputePoints(
  maker: Runner,
  { plan, rows }: Ablation,
  options: {
    epsilons: readonly number[];
    seed: number;
    images: number;
    onProgress?: (done: number, what: string) => void;
  },
): Promise<TableRow[]> {
  const { epsilons, seed, images, onProgress } = options;
  const points: { name: string; changes: Record<string, Json> }[] = [
    { name: 'without refinement', changes: { refinement: { method: 'none' }, law: {} } },
    { name: 'defaults', changes: {} },
    ...epsilons.map((epsilon) => ({ name: `epsilon ${epsilon}`, changes: { 'refinement.epsilon': epsilon } })),
  ];
  const out: TableRow[] = [];
  for (const { name, changes } of points) {
    onProgress?.(out.length, name);
    const configuration = runConfiguration(withChanges({ ...plan.base, images }, changes));
    const { fid, recall, classAccuracy, secondsPerImage } = await maker.run(configuration, seed);
    const same = (row: Row) => row.seed === seed && JSON.stringify(row.configuration) === JSON.stringify(wanted);
    const wanted = plan.points.find(
      (point) => JSON.stringify(point.changes) === JSON.stringify(changes),
    )?.configuration;
    const shipped = images === plan.base.images ? (rows.find(same)?.values.fid ?? null) : null;
    out.push({ point: name, shipped, now: fid, recall, classAccuracy, secondsPerImage });
  }
  return out;
}
