import { InvalidInputError } from '../runtime/errors';
import { type InverseFit, type InversePairs, ridgeFit } from './inverse-fit';
import { mlpFit } from './inverse-mlp';
import { type IdealLaw, present } from './law';
import { rowMean } from './rows';

/** A map from token latents to conditions: the paper's T^-1 (ours: the paper leaves it open). */
export interface InverseProcess {
  /** `[rows, channels]` latents to `[rows, width]` conditions. */
  apply(latents: Float32Array): Float32Array;
  /** Share of the conditions' variance that it explains on the data that it was fitted to, in (-inf, 1]. */
  explained: number;
  /** The same on every fifth row, by a fit to the others: what it knows of rows that it has not seen. */
  heldOut?: number;
}

/** Ridge regression (closed form) or a small network. */
export const INVERSE_KINDS = ['ridge', 'mlp'] as const;
export type InverseKind = (typeof INVERSE_KINDS)[number];

/** Rows of a buffer that T^-1 is fitted to: many times its few hundred coefficients. */
const FIT_ROWS = 8000;

/** T^-1 fitted to the pairs of ideal laws, one map for all. @throws InvalidInputError for laws without latents. */
export function fitToLaws(laws: readonly IdealLaw[], kind: InverseKind): InverseProcess {
  const stride = Math.max(1, Math.ceil(laws.reduce((sum, { count }) => sum + count, 0) / FIT_ROWS));
  const conditions: number[] = [];
  const latents: number[] = [];
  let row = 0;
  for (const law of laws) {
    const own = present(law.latents, 'the latents of its targets, which T^-1 is fitted to');
    const channels = own.length / law.count;
    for (let i = 0; i < law.count; i++, row++) {
      if (row % stride !== 0) continue;
      for (let k = 0; k < channels; k++) latents.push(own[i * channels + k]);
      for (let k = 0; k < law.width; k++) conditions.push(law.targets[i * law.width + k]);
    }
  }
  const width = laws[0]?.width ?? 1;
  const pairs = {
    latents: Float32Array.from(latents),
    channels: (latents.length * width) / Math.max(1, conditions.length),
    conditions: Float32Array.from(conditions),
    width,
  };
  return measuredProcess(pairs, kind === 'ridge' ? ridgeFit() : mlpFit());
}

/** One row in so many is held out. */
const HELD_OUT = 5;

/**
 * Ridge regression of teacher-forced conditions on token latents, with an intercept that is not penalised.
 * @param ridge penalty relative to the mean variance of a latent channel, >= 0; default 1e-3.
 * @throws InvalidInputError when the arrays are not the same number of rows, or fewer than two.
 */
export function fitInverseProcess(
  latents: Float32Array,
  channels: number,
  conditions: Float32Array,
  width: number,
  ridge = 1e-3,
): InverseProcess {
  if (!(ridge >= 0)) throw wrongPairs(`ridge ${ridge}`);
  return measuredProcess({ latents, channels, conditions, width }, ridgeFit(ridge));
}

/** Fits to all pairs, and once more without every fifth to say what it is worth. @throws InvalidInputError for unequal rows. */
export function measuredProcess(pairs: InversePairs, mapOf: InverseFit): InverseProcess {
  const { latents, channels, conditions, width } = pairs;
  const rows = latents.length / channels;
  if (!Number.isInteger(rows) || rows < 2 || conditions.length !== rows * width) {
    throw wrongPairs(
      `${latents.length} latent numbers of ${channels} channels, ${conditions.length} condition numbers of width ${width}`,
    );
  }
  const apply = mapOf(pairs);
  const part = (held: boolean): InversePairs => ({
    ...pairs,
    latents: latents.filter((_, i) => (Math.floor(i / channels) % HELD_OUT === HELD_OUT - 1) === held),
    conditions: conditions.filter((_, i) => (Math.floor(i / width) % HELD_OUT === HELD_OUT - 1) === held),
  });
  const heldOut = rows > 2 * HELD_OUT ? explainedBy(mapOf(part(false)), part(true)) : undefined;
  return { apply, explained: explainedBy(apply, pairs), heldOut };
}

/** 1 - mean squared error over variance. */
function explainedBy(apply: (latents: Float32Array) => Float32Array, { latents, conditions, width }: InversePairs) {
  const fitted = apply(latents);
  const mean = rowMean(conditions, width);
  let residual = 0;
  let total = 0;
  for (let i = 0; i < conditions.length; i++) {
    residual += (conditions[i] - fitted[i]) ** 2;
    total += (conditions[i] - mean[i % width]) ** 2;
  }
  return total > 0 ? 1 - residual / total : 1;
}

function wrongPairs(given: string): InvalidInputError {
  return new InvalidInputError('Inverse process', {
    given,
    expected: 'two or more rows, the same number on both sides, ridge >= 0',
    remedy: 'Collect latents and teacher-forced conditions of the same tokens.',
  });
}
