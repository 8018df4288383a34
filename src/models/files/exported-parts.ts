import * as tf from '@tensorflow/tfjs';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { diffusionHead, HEAD_IN_MODEL } from '../blocks/diffusion-loss';
import { cdmNetwork } from '../cdm/cdm';
import { tokenChannels, tokenCount } from '../mar/mar-config';
import type { ModelSpec } from '../presets';
import { decode, encode } from '../vae/vae';

/** A part of a model that makes sense on its own in another program. */
export interface ExportedPart {
  name: string;
  about: string;
  inputs: Record<string, { shape: number[]; dtype: 'float32' | 'int32' }>;
  fn: (inputs: Record<string, tf.Tensor>, parameters: Parameters) => Record<string, tf.Tensor>;
}

/** Names of the parts that `exportedPart` knows of a family, the default first. */
export function partNames(family: ModelSpec['family']): string[] {
  return { mar: ['denoiser'], ar: ['denoiser'], cdm: ['network'], vae: ['decoder', 'encoder'] }[family];
}

/**
 * A part of a model for a fixed batch (images, or rows of the denoiser).
 * @throws InvalidInputError for a part that the family does not have.
 */
export function exportedPart(spec: ModelSpec, name: string, batch: number): ExportedPart {
  if (!partNames(spec.family).includes(name)) {
    throw new InvalidInputError('Part of the model', {
      given: name,
      expected: `${partNames(spec.family).join(' or ')}, for the family ${spec.family}`,
      remedy: 'Name one of these.',
    });
  }
  if (spec.family === 'vae') return name === 'decoder' ? decoder(spec, batch) : encoder(spec, batch);
  if (spec.family === 'cdm') return network(spec, batch);
  return denoiser(spec, batch);
}

type Of<F extends ModelSpec['family']> = Extract<ModelSpec, { family: F }>;
const float = (...shape: number[]) => ({ shape, dtype: 'float32' as const });
const integer = (...shape: number[]) => ({ shape, dtype: 'int32' as const });

function denoiser({ family, config }: Of<'mar'> | Of<'ar'>, rows: number): ExportedPart {
  const width = family === 'mar' ? config.decoderWidth : config.width;
  return {
    name: 'denoiser',
    about: 'noisy tokens, original step numbers 0 .. 999 and conditions to noise prediction and variance values',
    inputs: { noised: float(rows, tokenChannels(config)), steps: integer(rows), conditions: float(rows, width) },
    fn: ({ noised, steps, conditions }, parameters) => ({
      output: diffusionHead(
        parameters,
        noised as tf.Tensor2D,
        steps as tf.Tensor1D,
        conditions as tf.Tensor2D,
        HEAD_IN_MODEL,
      ),
    }),
  };
}

function network({ config }: Of<'cdm'>, batch: number): ExportedPart {
  return {
    name: 'network',
    about:
      'noisy tokens of whole images, original step numbers 0 .. 999 and class embeddings to noise prediction and variance values',
    inputs: {
      noised: float(batch, tokenCount(config), tokenChannels(config)),
      steps: integer(batch),
      conditions: float(batch, config.width),
    },
    fn: ({ noised, steps, conditions }, parameters) => ({
      output: cdmNetwork(parameters, config, noised as tf.Tensor3D, steps as tf.Tensor1D, conditions as tf.Tensor2D),
    }),
  };
}

const latentSide = ({ config }: Of<'vae'>) => config.resolution / 2 ** (config.multipliers.length - 1);

function decoder(spec: Of<'vae'>, batch: number): ExportedPart {
  const { config } = spec;
  return {
    name: 'decoder',
    about: 'scaled latents (as the generators make them) to images in about [-1, 1], channels last',
    inputs: { latents: float(batch, latentSide(spec), latentSide(spec), config.latentChannels) },
    fn: ({ latents }, parameters) => ({
      images: decode(parameters, config, tf.div(latents, config.latentScale) as tf.Tensor4D),
    }),
  };
}

function encoder(spec: Of<'vae'>, batch: number): ExportedPart {
  const { config } = spec;
  return {
    name: 'encoder',
    about: 'images in [-1, 1], channels last, to scaled posterior means and unscaled log variances',
    inputs: { images: float(batch, config.resolution, config.resolution, config.imageChannels) },
    fn: ({ images }, parameters) => {
      const { mean, logVariance } = encode(parameters, config, images as tf.Tensor4D);
      return { mean: mean.mul(config.latentScale), logVariance };
    },
  };
}
