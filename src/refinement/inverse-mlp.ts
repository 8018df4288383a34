import { foldIn, type Key, key, normal, randint } from '../runtime/random';
import type { InverseFit } from './inverse-fit';
import { centred, coordinateVariance, rowMean } from './rows';

/** How the network is trained; a fit of 8000 rows of 8 channels and width 64 takes about a second. */
export interface MlpOptions {
  /** Units of the hidden layer; default 64. */
  hidden?: number;
  /** Steps of Adam; default 400. */
  steps?: number;
  /** Rows a step; default 128. */
  batch?: number;
  /** First rate, which falls to zero along a cosine; default 0.01. */
  rate?: number;
  key?: Key;
}

/**
 * The inverse process as a network of one hidden layer (tanh) beside a linear map, on standardised numbers, trained by Adam on the
 * squared error; the last layer starts at zero. In plain float64, so that it is the same on every backend.
 */
export function mlpFit({
  hidden = 64,
  steps = 400,
  batch = 128,
  rate = 0.01,
  key: source = key(0),
}: MlpOptions = {}): InverseFit {
  return ({ latents, channels, conditions, width }) => {
    const rows = latents.length / channels;
    const x = standardised(latents, channels);
    const y = standardised(conditions, width);
    const inner = layer(
      normal(foldIn(source, 'inner'), channels * hidden).map((z) => z / Math.sqrt(channels)),
      channels,
    );
    const outer = layer(new Float64Array(hidden * width), hidden);
    const direct = layer(new Float64Array(channels * width), channels);
    const units = new Float64Array(hidden);
    const output = new Float64Array(width);
    const forward = (values: Float64Array, at: number) => {
      multiply(inner, values, at, units);
      for (let h = 0; h < hidden; h++) units[h] = Math.tanh(units[h]);
      multiply(outer, units, 0, output);
      multiply(direct, values, at, output, true);
    };
    const error = new Float64Array(width);
    const back = new Float64Array(hidden);
    for (let step = 0; step < steps; step++) {
      for (const row of randint(foldIn(foldIn(source, 'rows'), step), Math.min(batch, rows), 0, rows)) {
        forward(x.values, row * channels);
        for (let k = 0; k < width; k++) error[k] = (output[k] - y.values[row * width + k]) / batch;
        back.fill(0);
        addGradient(outer, units, 0, error, back);
        addGradient(direct, x.values, row * channels, error);
        for (let h = 0; h < hidden; h++) back[h] *= 1 - units[h] ** 2;
        addGradient(inner, x.values, row * channels, back);
      }
      const now = (rate / 2) * (1 + Math.cos((Math.PI * step) / steps));
      for (const each of [inner, outer, direct]) update(each, now, step + 1);
    }
    return (input) => {
      const values = Float64Array.from(input, (value, i) => (value - x.mean[i % channels]) / x.deviation[i % channels]);
      const out = new Float32Array((input.length / channels) * width);
      for (let row = 0; row < input.length / channels; row++) {
        forward(values, row * channels);
        for (let k = 0; k < width; k++) out[row * width + k] = y.mean[k] + y.deviation[k] * output[k];
      }
      return out;
    };
  };
}

/** Weights `[inputs, outputs]` with a bias, their gradients and Adam's averages. */
interface Layer {
  inputs: number;
  outputs: number;
  /** The bias is the last row. */
  weights: Float64Array;
  gradient: Float64Array;
  first: Float64Array;
  second: Float64Array;
}

function layer(start: Float64Array, inputs: number): Layer {
  const outputs = start.length / inputs;
  const weights = new Float64Array((inputs + 1) * outputs);
  weights.set(start);
  const [gradient, first, second] = [0, 1, 2].map(() => new Float64Array(weights.length));
  return { inputs, outputs, weights, gradient, first, second };
}

function multiply({ inputs, outputs, weights }: Layer, x: Float64Array, at: number, out: Float64Array, add = false) {
  for (let k = 0; k < outputs; k++) out[k] = (add ? out[k] : 0) + weights[inputs * outputs + k];
  for (let i = 0; i < inputs; i++) {
    const value = x[at + i];
    for (let k = 0, w = i * outputs; k < outputs; k++, w++) out[k] += value * weights[w];
  }
}

/** Adds the gradient of one row, and to `back` the error that reaches the inputs. */
function addGradient(
  { inputs, outputs, weights, gradient }: Layer,
  x: Float64Array,
  at: number,
  error: Float64Array,
  back?: Float64Array,
): void {
  for (let i = 0; i < inputs; i++) {
    const value = x[at + i];
    let sum = 0;
    for (let k = 0, w = i * outputs; k < outputs; k++, w++) {
      gradient[w] += value * error[k];
      sum += weights[w] * error[k];
    }
    if (back) back[i] += sum;
  }
  for (let k = 0; k < outputs; k++) gradient[inputs * outputs + k] += error[k];
}

function update({ weights, gradient, first, second }: Layer, rate: number, step: number): void {
  const [one, two] = [1 - 0.9 ** step, 1 - 0.999 ** step];
  for (let w = 0; w < weights.length; w++) {
    first[w] = 0.9 * first[w] + 0.1 * gradient[w];
    second[w] = 0.999 * second[w] + 0.001 * gradient[w] ** 2;
    weights[w] -= (rate * (first[w] / one)) / (Math.sqrt(second[w] / two) + 1e-12);
    gradient[w] = 0;
  }
}

function standardised(rows: Float32Array, width: number) {
  const mean = rowMean(rows, width);
  const deviation = coordinateVariance(rows, width, mean).map((variance) => Math.sqrt(variance) || 1);
  const values = centred(rows, width, mean).map((value, i) => value / deviation[i % width]);
  return { mean, deviation, values };
}
