import * as tf from '@tensorflow/tfjs';
import type { Diffusion } from '../diffusion/gaussian-diffusion';
import type { NoiseSource } from '../diffusion/noise';
import { reverseArrays } from '../diffusion/reverse-arrays';
import type { SamplerOptions } from '../diffusion/sampler';
import type { PlainArray } from '../runtime/compile';
import type { Accelerator } from './accelerate';
import { denoise, embedConditions, embedTimesteps } from './diffusion-loss';
import { foldedHead } from './folded-head';
import type { Parameters } from './parameters';

/** What the network takes in one step; everything that changes between steps is an argument. */
interface StepInputs extends Record<string, tf.Tensor> {
  /** `[rows, channels]`. */
  noised: tf.Tensor2D;
  /** Condition part of the modulation, `[rows, width]`; with guidance the unconditional half follows. */
  modulation: tf.Tensor2D;
  /** Index of the respaced process, int32 `[1]`. */
  step: tf.Tensor1D;
}

/** What stays the same during one reverse process. */
export interface CompiledProcess {
  diffusion: Diffusion;
  prefix: string;
  method: 'ancestral' | 'ddim';
  guided: boolean;
}

/** The network of one step, on both halves of the guidance at once, as one graph. */
function network({ diffusion, prefix, guided }: CompiledProcess) {
  return ({ noised, modulation, step }: StepInputs, parameters: Parameters) => {
    // Constant under frozen weights, so the table is made once when the graph is loaded.
    const times = embedTimesteps(parameters, tf.tensor1d(diffusion.timestepMap, 'int32'), prefix);
    const input = guided ? (tf.concat([noised, noised], 0) as tf.Tensor2D) : noised;
    const all = modulation.add(tf.gather(times, step)) as tf.Tensor2D;
    return { output: denoise(foldedHead(parameters, prefix), input, all, prefix) };
  };
}

/**
 * The reverse process as one native call per step and one loop over its result: the same as `sampleDiffusion` over the eager head.
 * @param conditions `[rows, conditionWidth]`, with guidance the unconditional half below, `[2 rows, ...]`.
 */
export function sampleCompiled(
  accelerator: Accelerator,
  process: CompiledProcess,
  conditions: tf.Tensor2D,
  channels: number,
  noise: NoiseSource,
  options: SamplerOptions & { guidance: number },
): tf.Tensor2D {
  const { diffusion, prefix, method, guided } = process;
  const { eta = 0, temperature = 1, onStep, guidance } = options;
  const rows = conditions.shape[0] / (guided ? 2 : 1);
  const shape: [number, number] = [rows, channels];
  const embed = accelerator.part(
    `condition embedding ${prefix}`,
    (inputs: { conditions: tf.Tensor2D }, parameters) => ({
      modulation: embedConditions(parameters, inputs.conditions, prefix),
    }),
  );
  const { modulation } = embed.arrays({ conditions: plainArray(conditions) });
  const name = `denoising ${prefix} ${guided ? 'guided' : ''} ${diffusion.timestepMap.join()}`;
  const predict = accelerator.part(name, network(process));
  const noisy = method === 'ancestral' || eta > 0;
  let noised = taken(noise.initial(shape));
  for (let step = diffusion.steps - 1; step >= 0; step--) {
    const { output } = predict.arrays({
      noised: { data: noised, shape },
      modulation,
      step: { data: Int32Array.of(step), shape: [1] },
    });
    const draw = noisy && step > 0 ? taken(noise.step(step, shape)) : undefined;
    const at = { diffusion, step, method, guidance, eta, temperature };
    const { sample, predictedStart } = reverseArrays(at, output.data as Float32Array, noised, channels, draw);
    noised = sample;
    if (onStep) {
      const result = { sample: tf.tensor2d(sample, shape), predictedStart: tf.tensor2d(predictedStart, shape) };
      onStep(step, result);
      tf.dispose([result.sample, result.predictedStart]);
    }
  }
  return tf.tensor2d(noised, shape);
}

const plainArray = (x: tf.Tensor): PlainArray => ({ data: x.dataSync() as Float32Array, shape: x.shape });

/** The numbers of a tensor that is not needed any more. */
function taken(x: tf.Tensor): Float32Array {
  const data = x.dataSync() as Float32Array;
  x.dispose();
  return data;
}
