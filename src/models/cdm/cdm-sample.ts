import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../diffusion/gaussian-diffusion';
import type { NoiseSource } from '../../diffusion/noise';
import { guide } from '../../diffusion/reverse-step';
import { invertDiffusion, type NoisePredictor, type SamplerOptions, sampleDiffusion } from '../../diffusion/sampler';
import type { Parameters } from '../../runtime/parameters';
import { type Classes, checkClasses, embedClasses } from '../classes';
import { runPart } from '../compiled/compile-model';
import { patchify, tokenChannels, tokenCount, unpatchify } from '../mar/mar';
import { type CdmConfig, cdmNetwork } from './cdm';

export interface CdmSamplingOptions extends SamplerOptions {
  classes: Classes;
  /** Classifier-free guidance scale; default 1, none. */
  guidance?: number;
  /** Steps of the reverse process, see `spaceTimesteps`; default the configuration's. */
  respacing?: string | number | readonly number[];
}

/**
 * Generates latents `[batch, height, width, channels]` (scaled) by one reverse process over all tokens. Leaves no tensor but
 * its result.
 * @param noise rows are (sample, token)
 * @throws InvalidInputError for unknown classes.
 */
export function sampleCdm(
  parameters: Parameters,
  config: CdmConfig,
  noise: NoiseSource,
  options: CdmSamplingOptions,
): tf.Tensor4D {
  const diffusion = createDiffusion({ respacing: options.respacing ?? config.samplingSteps });
  return withNetwork(parameters, config, options, (network, batch) => {
    const shape: [number, number] = [batch * tokenCount(config), tokenChannels(config)];
    const rows = sampleDiffusion(diffusion, network, shape, noise, options);
    const latents = tf.tidy(() => unpatchify(rows.reshape([batch, tokenCount(config), -1]), config.patchSize));
    rows.dispose();
    return latents;
  });
}

/** DDIM inversion of latents: the noise `[batch * tokens, channels]` that deterministic DDIM would start from. */
export function invertCdm(
  parameters: Parameters,
  config: CdmConfig,
  latents: tf.Tensor4D,
  options: Omit<CdmSamplingOptions, keyof SamplerOptions> & Pick<SamplerOptions, 'onStep'>,
): tf.Tensor2D {
  const diffusion = createDiffusion({ respacing: options.respacing ?? config.samplingSteps });
  return withNetwork(parameters, config, options, (network) => {
    const rows = tf.tidy(() => patchify(latents, config.patchSize).reshape([-1, tokenChannels(config)]) as tf.Tensor2D);
    const inverted = invertDiffusion(diffusion, network, rows, options.onStep);
    rows.dispose();
    return inverted;
  });
}

/** Embeds the classes, runs with the network over rows, guided on a doubled batch, and disposes of the embedding. */
function withNetwork<T>(
  parameters: Parameters,
  config: CdmConfig,
  { classes: given, guidance = 1 }: Pick<CdmSamplingOptions, 'classes' | 'guidance'>,
  run: (network: NoisePredictor, batch: number) => T,
): T {
  const classes = checkClasses(config.classes, given);
  const guided = guidance !== 1;
  const conditions = tf.tidy(() =>
    embedClasses(parameters, classes[0] < 0 ? classes.length : tf.tensor1d(classes, 'int32'), guided),
  );
  const network: NoisePredictor = (noised, originalStep) => {
    const rows = guided ? (tf.concat([noised, noised], 0) as tf.Tensor2D) : noised;
    const images = rows.reshape([-1, tokenCount(config), tokenChannels(config)]) as tf.Tensor3D;
    const step = tf.tensor1d([originalStep], 'int32');
    const output = runPart(parameters, 'network', { images, step, conditions }, (x, weights) => ({
      output: cdmNetwork(weights, config, x.images, x.step, x.conditions),
    })).output;
    const flat = output.reshape([-1, 2 * tokenChannels(config)]) as tf.Tensor2D;
    if (!guided) return flat;
    const [conditional, unconditional] = tf.split(flat, 2, 0) as tf.Tensor2D[];
    return guide(conditional, unconditional, guidance);
  };
  try {
    return run(network, classes.length);
  } finally {
    conditions.dispose();
  }
}
