import { InvalidInputError } from '../runtime/errors';
import { type CausalArConfig, causalArConfig, causalArShapes } from './causal-ar';
import { type CdmConfig, cdmConfig, cdmShapes } from './cdm';
import type { Shapes } from './initialisers';
import { type MarConfig, marConfig, marShapes } from './mar-config';
import { KL16, type VaeConfig, vaeShapes } from './vae-config';

/** A model family with a configuration of it; the names are those of `cer train --model`. */
export type ModelSpec =
  | { family: 'mar'; config: MarConfig }
  | { family: 'ar'; config: CausalArConfig }
  | { family: 'cdm'; config: CdmConfig }
  | { family: 'vae'; config: VaeConfig };

/** A named configuration. */
export type Preset = ModelSpec & {
  /** What it is and where its sizes come from. */
  about: string;
};

/** Published sizes of MAR: width, depth (of encoder and of decoder), heads; blocks and width of the denoising MLP. */
const MAR_SIZES = {
  b: [768, 12, 12, 6, 1024],
  l: [1024, 16, 16, 8, 1280],
  h: [1280, 20, 16, 12, 1536],
} as const;

/** Causal decoders in LlamaGen's GPT sizes with the denoising MLP of the MAR of like size; the combination is ours. */
const AR_SIZES = {
  b: [768, 12, 12, 6, 1024],
  l: [1024, 24, 16, 8, 1280],
  xl: [1280, 36, 20, 8, 1280],
} as const;

/** DiT's sizes: width, depth, heads. */
const CDM_SIZES = { b: [768, 12, 12], l: [1024, 24, 16], xl: [1152, 28, 16] } as const;

/** What the small profile shares: 32x32 images, 16 tokens of 8 channels, 10 classes. */
const SMALL = { imageSize: 32, vaeStride: 8, latentChannels: 8, classes: 10, samplingSteps: '25' };

function mar(size: keyof typeof MAR_SIZES, imageSize: number): Preset {
  const [width, depth, heads, headDepth, headWidth] = MAR_SIZES[size];
  return {
    family: 'mar',
    about: `MAR-${size.toUpperCase()}, ${imageSize}x${imageSize}, KL-16 (Li et al. 2024)`,
    config: marConfig({
      imageSize,
      encoderWidth: width,
      encoderDepth: depth,
      encoderHeads: heads,
      decoderWidth: width,
      decoderDepth: depth,
      decoderHeads: heads,
      headDepth,
      headWidth,
    }),
  };
}

function ar(size: keyof typeof AR_SIZES): Preset {
  const [width, depth, heads, headDepth, headWidth] = AR_SIZES[size];
  return {
    family: 'ar',
    about: `causal GPT-${size.toUpperCase()} with diffusion loss, 256x256, KL-16`,
    config: causalArConfig({ width, depth, heads, headDepth, headWidth }),
  };
}

function cdm(size: keyof typeof CDM_SIZES): Preset {
  const [width, depth, heads] = CDM_SIZES[size];
  return {
    family: 'cdm',
    about: `conditional diffusion, DiT-${size.toUpperCase()} sizes, 256x256, KL-16`,
    config: cdmConfig({ width, depth, heads }),
  };
}

/** All presets by name. */
export const PRESETS: ReadonlyMap<string, Preset> = new Map<string, Preset>([
  ['mar-b', mar('b', 256)],
  ['mar-l', mar('l', 256)],
  ['mar-h', mar('h', 256)],
  ['mar-b-512', mar('b', 512)],
  ['mar-l-512', mar('l', 512)],
  ['mar-h-512', mar('h', 512)],
  ['ar-b', ar('b')],
  ['ar-l', ar('l')],
  ['ar-xl', ar('xl')],
  ['cdm-b', cdm('b')],
  ['cdm-l', cdm('l')],
  ['cdm-xl', cdm('xl')],
  ['kl16', { family: 'vae', about: 'KL-16: stride 16, 16 channels (Rombach et al. 2022; MAR)', config: KL16 }],
  [
    'mar-small',
    {
      family: 'mar',
      about: 'MAR of the small profile; mask ratios from 0.1, since 16 tokens are few',
      config: marConfig({
        ...SMALL,
        encoderWidth: 64,
        encoderDepth: 2,
        encoderHeads: 4,
        decoderWidth: 64,
        decoderDepth: 2,
        decoderHeads: 4,
        bufferSize: 8,
        headDepth: 3,
        headWidth: 128,
        maskRatioMin: 0.1,
        attentionDropout: 0,
        projectionDropout: 0,
      }),
    },
  ],
  [
    'ar-small',
    {
      family: 'ar',
      about: 'causal AR of the small profile',
      config: causalArConfig({ ...SMALL, width: 64, depth: 4, heads: 4, headDepth: 3, headWidth: 128 }),
    },
  ],
  [
    'cdm-small',
    {
      family: 'cdm',
      about: 'conditional diffusion of the small profile',
      config: cdmConfig({ ...SMALL, width: 64, depth: 4, heads: 4 }),
    },
  ],
  [
    'vae-small',
    {
      family: 'vae',
      about: 'autoencoder of the small profile: stride 8, 8 channels',
      config: {
        imageChannels: 3,
        width: 32,
        multipliers: [1, 1, 2, 2],
        blocks: 1,
        resolution: 32,
        encoderAttention: [],
        decoderAttention: [],
        bottleneck: 8,
        latentChannels: 8,
        groups: 8,
        latentScale: 1,
      },
    },
  ],
]);

/** A preset by name. @throws InvalidInputError listing the names there are. */
export function findPreset(name: string): Preset {
  const found = PRESETS.get(name.toLowerCase());
  if (found) return found;
  throw new InvalidInputError('Preset', {
    given: JSON.stringify(name),
    expected: `one of ${[...PRESETS.keys()].join(', ')}`,
    remedy: '`cer inspect FILE` tells which preset fits a weight file.',
  });
}

/** Names and shapes of a model's weights; nothing is allocated. */
export function shapesOf(spec: ModelSpec): Shapes {
  if (spec.family === 'mar') return marShapes(spec.config);
  if (spec.family === 'ar') return causalArShapes(spec.config);
  return spec.family === 'cdm' ? cdmShapes(spec.config) : vaeShapes(spec.config);
}

/** The number of weights of a shape table, or of a model. */
export function countParameters(model: ModelSpec | ReadonlyMap<string, readonly number[]>): number {
  const shapes = 'family' in model ? shapesOf(model) : model;
  let count = 0;
  for (const shape of shapes.values()) count += shape.reduce((product, side) => product * side, 1);
  return count;
}
