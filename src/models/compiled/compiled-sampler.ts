import * as tf from '@tensorflow/tfjs';
import type { PlainArray } from '../../compile';
import { scan } from '../../compile/scan';
import type { Diffusion } from '../../diffusion/gaussian-diffusion';
import type { NoiseSource } from '../../diffusion/noise';
import { reverseCoefficients } from '../../diffusion/reverse-coefficients';
import type { SamplerOptions } from '../../diffusion/sampler';
import type { Parameters } from '../../runtime/parameters';
import { denoiseModulated, embedConditions, embedTimesteps } from '../blocks/diffusion-loss';
import { foldedHead, foldedModulations } from '../blocks/folded-head';
import { silu } from '../blocks/layers';
import { type CompiledParameters, partsOf } from './compile-model';

/** A reverse process; sequences are in the order of its steps, from noise to sample. */
interface ProcessInputs extends Record<string, tf.Tensor> {
  /** Pure noise `[rows, channels]`. */
  start: tf.Tensor2D;
  /** Noise of the steps `[steps, rows, channels]`, where there is any. */
  noise: tf.Tensor3D;
  /** With guidance the unconditional half follows, `[rows or 2 rows, conditionWidth]`. */
  conditions: tf.Tensor2D;
  /** Int32 `[steps]`. */
  timesteps: tf.Tensor1D;
  /** Guidance scale. */
  guidance: tf.Scalar;
  /** And the `ReverseCoefficients`, `[steps]` each. */
}

/** What a graph of a reverse process is made for, beside the shapes of its arguments. */
export interface CompiledProcess {
  prefix: string;
  method: 'ancestral' | 'ddim';
  guided: boolean;
  /** Whether every step's sample and predicted start are results too. */
  recorded: boolean;
  /** Threads within an operator. */
  threads: number;
}

/** So many rows times steps a thread have their modulations computed together: as large a product as runs at full speed. */
const ROWS_AT_ONCE = 400;

/**
 * A whole reverse process as one graph: a loop over groups of steps, whose modulations are computed together because they do not
 * depend on the sample, and in it a loop over the steps of the group.
 */
function reverseProcess({ prefix, method, guided, recorded, threads }: CompiledProcess) {
  return (inputs: ProcessInputs, parameters: Parameters): Record<string, tf.Tensor> => {
    const { start, noise, conditions, timesteps, guidance } = inputs;
    const head = foldedHead(parameters, prefix);
    const embedded = embedConditions(parameters, conditions, prefix);
    const times = embedTimesteps(parameters, timesteps, prefix);
    const [steps, width] = times.shape;
    const [rows] = embedded.shape;
    const half: [number, number] = [start.shape[0], start.shape[1]];
    const group = groupSize(steps, rows, ROWS_AT_ONCE * threads);

    // Predicted noise and variance values are side by side in the output, and so are the numbers that they are multiplied with.
    const columns = (noise: tf.Tensor, variance: tf.Tensor) => {
      const wide = (numbers: tf.Tensor) => tf.zeros([steps, half[1]]).add(numbers.expandDims(1));
      return tf.concat([wide(noise), wide(variance)], 1);
    };
    const { ofNoised, ofEpsilon, slope, offset } = inputs;
    const ancestral = method === 'ancestral';
    const entriesOfSteps: Record<string, tf.Tensor> = {
      ofNoised,
      ofOutput: columns(guided ? ofEpsilon.mul(guidance) : ofEpsilon, slope),
      ...(guided ? { ofUnconditional: columns(ofEpsilon.mul(tf.sub(1, guidance)), tf.zeros([steps])) } : {}),
      ...(noise ? { noise: noise.mul((ancestral ? offset.exp() : offset).reshape([steps, 1, 1])) } : {}),
      ...(recorded ? { startOfNoised: inputs.startOfNoised, startOfScaled: inputs.startOfEpsilon.div(ofEpsilon) } : {}),
    };

    const step = (x: tf.Tensor2D, modulations: tf.Tensor[], entries: Record<string, tf.Tensor>) => {
      const input = (guided ? tf.concat([x, x], 0) : x) as tf.Tensor2D;
      const output = denoiseModulated(head, input, modulations, prefix);
      const [own, unconditional] = guided ? tf.split(output, 2, 0) : [output];
      const scaled = own.mul(entries.ofOutput);
      const [epsilon, variance] = tf.split(
        unconditional ? scaled.add(unconditional.mul(entries.ofUnconditional)) : scaled,
        2,
        1,
      );
      let sample = x.mul(entries.ofNoised).add(epsilon);
      if (noise) sample = sample.add(ancestral ? entries.noise.mul(variance.exp()) : entries.noise);
      const start = () => x.mul(entries.startOfNoised).add(epsilon.mul(entries.startOfScaled));
      return { states: [sample], kept: recorded ? [sample, start()] : [] };
    };
    const names = Object.keys(entriesOfSteps);
    const sequences = [times, ...Object.values(entriesOfSteps)];
    const grouped = sequences.map((x) => x.reshape([steps / group, group, ...x.shape.slice(1)]));
    const { states, kept } = scan([start], grouped, (state, [timesOfGroup, ...entries]) => {
      const rowsOfGroup = embedded.expandDims(0).add(timesOfGroup.expandDims(1)).reshape([-1, width]);
      const modulations = foldedModulations(head, silu(rowsOfGroup) as tf.Tensor2D, prefix).map((x) =>
        x.reshape([group, rows, width]),
      );
      return scan(state, [...modulations, ...entries], ([x], all) => {
        const own = all.slice(modulations.length);
        const named = Object.fromEntries(names.map((name, i) => [name, own[i]]));
        return step(x as tf.Tensor2D, all.slice(0, modulations.length), named);
      });
    });
    const [samples, starts] = kept.map((x) => x.reshape([steps, ...half]));
    return recorded ? { sample: states[0], samples, starts } : { sample: states[0] };
  };
}

/** How many steps have their modulations computed together: a divisor of their number, for at most so many rows. */
function groupSize(steps: number, rows: number, most: number): number {
  let size = 1;
  for (let n = 1; n <= steps && n * rows <= most; n++) if (steps % n === 0) size = n;
  return size;
}

/**
 * The reverse process as one native call, or one on each thread for its part of the rows: the same as `sampleDiffusion` over the
 * eager head. With `onStep` it is called when all steps are done.
 * @param conditions `[rows, conditionWidth]`, with guidance the unconditional half below, `[2 rows, ...]`.
 */
export function sampleCompiled(
  parameters: CompiledParameters,
  process: Omit<CompiledProcess, 'recorded' | 'threads'> & { diffusion: Diffusion },
  conditions: tf.Tensor2D,
  channels: number,
  noise: NoiseSource,
  options: SamplerOptions & { guidance: number },
): tf.Tensor2D {
  const { diffusion, prefix, method, guided } = process;
  const { eta = 0, temperature = 1, onStep, guidance } = options;
  const halves = guided ? 2 : 1;
  const rows = conditions.shape[0] / halves;
  const order = Array.from({ length: diffusion.steps }, (_, i) => diffusion.steps - 1 - i);
  const start = noise.initial([rows, channels]);
  const noisy = method === 'ancestral' || eta > 0;
  const draws = noisy ? stepNoise(noise, order, [rows, channels], method === 'ancestral' ? temperature : 1) : undefined;
  const common = {
    ...stepArrays(diffusion, order, method, eta),
    guidance: { data: Float32Array.of(guidance), shape: [] },
  };
  const parts = partsOf(parameters, rows);
  const share = rows / parts;
  const inputs = Array.from({ length: parts }, (_, i) => {
    const own = (data: Float32Array, blocks: number, shape: number[]) => ({
      data: part(data, blocks, i, parts),
      shape,
    });
    return {
      ...common,
      start: own(start, 1, [share, channels]),
      conditions: own(conditions.dataSync() as Float32Array, halves, [halves * share, conditions.shape[1]]),
      ...(draws ? { noise: own(draws, order.length, [order.length, share, channels]) } : {}),
    };
  });
  const recorded = onStep !== undefined;
  const threads = parts > 1 ? 1 : parameters.threads;
  const name = `reverse process ${prefix} ${method} ${guided ? 'guided' : ''} ${recorded ? 'recorded' : ''} ${threads}`;
  const results = parameters
    .part(name, reverseProcess({ prefix, method, guided, recorded, threads }))
    .parallel(inputs as never) as Record<string, PlainArray>[];
  const joined = (key: string, at = 0): tf.Tensor2D => {
    const data = new Float32Array(rows * channels);
    for (const [i, result] of results.entries()) {
      const numbers = result[key].data as Float32Array;
      data.set(numbers.subarray(at * share * channels, (at + 1) * share * channels), i * share * channels);
    }
    return tf.tensor2d(data, [rows, channels]);
  };
  for (const [i, step] of onStep ? order.entries() : []) {
    const result = { sample: joined('samples', i), predictedStart: joined('starts', i) };
    try {
      onStep?.(step, result);
    } finally {
      tf.dispose([result.sample, result.predictedStart]);
    }
  }
  return joined('sample');
}

/** Time steps and coefficients of a whole process. */
function stepArrays(
  diffusion: Diffusion,
  order: readonly number[],
  method: 'ancestral' | 'ddim',
  eta: number,
): Record<string, PlainArray> {
  const timesteps = Int32Array.from(order, (step) => diffusion.timestepMap[step]);
  const arrays = { ...reverseCoefficients(diffusion, order, method, eta), timesteps };
  return Object.fromEntries(Object.entries(arrays).map(([key, data]) => [key, { data, shape: [order.length] }]));
}

/** The i-th of equal parts of each of equally long blocks. */
function part(data: Float32Array, blocks: number, i: number, parts: number): Float32Array {
  if (parts === 1) return data;
  const block = data.length / blocks;
  const share = block / parts;
  const taken = new Float32Array(data.length / parts);
  for (let b = 0; b < blocks; b++) {
    taken.set(data.subarray(b * block + i * share, b * block + (i + 1) * share), b * share);
  }
  return taken;
}

/** Noise of all steps but the last, which adds none. */
function stepNoise(
  source: NoiseSource,
  order: readonly number[],
  shape: [number, number],
  temperature: number,
): Float32Array {
  const size = shape[0] * shape[1];
  const noise = new Float32Array(order.length * size);
  for (const [i, step] of order.entries()) if (step > 0) noise.set(source.step(step, shape), i * size);
  return temperature === 1 ? noise : noise.map((x) => x * Math.fround(temperature));
}
