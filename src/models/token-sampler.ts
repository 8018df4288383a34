import * as tf from '@tensorflow/tfjs';
import { createDiffusion, type Diffusion } from '../diffusion/gaussian-diffusion';
import type { NoiseSource } from '../diffusion/noise';
import { guide } from '../diffusion/reverse-step';
import {
  checkSampler,
  invertDiffusion,
  type NoisePredictor,
  type SamplerOptions,
  sampleDiffusion,
} from '../diffusion/sampler';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { denoise, embedConditions, embedTimesteps, HEAD_IN_MODEL } from './blocks/diffusion-loss';
import { weight } from './blocks/layers';
import { type Accelerator, acceleratorOf } from './compiled/accelerate';
import { sampleCompiled } from './compiled/compiled-sampler';

/** A replacement for the eager head, e.g. a compiled one: same arguments and result as `diffusionHead`. */
export type Head = (noised: tf.Tensor2D, steps: tf.Tensor1D, conditions: tf.Tensor2D) => tf.Tensor2D;

export interface TokenSamplerOptions extends SamplerOptions {
  /** Steps of the reverse process, see `spaceTimesteps`; default `'100'`. */
  respacing?: string | number | readonly number[];
  /** A process made before; overrides `respacing`. */
  diffusion?: Diffusion;
  /** Unconditional conditions, same shape; needed for guidance. */
  unconditional?: tf.Tensor2D;
  /** Classifier-free guidance scale; default 1, none. */
  guidance?: number;
  /** Prefix of the head's weights; default that inside a whole model. */
  prefix?: string;
  head?: Head;
}

const processes = new Map<string, Diffusion>();

/** The cosine process with 1000 training steps, respaced; made once per respacing. */
export function respacedDiffusion(respacing: string | number | readonly number[]): Diffusion {
  const name = String(respacing);
  let process = processes.get(name);
  if (!process) {
    process = createDiffusion({ respacing });
    processes.set(name, process);
  }
  return process;
}

/**
 * Samples one token per condition `[rows, conditionWidth]` by the reverse process: `[rows, channels]`.
 * With guidance the noise prediction is free + scale (conditional - free) and the variance is the conditional one's. The
 * reference runs both halves on a doubled batch of which only the first matters; here only that one is kept.
 */
export function sampleTokens(
  parameters: Parameters,
  conditions: tf.Tensor2D,
  noise: NoiseSource,
  options: TokenSamplerOptions = {},
): tf.Tensor2D {
  const diffusion = options.diffusion ?? respacedDiffusion(options.respacing ?? '100');
  const fast = options.head ? undefined : acceleratorOf(parameters);
  if (fast) return sampleFast(fast, parameters, conditions, noise, diffusion, options);
  return withPredictor(parameters, conditions, diffusion, options, (network, channels) =>
    sampleDiffusion(diffusion, network, [conditions.shape[0], channels], noise, options),
  );
}

/** The same with accelerated weights: one native call per step. */
function sampleFast(
  accelerator: Accelerator,
  parameters: Parameters,
  conditions: tf.Tensor2D,
  noise: NoiseSource,
  diffusion: Diffusion,
  options: TokenSamplerOptions,
): tf.Tensor2D {
  checkSampler(options);
  const { guidance = 1, prefix = HEAD_IN_MODEL, method = 'ancestral' } = options;
  const channels = weight(parameters, `${prefix}input_proj.weight`).shape[1] as number;
  const guided = guidance !== 1;
  const all = bothHalves(conditions, options);
  const process = { diffusion, prefix, method, guided };
  try {
    return sampleCompiled(parameters, accelerator, process, all, channels, noise, { ...options, guidance });
  } finally {
    all.dispose();
  }
}

/** Conditional rows, with guidance the unconditional ones below them. The caller disposes of it. */
function bothHalves(conditions: tf.Tensor2D, { guidance = 1, unconditional }: TokenSamplerOptions): tf.Tensor2D {
  if (guidance === 1) return conditions.clone();
  if (unconditional) return tf.concat([conditions, unconditional], 0) as tf.Tensor2D;
  throw new InvalidInputError('Guidance', {
    given: `scale ${guidance} without unconditional conditions`,
    expected: 'unconditional conditions of the same shape',
    remedy: 'Pass `unconditional`, or leave the scale at 1.',
  });
}

/** DDIM inversion of tokens `[rows, channels]` under conditions: the noise that deterministic DDIM would start from. */
export function invertTokens(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  conditions: tf.Tensor2D,
  options: TokenSamplerOptions = {},
): tf.Tensor2D {
  const diffusion = options.diffusion ?? respacedDiffusion(options.respacing ?? '100');
  return withPredictor(parameters, conditions, diffusion, options, (network) =>
    invertDiffusion(diffusion, network, tokens, options.onStep),
  );
}

/** Prepares what does not change between steps, runs, and disposes of it. */
function withPredictor(
  parameters: Parameters,
  conditions: tf.Tensor2D,
  diffusion: Diffusion,
  options: TokenSamplerOptions,
  run: (network: NoisePredictor, channels: number) => tf.Tensor2D,
): tf.Tensor2D {
  const { guidance = 1, prefix = HEAD_IN_MODEL, head } = options;
  const guided = guidance !== 1;
  const channels = weight(parameters, `${prefix}input_proj.weight`).shape[1] as number;
  const all = bothHalves(conditions, options);
  const prepared = head ? undefined : tf.tidy(() => embedAhead(parameters, all, diffusion, prefix));
  const network: NoisePredictor = (noised, originalStep, step) => {
    const input = guided ? (tf.concat([noised, noised], 0) as tf.Tensor2D) : noised;
    const output = prepared
      ? denoise(parameters, input, prepared.conditions.add(prepared.times.slice([step, 0], [1, -1])), prefix)
      : (head as Head)(input, tf.fill([all.shape[0]], originalStep, 'int32') as tf.Tensor1D, all);
    if (!guided) return output;
    const [conditional, free] = tf.split(output, 2, 0) as tf.Tensor2D[];
    return guide(conditional, free, guidance);
  };
  try {
    return run(network, channels);
  } finally {
    tf.dispose([all, prepared?.conditions, prepared?.times].filter((x): x is tf.Tensor2D => x !== undefined));
  }
}

/** The condition's part of the modulation is the same at every step, and the timestep's the same for every row. */
function embedAhead(parameters: Parameters, conditions: tf.Tensor2D, diffusion: Diffusion, prefix: string) {
  return {
    conditions: embedConditions(parameters, conditions, prefix),
    times: embedTimesteps(parameters, tf.tensor1d(diffusion.timestepMap, 'int32'), prefix),
  };
}
