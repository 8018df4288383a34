import { Matrix, solve } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';

/** A linear map from token latents to conditions: the paper's T^-1 in closed form (ours: the paper leaves it open). */
export interface InverseProcess {
  /** `[rows, channels]` latents to `[rows, width]` conditions. */
  apply(latents: Float32Array): Float32Array;
  /** Share of the conditions' variance that it explains on the data that it was fitted to, in (-inf, 1]. */
  explained: number;
}

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
  const rows = latents.length / channels;
  if (!Number.isInteger(rows) || rows < 2 || conditions.length !== rows * width || !(ridge >= 0)) {
    throw new InvalidInputError('Inverse process', {
      given: `${latents.length} latent numbers of ${channels} channels, ${conditions.length} condition numbers of width ${width}, ridge ${ridge}`,
      expected: 'two or more rows, the same number on both sides, ridge >= 0',
      remedy: 'Collect latents and teacher-forced conditions of the same tokens.',
    });
  }
  const x = centred(latents, channels);
  const y = centred(conditions, width);
  const gram = new Float64Array(channels * channels);
  const cross = new Float64Array(channels * width);
  for (let row = 0; row < rows; row++) {
    for (let a = 0; a < channels; a++) {
      const value = x.values[row * channels + a];
      for (let b = 0; b < channels; b++) gram[a * channels + b] += value * x.values[row * channels + b];
      for (let b = 0; b < width; b++) cross[a * width + b] += value * y.values[row * width + b];
    }
  }
  let trace = 0;
  for (let a = 0; a < channels; a++) trace += gram[a * (channels + 1)];
  const penalty = (ridge * trace) / channels + Number.MIN_VALUE;
  for (let a = 0; a < channels; a++) gram[a * (channels + 1)] += penalty;
  const map = solve(
    Matrix.from1DArray(channels, channels, gram),
    Matrix.from1DArray(channels, width, cross),
  ).to1DArray();
  const apply = (input: Float32Array) => {
    const out = new Float32Array((input.length / channels) * width);
    for (let row = 0; row < input.length / channels; row++) {
      for (let b = 0; b < width; b++) {
        let sum = y.mean[b];
        for (let a = 0; a < channels; a++) sum += (input[row * channels + a] - x.mean[a]) * map[a * width + b];
        out[row * width + b] = sum;
      }
    }
    return out;
  };
  const fitted = apply(latents);
  let residual = 0;
  let total = 0;
  for (let i = 0; i < conditions.length; i++) {
    residual += (conditions[i] - fitted[i]) ** 2;
    total += y.values[i] ** 2;
  }
  return { apply, explained: total > 0 ? 1 - residual / total : 1 };
}

function centred(rows: Float32Array, width: number) {
  const count = rows.length / width;
  const mean = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) mean[i % width] += rows[i] / count;
  return { mean, values: Float64Array.from(rows, (value, i) => value - mean[i % width]) };
}
