import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import { type CausalArConfig, causalArConfig, causalArShapes } from './ar/causal-ar';
import type { Shapes } from './blocks/initialisers';
import { type CdmConfig, cdmConfig, cdmShapes } from './cdm/cdm';
import { type MarConfig, marConfig, marShapes } from './mar/mar-config';
import { KL16, type VaeConfig, vaeShapes } from './vae/vae-config';

/** A model family with a configuration of it; the names are those of `cer train --model`. */
export type ModelSpec =
  | { family: 'mar'; config: MarConfig }
  | { family: 'ar'; config: CausalArConfig }
  | { family: 'cdm'; config: CdmConfig }
  | { family: 'vae'; config: VaeConfig };

type ConfigOf<Family> = Extract<ModelSpec, { family: Family }>['config'];

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

/**
 * What the models of the small profile share: tokens of 8 channels for 8x8 pixels, 10 classes. Denoising steps are evenly
 * strided from t = 960 on: at t = 999 a small network's error is multiplied by 1 / sqrt(abar) = 20,000.
 */
const SMALL = {
  vaeStride: 8,
  latentChannels: 8,
  classes: 10,
  timestepFrequencies: 64,
  samplingSteps: 'ddim25',
};

const about = (what: string, width: number, imageSize: number) =>
  `${what} of the small profile, ${width} wide, ${imageSize}x${imageSize} images`;
const smallHead = (width: number) => ({ headDepth: 3, headWidth: 2 * width, noisesPerToken: 1 });

function smallMar(width: number, imageSize = 32): Preset {
  const [depth, heads] = [2, width / 16];
  return {
    family: 'mar',
    about: about('MAR', width, imageSize),
    config: marConfig({
      ...SMALL,
      ...smallHead(width),
      imageSize,
      encoderWidth: width,
      encoderDepth: depth,
      encoderHeads: heads,
      decoderWidth: width,
      decoderDepth: depth,
      decoderHeads: heads,
      bufferSize: 4,
      // With 16 tokens the published law of mask ratios, from 0.7 and near 1, would hardly train the late steps.
      maskRatioMin: 0.06,
      maskRatioStd: 1,
      attentionDropout: 0,
      projectionDropout: 0,
    }),
  };
}

function smallAr(width: number, imageSize = 32): Preset {
  const config = causalArConfig({ ...SMALL, ...smallHead(width), imageSize, width, depth: 4, heads: width / 16 });
  return { family: 'ar', about: about('causal AR', width, imageSize), config };
}

function smallCdm(width: number, imageSize = 32): Preset {
  const config = cdmConfig({ ...SMALL, imageSize, width, depth: 4, heads: width / 16 });
  return { family: 'cdm', about: about('conditional diffusion', width, imageSize), config };
}

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
  ['mar-narrow', smallMar(32)],
  ['mar-small', smallMar(64)],
  ['mar-wide', smallMar(128)],
  ['mar-small-64', smallMar(64, 64)],
  ['ar-narrow', smallAr(32)],
  ['ar-small', smallAr(64)],
  ['ar-wide', smallAr(128)],
  ['ar-small-64', smallAr(64, 64)],
  ['cdm-narrow', smallCdm(32)],
  ['cdm-small', smallCdm(64)],
  ['cdm-wide', smallCdm(128)],
  ['cdm-small-64', smallCdm(64, 64)],
  [
    'vae-small',
    {
      family: 'vae',
      about: 'autoencoder of the small profile: stride 8, 8 channels; `latentScale` is measured after training',
      config: {
        imageChannels: 3,
        width: 16,
        multipliers: [1, 1, 2, 4],
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

/** A preset by name. @throws InvalidInputError listing the names there are, the nearest one first. */
export function findPreset(name: string): Preset {
  const found = PRESETS.get(name.toLowerCase());
  if (found) return found;
  const near = closest(name, [...PRESETS.keys()]);
  throw new InvalidInputError('Preset', {
    given: JSON.stringify(name),
    expected: `one of ${[...PRESETS.keys()].join(', ')}`,
    remedy: `${near ? `Did you mean ${near}? ` : ''}\`cer inspect FILE\` tells which preset fits a weight file.`,
  });
}

/**
 * The configuration of a preset whose family is known where it is named.
 * @throws InvalidInputError for an unknown name or a preset of another family.
 */
export function presetConfig<Family extends ModelSpec['family']>(family: Family, name: string): ConfigOf<Family> {
  const preset = findPreset(name);
  if (preset.family === family) return preset.config as ConfigOf<Family>;
  throw new InvalidInputError('Preset', {
    given: `${name} of family ${preset.family}`,
    expected: `a preset of family ${family}`,
    remedy: 'Name another preset.',
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
