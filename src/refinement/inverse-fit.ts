import { Matrix, solve } from 'ml-matrix';
import { centred, rowMean } from './rows';

/** Latents `[rows, channels]` with the conditions `[rows, width]` of the same tokens. */
export interface InversePairs {
  latents: Float32Array;
  channels: number;
  conditions: Float32Array;
  width: number;
}

/** A way to fit T^-1: pairs to a map. */
export type InverseFit = (pairs: InversePairs) => (latents: Float32Array) => Float32Array;

/** Ridge regression with an intercept, in closed form. */
export function ridgeFit(ridge = 1e-3): InverseFit {
  return ({ latents, channels, conditions, width }) => {
    const rows = latents.length / channels;
    const [xMean, yMean] = [rowMean(latents, channels), rowMean(conditions, width)];
    const [x, y] = [centred(latents, channels, xMean), centred(conditions, width, yMean)];
    const gram = new Float64Array(channels * channels);
    const cross = new Float64Array(channels * width);
    for (let row = 0; row < rows; row++) {
      for (let a = 0; a < channels; a++) {
        const value = x[row * channels + a];
        for (let b = 0; b < channels; b++) gram[a * channels + b] += value * x[row * channels + b];
        for (let b = 0; b < width; b++) cross[a * width + b] += value * y[row * width + b];
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
    return (input) => {
      const out = new Float32Array((input.length / channels) * width);
      for (let row = 0; row < input.length / channels; row++) {
        for (let b = 0; b < width; b++) {
          let sum = yMean[b];
          for (let a = 0; a < channels; a++) sum += (input[row * channels + a] - xMean[a]) * map[a * width + b];
          out[row * width + b] = sum;
        }
      }
      return out;
    };
  };
}
