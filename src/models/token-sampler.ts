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
import { compiledForm } from './compiled/compile-model';
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

/**
 * Samples one token per condition `[rows, conditionWidth]` by the reverse process: `[rows, channels]`; with compiled weights in one
 * native call. With guidance the noise prediction is unconditional + scale (conditional - unconditional) and the variance is the
 * conditional one's. The reference runs both halves on a doubled batch of which only the first matters; here only that one is kept.
 */
export function sampleTokens(
  parameters: Parameters,
  conditions: tf.Tensor2D,
  noise: NoiseSource,
  options: TokenSamplerOptions = {},
): tf.Tensor2D {
  const { guidance = 1, prefix = HEAD_IN_MODEL, method = 'ancestral' } = checkSampler(options);
  const diffusion = processOf(options);
  const channels = tokenChannels(parameters, prefix);
  const compiled = options.head ? undefined : compiledForm(parameters);
  if (!compiled) {
    return withPredictor(parameters, conditions, diffusion, options, (network) =>
      sampleDiffusion(diffusion, network, [conditions.shape[0], channels], noise, options),
    );
  }
  const all = bothHalves(conditions, options);
  const process = { diffusion, prefix, method, guided: guidance !== 1 };
  try {
    return sampleCompiled(compiled, process, all, channels, noise, { ...options, guidance });
  } finally {
    all.dispose();
  }
}

/** DDIM inversion of tokens `[rows, channels]` under conditions: the noise that deterministic DDIM would start from. */
export function invertTokens(
  parameters: Parameters,
  tokens: tf.Tensor2D,
  conditions: tf.Tensor2D,
  options: TokenSamplerOptions = {},
): tf.Tensor2D {
  const diffusion = processOf(options);
  return withPredictor(parameters, conditions, diffusion, options, (network) =>
    invertDiffusion(diffusion, network, tokens, options.onStep),
  );
}

/**
 * Fewer reverse-process steps as more tokens are known: from `first` at the first generation step down to `last` at the
 * last one, linearly, rounded. Late tokens are nearly determined by the others, so that they need fewer.
 * @throws InvalidInputError unless both are integers from 1 to 1000.
 */
export function fewerSteps(first: number, last: number): (step: number, steps: number) => number {
  if (![first, last].every((count) => Number.isInteger(count) && count >= 1 && count <= 1000)) {
    throw new InvalidInputError('Reverse-process steps', {
      given: `from ${first} to ${last}`,
      expected: 'integers from 1 to 1000',
      remedy: 'For example fewerSteps(100, 25).',
    });
  }
  return (step, steps) => Math.round(first + ((last - first) * step) / Math.max(1, steps - 1));
}

const processOf = ({ diffusion, respacing = '100' }: TokenSamplerOptions): Diffusion =>
  diffusion ?? createDiffusion({ respacing });

const tokenChannels = (parameters: Parameters, prefix: string): number =>
  weight(parameters, `${prefix}input_proj.weight`).shape[1] as number;

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

/** Prepares what does not change between steps, runs, and disposes of it. */
function withPredictor(
  parameters: Parameters,
  conditions: tf.Tensor2D,
  diffusion: Diffusion,
  options: TokenSamplerOptions,
  run: (network: NoisePredictor) => tf.Tensor2D,
): tf.Tensor2D {
  const { guidance = 1, prefix = HEAD_IN_MODEL, head } = options;
  const guided = guidance !== 1;
  const all = bothHalves(conditions, options);
  const prepared = head ? undefined : tf.tidy(() => embedAhead(parameters, all, diffusion, prefix));
  const network: NoisePredictor = (noised, originalStep, step) => {
    const input = guided ? (tf.concat([noised, noised], 0) as tf.Tensor2D) : noised;
    const output = prepared
      ? denoise(parameters, input, prepared.conditions.add(prepared.times.slice([step, 0], [1, -1])), prefix)
      : (head as Head)(input, tf.fill([all.shape[0]], originalStep, 'int32') as tf.Tensor1D, all);
    if (!guided) return output;
    const [conditional, unconditional] = tf.split(output, 2, 0) as tf.Tensor2D[];
    return guide(conditional, unconditional, guidance);
  };
  try {
    return run(network);
  } finally {
    tf.dispose([all, ...Object.values(prepared ?? {})]);
  }
}

/** The condition's part of the modulation is the same at every step, and the timestep's the same for every row. */
function embedAhead(parameters: Parameters, conditions: tf.Tensor2D, diffusion: Diffusion, prefix: string) {
  return {
    conditions: embedConditions(parameters, conditions, prefix),
    times: embedTimesteps(parameters, tf.tensor1d(diffusion.timestepMap, 'int32'), prefix),
  };
}
