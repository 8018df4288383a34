import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../diffusion/noise';
import { addNoise } from '../../diffusion/reverse-step';
import { lossTerms } from '../../diffusion/training-loss';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key, randint } from '../../runtime/random';
import { drawLabelKept, requireDivisible } from '../ar/causal-ar';
import { embedConditions, embedTimesteps, trainingDiffusion } from '../blocks/diffusion-loss';
import { gaussian, initialise, type Shapes, xavier, zeros } from '../blocks/initialisers';
import { gelu, linear, normalise, silu, weight } from '../blocks/layers';
import { attend, projectHeads } from '../blocks/transformer';
import { classEmbedding, type MarBatch, patchify, tokenChannels, tokenCount } from '../mar/mar';
import type { TokenGrid } from '../mar/mar-config';

/**
 * Conditional diffusion with one static condition: a transformer with adaptive layer norm (as DiT, Peebles and Xie 2023)
 * denoises all tokens of an image jointly under the class embedding, with the process and loss of the other models.
 */
export interface CdmConfig extends TokenGrid {
  width: number;
  depth: number;
  heads: number;
  /** Hidden width of a block's MLP over its width. */
  mlpRatio: number;
  classes: number;
  timestepFrequencies: number;
  /** Share of labels replaced by the fake latent in training. */
  labelDrop: number;
  normEpsilon: number;
  /** Steps of the reverse process, see `spaceTimesteps`. */
  samplingSteps: string;
}

/** 256x256 images and KL-16, at the size of DiT-XL (28 x 1152, 16 heads). */
export const CDM_DEFAULTS: CdmConfig = {
  imageSize: 256,
  vaeStride: 16,
  patchSize: 1,
  latentChannels: 16,
  width: 1152,
  depth: 28,
  heads: 16,
  mlpRatio: 4,
  classes: 1000,
  timestepFrequencies: 256,
  labelDrop: 0.1,
  normEpsilon: 1e-6,
  samplingSteps: '100',
};

/**
 * A complete configuration from some of its fields.
 * @throws InvalidInputError where the heads do not divide the width or the tokens the image.
 */
export function cdmConfig(fields: Partial<CdmConfig> = {}): CdmConfig {
  const config = { ...CDM_DEFAULTS, ...fields };
  requireDivisible('CDM configuration', config);
  return config;
}

/** Names and shapes of the weights. */
export function cdmShapes(config: CdmConfig): Shapes {
  const { width, depth, mlpRatio, classes, timestepFrequencies } = config;
  const channels = tokenChannels(config);
  const hidden = Math.trunc(width * mlpRatio);
  const shapes: Shapes = new Map();
  const pair = (name: string, shape: number[]) => shapes.set(`${name}.weight`, shape).set(`${name}.bias`, [shape[0]]);
  shapes.set('fake_latent', [1, width]);
  shapes.set('pos_embed_learned', [1, tokenCount(config), width]);
  shapes.set('class_emb.weight', [classes, width]);
  pair('time_embed.mlp.0', [width, timestepFrequencies]);
  pair('time_embed.mlp.2', [width, width]);
  pair('cond_embed', [width, width]);
  pair('input_proj', [width, channels]);
  for (let i = 0; i < depth; i++) {
    pair(`blocks.${i}.attn.qkv`, [3 * width, width]);
    pair(`blocks.${i}.attn.proj`, [width, width]);
    pair(`blocks.${i}.mlp.fc1`, [hidden, width]);
    pair(`blocks.${i}.mlp.fc2`, [width, hidden]);
    pair(`blocks.${i}.adaLN_modulation.1`, [6 * width, width]);
  }
  pair('final_layer.linear', [2 * channels, width]);
  pair('final_layer.adaLN_modulation.1', [2 * width, width]);
  return shapes;
}

/** Fresh weights: Xavier matrices, normal(0.02) embeddings and timestep MLP, modulations and output zero (as DiT). */
export function initCdm(config: CdmConfig, key: Key): Parameters {
  return initialise(cdmShapes(config), key, (name) => {
    if (name.endsWith('.bias') || name.includes('adaLN_modulation') || name.includes('final_layer')) return zeros;
    return /latent|embed_learned|class_emb|time_embed/.test(name) ? gaussian(0.02) : xavier;
  });
}

/**
 * The network: noisy tokens `[batch, tokens, channels]`, original step numbers int32 `[batch]` (or `[1]` for all) and
 * conditions `[batch, width]` (class embeddings) to noise predictions and variance values `[batch, tokens, 2 channels]`.
 */
export function cdmNetwork(
  parameters: Parameters,
  config: CdmConfig,
  noised: tf.Tensor3D,
  steps: tf.Tensor1D,
  conditions: tf.Tensor2D,
): tf.Tensor3D {
  const { depth, normEpsilon } = config;
  const active = silu(embedTimesteps(parameters, steps, '').add(embedConditions(parameters, conditions, '')));
  const modulation = (name: string, parts: number) =>
    tf.split(linear(parameters, `${name}.adaLN_modulation.1`, active), parts, 1).map((x) => x.expandDims(1));
  const modulate = (x: tf.Tensor, shift: tf.Tensor, scale: tf.Tensor) =>
    normalise(x, normEpsilon).mul(scale.add(1)).add(shift) as tf.Tensor3D;
  let x = linear(parameters, 'input_proj', noised).add(weight(parameters, 'pos_embed_learned')) as tf.Tensor3D;
  for (let i = 0; i < depth; i++) {
    const name = `blocks.${i}`;
    const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(name, 6);
    const [queries, keys, values] = projectHeads(parameters, `${name}.attn`, modulate(x, shift1, scale1), config.heads);
    x = x.add(gate1.mul(linear(parameters, `${name}.attn.proj`, attend(queries, keys, values))));
    const hidden = gelu(linear(parameters, `${name}.mlp.fc1`, modulate(x, shift2, scale2)));
    x = x.add(gate2.mul(linear(parameters, `${name}.mlp.fc2`, hidden)));
  }
  const [shift, scale] = modulation('final_layer', 2);
  return linear(parameters, 'final_layer.linear', modulate(x, shift, scale));
}

/** Every random draw of one training step as tensors. */
export interface CdmDraws {
  /** 1 where the label is kept, 0 where the fake latent stands in, `[batch, 1]`. */
  labelKept: tf.Tensor2D;
  /** Step numbers 0 .. 999, one per image, int32 `[batch]`. */
  steps: tf.Tensor1D;
  /** Standard normal `[batch * tokens, channels]`. */
  noise: tf.Tensor2D;
}

/** The training loss: the mean over images and tokens of the hybrid diffusion loss. Pure, differentiable in the parameters. */
export function cdmLoss(
  parameters: Parameters,
  config: CdmConfig,
  { latents, labels }: MarBatch,
  { labelKept, steps, noise }: CdmDraws,
): tf.Scalar {
  const tokens = patchify(latents, config.patchSize);
  const [batch, count, channels] = tokens.shape;
  const rows = tokens.reshape([-1, channels]) as tf.Tensor2D;
  const rowSteps = steps.expandDims(1).tile([1, count]).reshape([-1]) as tf.Tensor1D;
  const noised = addNoise(trainingDiffusion, rows, rowSteps, noise);
  const conditions = classEmbedding(parameters, labels, labelKept);
  const output = cdmNetwork(
    parameters,
    config,
    noised.reshape([batch, count, channels]) as tf.Tensor3D,
    steps,
    conditions,
  ).reshape([-1, 2 * channels]) as tf.Tensor2D;
  return lossTerms(trainingDiffusion, output, rows, noised, rowSteps, noise).loss.mean() as tf.Scalar;
}

/** Draws everything that one training step needs from a key. The caller disposes of it (`tf.dispose`). */
export function drawCdm(config: CdmConfig, batch: number, key: Key): CdmDraws {
  return {
    labelKept: drawLabelKept(batch, config.labelDrop, foldIn(key, 'labels')),
    steps: tf.tensor1d(randint(foldIn(key, 'steps'), batch, 0, 1000), 'int32'),
    noise: normalTensor(foldIn(key, 'noise'), [batch * tokenCount(config), tokenChannels(config)]),
  };
}
