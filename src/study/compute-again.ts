import { InvalidInputError } from '../runtime/errors';
import type { RunMaker } from './measured-run';
import { PAPER_METHODS } from './methods';
import type { Results } from './results';
import { runConfiguration } from './run-configuration';

export interface ComputeAgainOptions {
  trainingSeed: number;
  seed: number;
  images: number;
  checkpoints?: string;
  onProgress?: (done: number, what: string) => void;
}

/** A shipped FID beside the same run made now; `shipped` is null where no row of this seed and size is there. */
export interface Again {
  method: string;
  trainingSeed: number;
  seed: number;
  images: number;
  shipped: number | null;
  now: number;
  difference: number | null;
}

/**
 * Makes rows of Table 1 again under one training and sampling seed.
 * @param shipped rows to compare with; with another number of images the FID is another, and nothing is compared
 * @throws InvalidInputError for a method that is not in Table 1.
 */
export async function computeAgain(
  maker: RunMaker,
  methods: readonly string[],
  shipped: Pick<Results, 'rows' | 'images'>,
  { trainingSeed, seed, images, checkpoints, onProgress }: ComputeAgainOptions,
): Promise<Again[]> {
  const rows: Again[] = [];
  for (const method of methods) {
    onProgress?.(rows.length, method);
    const options = PAPER_METHODS.find(({ name }) => name === method)?.options;
    if (!options) {
      throw new InvalidInputError('Rows to compute again', {
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
