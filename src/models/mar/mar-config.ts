import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import type { Key } from '../../runtime/random';
import {
  type DiffusionHeadConfig,
  diffusionHeadInitialiser,
  diffusionHeadShapes,
  HEAD_IN_MODEL,
} from '../blocks/diffusion-loss';
import { gaussian, initialise, ones, type Shapes, xavier, zeros } from '../blocks/initialisers';
import { addBlockShapes } from '../blocks/transformer';

/** A masked autoregressive model (Li et al. 2024), with the reference's names in comments. */
export interface MarConfig {
  /** Height and width of the images, in pixels; `img_size`. */
  imageSize: number;
  /** Pixels per latent; `vae_stride`. */
  vaeStride: number;
  /** Latents per token side; `patch_size`. */
  patchSize: number;
  /** Channels of the latents; `vae_embed_dim`. */
  latentChannels: number;
  /** Transformer that sees the unmasked tokens; `encoder_embed_dim`, `_depth`, `_num_heads`. */
  encoderWidth: number;
  encoderDepth: number;
  encoderHeads: number;
  /** Transformer that sees all places; `decoder_...`. */
  decoderWidth: number;
  decoderDepth: number;
  decoderHeads: number;
  /** Hidden width of a block's MLP over its width. */
  mlpRatio: number;
  /** Number of classes; `class_num`. */
  classes: number;
  /** Places in front of the tokens that hold the class; `buffer_size`. */
  bufferSize: number;
  /** Blocks and width of the denoising MLP; `diffloss_d`, `diffloss_w`. */
  headDepth: number;
  headWidth: number;
  /** Length of the sinusoidal timestep embedding. */
  timestepFrequencies: number;
  /** How often each token is noised per training step; `diffusion_batch_mul`. */
  noisesPerToken: number;
  /** Share of labels replaced by the fake latent in training; `label_drop_prob`. */
  labelDrop: number;
  /** Lower end of the law of the training mask ratio; `mask_ratio_min`. */
  maskRatioMin: number;
  /** Standard deviation of that law around 1; 0.25 in the reference. */
  maskRatioStd: number;
  /** Dropout rates of attention weights and of projections; `attn_dropout`, `proj_dropout`. */
  attentionDropout: number;
  projectionDropout: number;
  /** Epsilon of every layer norm in the transformers. */
  normEpsilon: number;
  /** Steps of the reverse process, see `spaceTimesteps`; `num_sampling_steps`. */
  samplingSteps: string;
}

/** The reference's defaults for 256x256 images and KL-16 (its base model has width 768, depth 12 and 12 heads). */
export const MAR_DEFAULTS: MarConfig = {
  imageSize: 256,
  vaeStride: 16,
  patchSize: 1,
  latentChannels: 16,
  encoderWidth: 1024,
  encoderDepth: 16,
  encoderHeads: 16,
  decoderWidth: 1024,
  decoderDepth: 16,
  decoderHeads: 16,
  mlpRatio: 4,
  classes: 1000,
  bufferSize: 64,
  headDepth: 3,
  headWidth: 1024,
  timestepFrequencies: 256,
  noisesPerToken: 4,
  labelDrop: 0.1,
  maskRatioMin: 0.7,
  maskRatioStd: 0.25,
  attentionDropout: 0.1,
  projectionDropout: 0.1,
  normEpsilon: 1e-6,
  samplingSteps: '100',
};

/**
 * A complete configuration from some of its fields.
 * @throws InvalidInputError where sizes do not divide each other or a number is out of range.
 */
export function marConfig(fields: Partial<MarConfig> = {}): MarConfig {
  const config = { ...MAR_DEFAULTS, ...fields };
  const demand = (holds: boolean, given: string, expected: string) => {
    if (holds) return;
    throw new InvalidInputError('MAR configuration', { given, expected, remedy: 'Correct the named fields.' });
  };
  const { imageSize, vaeStride, patchSize, labelDrop, maskRatioMin, maskRatioStd } = config;
  for (const name of ['encoder', 'decoder'] as const) {
    const [width, heads] = [config[`${name}Width`], config[`${name}Heads`]];
    demand(width % heads === 0, `${name}Width ${width}, ${name}Heads ${heads}`, 'a width that the heads divide');
  }
  demand(
    imageSize % (vaeStride * patchSize) === 0,
    `imageSize ${imageSize}, vaeStride ${vaeStride}, patchSize ${patchSize}`,
    'an image size that stride times patch size divides',
  );
  demand(labelDrop >= 0 && labelDrop <= 1, `labelDrop ${labelDrop}`, 'a probability');
  demand(maskRatioMin > 0 && maskRatioMin < 1, `maskRatioMin ${maskRatioMin}`, 'a number between 0 and 1');
  demand(maskRatioStd > 0, `maskRatioStd ${maskRatioStd}`, 'a positive number');
  const counts: (keyof MarConfig)[] = [
    'imageSize',
    'vaeStride',
    'patchSize',
    'latentChannels',
    'classes',
    'bufferSize',
  ];
  for (const name of counts) {
    const value = config[name] as number;
    demand(Number.isInteger(value) && value > 0, `${name} ${value}`, 'a positive integer');
  }
  return config;
}

/** The fields that say how an image is cut into tokens; other token models share them. */
export type TokenGrid = Pick<MarConfig, 'imageSize' | 'vaeStride' | 'patchSize' | 'latentChannels'>;

/** Tokens per image side. */
export function tokenSide(config: TokenGrid): number {
  return config.imageSize / config.vaeStride / config.patchSize;
}

/** Tokens per image. */
export function tokenCount(config: TokenGrid): number {
  return tokenSide(config) ** 2;
}

/** Channels of one token. */
export function tokenChannels(config: TokenGrid): number {
  return config.latentChannels * config.patchSize ** 2;
}

/** The denoising MLP's part of a configuration. */
export function headConfig(config: MarConfig): DiffusionHeadConfig {
  return {
    channels: tokenChannels(config),
    conditionWidth: config.decoderWidth,
    width: config.headWidth,
    depth: config.headDepth,
    frequencies: config.timestepFrequencies,
  };
}

/**
 * Generation steps where none are given: 64 as in the reference, 8 for the small profile's maps of up to 64 tokens, and never more than
 * there are tokens to generate.
 */
export function defaultSteps(config: TokenGrid, tokensToGenerate = tokenCount(config)): number {
  return Math.min(tokenCount(config) > 64 ? 64 : 8, tokensToGenerate);
}

/** Names and shapes of the weights, in state-dict order. */
export function marShapes(config: MarConfig): Shapes {
  const { encoderWidth, decoderWidth, bufferSize, mlpRatio } = config;
  const tokens = tokenCount(config);
  const shapes: Shapes = new Map();
  const pair = (name: string, shape: number[]) => shapes.set(`${name}.weight`, shape).set(`${name}.bias`, [shape[0]]);
  shapes.set('fake_latent', [1, encoderWidth]);
  shapes.set('encoder_pos_embed_learned', [1, bufferSize + tokens, encoderWidth]);
  shapes.set('mask_token', [1, 1, decoderWidth]);
  shapes.set('decoder_pos_embed_learned', [1, bufferSize + tokens, decoderWidth]);
  shapes.set('diffusion_pos_embed_learned', [1, tokens, decoderWidth]);
  shapes.set('class_emb.weight', [config.classes, encoderWidth]);
  pair('z_proj', [encoderWidth, tokenChannels(config)]);
  pair('z_proj_ln', [encoderWidth]);
  for (let i = 0; i < config.encoderDepth; i++) addBlockShapes(shapes, `encoder_blocks.${i}`, encoderWidth, mlpRatio);
  pair('encoder_norm', [encoderWidth]);
  pair('decoder_embed', [decoderWidth, encoderWidth]);
  for (let i = 0; i < config.decoderDepth; i++) addBlockShapes(shapes, `decoder_blocks.${i}`, decoderWidth, mlpRatio);
  pair('decoder_norm', [decoderWidth]);
  for (const [name, shape] of diffusionHeadShapes(headConfig(config), HEAD_IN_MODEL)) shapes.set(name, shape);
  return shapes;
}

/** Fresh weights as the reference starts them: Xavier matrices, normal(0.02) embeddings, the head's own rules. */
export function initMar(config: MarConfig, key: Key): Parameters {
  return initialise(marShapes(config), key, (name) => {
    if (name.startsWith(HEAD_IN_MODEL)) return diffusionHeadInitialiser(name);
    if (name.endsWith('.bias')) return zeros;
    if (/(norm\d?|_ln)\.weight$/.test(name)) return ones;
    return /token|latent|embed_learned|class_emb/.test(name) ? gaussian(0.02) : xavier;
  });
}
