import type * as tf from '@tensorflow/tfjs';
import { keyedNoise } from '../diffusion/noise';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import type { Key } from '../runtime/random';
import { keyedCausalArDraws, sampleCausalAr } from './ar/causal-ar-sample';
import { sampleCdm } from './cdm/cdm-sample';
import { keyedMarDraws, sampleMar } from './mar/mar-sample';
import type { ModelSpec } from './presets';

/** What all three families of generators understand. */
export interface GenerateOptions {
  /** One class per sample, or the number of samples to generate without a class. */
  classes: readonly number[] | number;
  /** Classifier-free guidance scale; default 1, none. */
  guidance?: number;
  /** MAR and causal AR: how the scale grows with the generated share; default `linear`. */
  guidanceSchedule?: 'linear' | 'constant';
  /** MAR: generation steps. */
  steps?: number;
  /** Steps of the reverse process, or a function of the generation step (`fewerSteps`). CDM takes its value at step 0. */
  respacing?: string | number | ((step: number, steps: number) => string | number);
  /** `ancestral` (default) or `ddim`. */
  method?: 'ancestral' | 'ddim';
  eta?: number;
  temperature?: number;
}

/** Generates scaled latents `[batch, height, width, channels]` with a model of any family. @throws InvalidInputError */
export async function generate(
  parameters: Parameters,
  spec: ModelSpec,
  key: Key,
  options: GenerateOptions,
): Promise<tf.Tensor4D> {
  const count = typeof options.classes === 'number' ? options.classes : options.classes.length;
  if (spec.family === 'mar') {
    return sampleMar(parameters, spec.config, keyedMarDraws(spec.config, count, key), options);
  }
  if (spec.family === 'ar') return sampleCausalAr(parameters, spec.config, keyedCausalArDraws(key), options);
  if (spec.family === 'cdm') {
    const { respacing } = options;
    const fixed = typeof respacing === 'function' ? respacing(0, 1) : respacing;
    return sampleCdm(parameters, spec.config, keyedNoise(key), { ...options, respacing: fixed });
  }
  throw new InvalidInputError('Model to generate with', {
    given: 'an autoencoder',
    expected: 'MAR, causal AR or CDM',
    remedy: 'Pass the autoencoder with --vae and a generator with --weights.',
  });
}
