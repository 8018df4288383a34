import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../diffusion/noise';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key, randint, uniform } from '../../runtime/random';
import {
  type DiffusionDraws,
  type DiffusionHeadConfig,
  diffusionHeadInitialiser,
  diffusionHeadShapes,
  diffusionLoss,
  HEAD_IN_MODEL,
} from '../blocks/diffusion-loss';
import { gaussian, initialise, ones, type Shapes, xavier, zeros } from '../blocks/initialisers';
import { layerNorm, linear, weight } from '../blocks/layers';
import { addBlockShapes, type BlockOptions, block } from '../blocks/transformer';
import { classEmbedding, type MarBatch, patchify, tokenChannels, tokenCount } from '../mar/mar';
import type { TokenGrid } from '../mar/mar-config';

/** A causal autoregressive model: a GPT-style decoder over tokens in raster order, with the diffusion loss. */
export interface CausalArConfig extends TokenGrid {
  width: number;
  depth: number;
  heads: number;
  /** Hidden width of a block's MLP over its width. */
  mlpRatio: number;
  classes: number;
  /** Blocks and width of the denoising MLP. */
  headDepth: number;
  headWidth: number;
  timestepFrequencies: number;
  /** How often each token is noised per training step. */
  noisesPerToken: number;
  /** Share of labels replaced by the fake latent in training. */
  labelDrop: number;
  normEpsilon: number;
  /** Steps of the reverse process, see `spaceTimesteps`. */
  samplingSteps: string;
}

/** 256x256 images and KL-16; width, depth and heads of GPT-XL as in LlamaGen (36 x 1280, 20 heads), the head of MAR-L. */
export const CAUSAL_AR_DEFAULTS: CausalArConfig = {
  imageSize: 256,
  vaeStride: 16,
  patchSize: 1,
  latentChannels: 16,
  width: 1280,
  depth: 36,
  heads: 20,
  mlpRatio: 4,
  classes: 1000,
  headDepth: 8,
  headWidth: 1280,
  timestepFrequencies: 256,
  noisesPerToken: 4,
  labelDrop: 0.1,
  normEpsilon: 1e-6,
  samplingSteps: '100',
};

/**
 * A complete configuration from some of its fields.
 * @throws InvalidInputError where the heads do not divide the width or the tokens the image.
 */
export function causalArConfig(fields: Partial<CausalArConfig> = {}): CausalArConfig {
  const config = { ...CAUSAL_AR_DEFAULTS, ...fields };
  requireDivisible('Causal AR configuration', config);
  return config;
}

/** Refuses widths that heads do not divide and images that tokens do not. */
export function requireDivisible(what: string, config: TokenGrid & { width: number; heads: number }): void {
  const { width, heads, imageSize, vaeStride, patchSize } = config;
  if (width % heads === 0 && imageSize % (vaeStride * patchSize) === 0) return;
  throw new InvalidInputError(what, {
    given: `width ${width}, heads ${heads}, imageSize ${imageSize}, vaeStride ${vaeStride}, patchSize ${patchSize}`,
    expected: 'a width that the heads divide and an image size that stride times patch size divides',
    remedy: 'Correct the named fields.',
  });
}

/** Names and shapes of the weights. */
export function causalArShapes(config: CausalArConfig): Shapes {
  const { width, depth, mlpRatio } = config;
  const tokens = tokenCount(config);
  const shapes: Shapes = new Map();
  const pair = (name: string, shape: number[]) => shapes.set(`${name}.weight`, shape).set(`${name}.bias`, [shape[0]]);
  shapes.set('fake_latent', [1, width]);
  shapes.set('pos_embed_learned', [1, tokens, width]);
  shapes.set('diffusion_pos_embed_learned', [1, tokens, width]);
  shapes.set('class_emb.weight', [config.classes, width]);
  pair('z_proj', [width, tokenChannels(config)]);
  for (let i = 0; i < depth; i++) addBlockShapes(shapes, `blocks.${i}`, width, mlpRatio);
  pair('norm', [width]);
  for (const [name, shape] of diffusionHeadShapes(causalArHead(config), HEAD_IN_MODEL)) shapes.set(name, shape);
  return shapes;
}

/** The denoising MLP's part of a configuration. */
export function causalArHead(config: CausalArConfig): DiffusionHeadConfig {
  return {
    channels: tokenChannels(config),
    conditionWidth: config.width,
    width: config.headWidth,
    depth: config.headDepth,
    frequencies: config.timestepFrequencies,
  };
}

/** Fresh weights, by the rules of MAR: Xavier matrices, normal(0.02) embeddings, the head's own. */
export function initCausalAr(config: CausalArConfig, key: Key): Parameters {
  return initialise(causalArShapes(config), key, (name) => {
    if (name.startsWith(HEAD_IN_MODEL)) return diffusionHeadInitialiser(name);
    if (name.endsWith('.bias')) return zeros;
    if (/norm\d?\.weight$/.test(name)) return ones;
    return /latent|embed_learned|class_emb/.test(name) ? gaussian(0.02) : xavier;
  });
}

/**
 * Conditions under teacher forcing `[batch, tokens, width]`: entry i sees the class (`classes` `[batch, width]`, an
 * embedding) and tokens 0 .. i-1 of `tokens` `[batch, tokens, channels]` in raster order. The last token is not looked at.
 */
export function causalConditions(
  parameters: Parameters,
  config: CausalArConfig,
  tokens: tf.Tensor3D,
  classes: tf.Tensor2D,
): tf.Tensor3D {
  const count = tokenCount(config);
  const seen = linear(parameters, 'z_proj', tokens.slice([0, 0, 0], [-1, count - 1, -1]));
  const inputs = tf.concat([classes.expandDims(1), seen], 1) as tf.Tensor3D;
  return decodeCausally(parameters, config, inputs, 0, { scoreBias: causalBias(count) });
}

/** The decoder over embedded inputs `[batch, n, width]` that stand at places from `start` on: their conditions. */
export function decodeCausally(
  parameters: Parameters,
  config: CausalArConfig,
  inputs: tf.Tensor3D,
  start: number,
  options: Pick<BlockOptions, 'scoreBias' | 'extend'>,
): tf.Tensor3D {
  const { heads, depth, normEpsilon } = config;
  const place = (name: string) => weight(parameters, name).slice([0, start, 0], [1, inputs.shape[1], -1]);
  let x = inputs.add(place('pos_embed_learned')) as tf.Tensor3D;
  for (let i = 0; i < depth; i++) {
    x = block(parameters, `blocks.${i}`, x, { heads, epsilon: normEpsilon, ...options });
  }
  return layerNorm(parameters, 'norm', x, normEpsilon).add(place('diffusion_pos_embed_learned')) as tf.Tensor3D;
}

/** 0 where row i may attend to column j <= i, else -1e9. */
function causalBias(count: number): tf.Tensor2D {
  const bias = new Float32Array(count * count);
  for (let i = 0; i < count; i++) bias.fill(-1e9, i * count + i + 1, (i + 1) * count);
  return tf.tensor2d(bias, [count, count]);
}

/** Every random draw of one training step as tensors; diffusion rows are (repeat, sample, token). */
export interface CausalArDraws extends DiffusionDraws {
  /** 1 where the label is kept, 0 where the fake latent stands in, `[batch, 1]`. */
  labelKept: tf.Tensor2D;
}

/** The training loss: the mean diffusion loss of all tokens under teacher forcing. Pure, differentiable in the parameters. */
export function causalArLoss(
  parameters: Parameters,
  config: CausalArConfig,
  { latents, labels }: MarBatch,
  draws: CausalArDraws,
): tf.Scalar {
  const tokens = patchify(latents, config.patchSize);
  const classes = classEmbedding(parameters, labels, draws.labelKept);
  const conditions = causalConditions(parameters, config, tokens, classes).reshape([-1, config.width]) as tf.Tensor2D;
  const targets = tokens.reshape([-1, tokenChannels(config)]) as tf.Tensor2D;
  const repeats = [config.noisesPerToken, 1];
  return diffusionLoss(parameters, targets.tile(repeats), conditions.tile(repeats), draws, { prefix: HEAD_IN_MODEL });
}

/** Draws everything that one training step needs from a key. The caller disposes of it (`tf.dispose`). */
export function drawCausalAr(config: CausalArConfig, batch: number, key: Key): CausalArDraws {
  const rows = config.noisesPerToken * batch * tokenCount(config);
  return {
    labelKept: drawLabelKept(batch, config.labelDrop, foldIn(key, 'labels')),
    steps: tf.tensor1d(randint(foldIn(key, 'steps'), rows, 0, 1000), 'int32'),
    noise: normalTensor(foldIn(key, 'noise'), [rows, tokenChannels(config)]),
  };
}

/** 1 where a label is kept, 0 with probability `rate`, `[batch, 1]`. */
export function drawLabelKept(batch: number, rate: number, key: Key): tf.Tensor2D {
  const kept = Float32Array.from(uniform(key, batch), (u) => (u < rate ? 0 : 1));
  return tf.tensor2d(kept, [batch, 1]);
}
