import * as tf from '@tensorflow/tfjs';
import { coefficientsAt } from '../diffusion/coefficients';
import type { Diffusion } from '../diffusion/gaussian-diffusion';
import type { NoiseSource } from '../diffusion/noise';
import { guide, predictReverse } from '../diffusion/reverse-step';
import type { SamplerOptions } from '../diffusion/sampler';
import type { PlainArray } from '../runtime/compile';
import type { Accelerator } from './accelerate';
import { denoise, embedConditions, embedTimesteps } from './diffusion-loss';
import type { Parameters } from './parameters';

/** What one compiled step of the reverse process takes; everything that changes between steps is an argument. */
interface StepInputs extends Record<string, tf.Tensor> {
  /** `[rows, channels]`. */
  noised: tf.Tensor2D;
  noise: tf.Tensor2D;
  /** Condition part of the modulation, `[rows, width]`; with guidance the unconditional half follows. */
  modulation: tf.Tensor2D;
  /** Index of the respaced process, int32 `[1]`. */
  step: tf.Tensor1D;
  /** Factors `[4]`: of guidance, of predicted start and implied noise (DDIM only), of the noise. */
  factors: tf.Tensor1D;
}

/** What stays the same during one reverse process. */
export interface CompiledProcess {
  diffusion: Diffusion;
  prefix: string;
  method: 'ancestral' | 'ddim';
  guided: boolean;
}

/** One step: network on both halves of the guidance, its combination, and the step of the sampler, as one graph. */
function reverseStep({ diffusion, prefix, method, guided }: CompiledProcess) {
  return ({ noised, noise, modulation, step, factors }: StepInputs, parameters: Parameters) => {
    // Constant under frozen weights, so the table is made once when the graph is loaded.
    const times = embedTimesteps(parameters, tf.tensor1d(diffusion.timestepMap, 'int32'), prefix);
    const input = guided ? (tf.concat([noised, noised], 0) as tf.Tensor2D) : noised;
    let output = denoise(parameters, input, modulation.add(tf.gather(times, step)) as tf.Tensor2D, prefix);
    const factor = (i: number) => factors.slice([i], [1]);
    if (guided) {
      const [conditional, free] = tf.split(output, 2, 0) as tf.Tensor2D[];
      output = guide(conditional, free, factor(0) as unknown as number);
    }
    const { mean, logVariance, predictedStart } = predictReverse(diffusion, output, noised, step);
    if (method === 'ancestral') {
      const spread = logVariance.mul(0.5).exp().mul(noise).mul(factor(3));
      return { sample: mean.add(spread) as tf.Tensor2D, predictedStart };
    }
    const at = coefficientsAt(diffusion, step);
    const implied = at('sqrtReciprocalAlphaBar').mul(noised).sub(predictedStart).div(at('sqrtReciprocalMinusOne'));
    const sample = predictedStart
      .mul(factor(1))
      .add(implied.mul(factor(2)))
      .add(noise.mul(factor(3)));
    return { sample: sample as tf.Tensor2D, predictedStart };
  };
}

/** Factors of one step, see `StepInputs`. */
function stepFactors({ diffusion, method }: CompiledProcess, step: number, guidance: number, options: SamplerOptions) {
  const { eta = 0, temperature = 1 } = options;
  if (method === 'ancestral') return Float32Array.of(guidance, 0, 0, step === 0 ? 0 : temperature);
  const now = Math.fround(diffusion.tables.alphaBar[step]);
  const before = Math.fround(diffusion.tables.alphaBarPrevious[step]);
  const sigma = eta * Math.sqrt((1 - before) / (1 - now)) * Math.sqrt(1 - now / before);
  return Float32Array.of(guidance, Math.sqrt(before), Math.sqrt(1 - before - sigma ** 2), step === 0 ? 0 : sigma);
}

/**
 * The reverse process as one native call per step: the same as `sampleDiffusion` over the eager head.
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
  const { eta = 0, onStep, guidance } = options;
  const rows = conditions.shape[0] / (guided ? 2 : 1);
  const shape: [number, number] = [rows, channels];
  const embed = accelerator.part(
    `condition embedding ${prefix}`,
    (inputs: { conditions: tf.Tensor2D }, parameters) => ({
      modulation: embedConditions(parameters, inputs.conditions, prefix),
    }),
  );
  const { modulation } = embed.arrays({ conditions: plainArray(conditions) });
  const name = `${method} step ${prefix} ${guided ? 'guided' : ''} ${diffusion.timestepMap.join()}`;
  const advance = accelerator.part(name, reverseStep(process));
  const noisy = method === 'ancestral' || eta > 0;
  const silent: PlainArray = { data: new Float32Array(rows * channels), shape };
  let noised = taken(noise.initial(shape));
  for (let step = diffusion.steps - 1; step >= 0; step--) {
    const { sample, predictedStart } = advance.arrays({
      noised,
      noise: noisy && step > 0 ? taken(noise.step(step, shape)) : silent,
      modulation,
      step: { data: Int32Array.of(step), shape: [1] },
      factors: { data: stepFactors(process, step, guidance, options), shape: [4] },
    });
    noised = sample;
    if (onStep) {
      const result = { sample: tensor(sample), predictedStart: tensor(predictedStart) };
      onStep(step, result);
      tf.dispose([result.sample, result.predictedStart]);
    }
  }
  return tensor(noised);
}

const plainArray = (x: tf.Tensor): PlainArray => ({ data: x.dataSync() as Float32Array, shape: x.shape });
const tensor = ({ data, shape }: PlainArray) => tf.tensor2d(data as Float32Array, shape as [number, number]);

/** The numbers of a tensor that is not needed any more. */
function taken(x: tf.Tensor): PlainArray {
  const array = plainArray(x);
  x.dispose();
  return array;
}
