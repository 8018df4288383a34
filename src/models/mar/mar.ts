import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../diffusion/noise';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key, randint, uniform } from '../../runtime/random';
import { type DiffusionDraws, diffusionLoss, HEAD_IN_MODEL } from '../blocks/diffusion-loss';
import type { Shapes } from '../blocks/initialisers';
import { embed, fillRows, layerNorm, linear, type Placement, takeRows, weight } from '../blocks/layers';
import { patchify } from '../blocks/patchify';
import { addDropoutShapes, block, blockRows, type Dropout } from '../blocks/transformer';
import { type MarConfig, tokenChannels, tokenCount } from './mar-config';
import { drawMaskRatio, drawOrders, maskByOrder, maskedCount, placeTokens, type TokenPlacement } from './masking';

export { patchify, unpatchify } from '../blocks/patchify';
export { initMar, MAR_DEFAULTS, type MarConfig, marConfig, marShapes, tokenChannels, tokenCount } from './mar-config';

/** A `TokenPlacement` as int32 tensors: which places are encoded, filled and asked for. */
export interface MarPlacement extends Placement {
  wanted: tf.Tensor1D;
  wantedSource: tf.Tensor1D;
}

/** Hands out intermediate values. */
export type MarRecorder = (name: string, value: tf.Tensor) => void;

/** What a forward pass may be given beyond its inputs. */
export interface MarPassOptions {
  dropout?: Dropout;
  record?: MarRecorder;
}

/** Row numbers as tensors. */
export function placementTensors(placement: TokenPlacement): MarPlacement {
  const tensor = (rows: Int32Array) => tf.tensor1d(rows, 'int32');
  return {
    kept: tensor(placement.kept),
    filled: tensor(placement.filled),
    source: tensor(placement.source),
    wanted: tensor(placement.wanted),
    wantedSource: tensor(placement.wantedSource),
  };
}

/** Class embeddings of labels int32 `[batch]`, replaced by the fake latent where `labelKept` `[batch, 1]` is 0: `[batch, width]`. */
export function classEmbedding(parameters: Parameters, labels: tf.Tensor1D, labelKept?: tf.Tensor2D): tf.Tensor2D {
  const known = embed(weight<tf.Tensor2D>(parameters, 'class_emb.weight'), labels);
  if (!labelKept) return known;
  const fake = weight<tf.Tensor2D>(parameters, 'fake_latent');
  return known.mul(labelKept).add(fake.mul(tf.sub(1, labelKept)));
}

/** The fake latent once per sample, `[batch, width]`: the condition without a class. */
export function fakeEmbedding(parameters: Parameters, batch: number): tf.Tensor2D {
  return weight<tf.Tensor2D>(parameters, 'fake_latent').tile([batch, 1]);
}

/** Encodes the kept places of tokens `[batch, tokens, channels]`: `[batch, kept, encoderWidth]`, the buffer first. */
export function marEncode(
  parameters: Parameters,
  config: MarConfig,
  tokens: tf.Tensor3D,
  classes: tf.Tensor2D,
  placement: Placement,
  { dropout, record }: MarPassOptions = {},
): tf.Tensor3D {
  const { encoderWidth, encoderHeads, bufferSize, normEpsilon } = config;
  const batch = tokens.shape[0];
  const projected = linear(parameters, 'z_proj', tokens);
  record?.('enc.z_proj', projected);
  const buffer = classes.expandDims(1).tile([1, bufferSize, 1]) as tf.Tensor3D;
  const placed = tf.concat([buffer, projected], 1).add(weight(parameters, 'encoder_pos_embed_learned'));
  const normed = layerNorm(parameters, 'z_proj_ln', placed, 1e-6);
  record?.('enc.z_proj_ln', normed);
  const rows = takeRows(normed.reshape([-1, encoderWidth]), placement.kept, placement.source);
  let x = rows.reshape([batch, -1, encoderWidth]) as tf.Tensor3D;
  for (let i = 0; i < config.encoderDepth; i++) {
    x = block(parameters, `encoder_blocks.${i}`, x, { heads: encoderHeads, epsilon: normEpsilon, dropout });
    record?.(`enc.block${i}`, x);
  }
  const encoded = layerNorm(parameters, 'encoder_norm', x, normEpsilon);
  record?.('enc.out', encoded);
  return encoded;
}

/** Decodes all places: one condition per token, `[batch, tokens, decoderWidth]`. */
export function marDecode(
  parameters: Parameters,
  config: MarConfig,
  encoded: tf.Tensor3D,
  placement: Placement,
  { dropout, record }: MarPassOptions = {},
): tf.Tensor3D {
  const { decoderHeads, bufferSize, normEpsilon } = config;
  let x = decoderInput(parameters, config, encoded, placement, record);
  for (let i = 0; i < config.decoderDepth; i++) {
    x = block(parameters, `decoder_blocks.${i}`, x, { heads: decoderHeads, epsilon: normEpsilon, dropout });
    record?.(`dec.block${i}`, x);
  }
  const normed = layerNorm(parameters, 'decoder_norm', x, normEpsilon);
  record?.('dec.norm', normed);
  const conditions = normed
    .slice([0, bufferSize, 0], [-1, -1, -1])
    .add(weight(parameters, 'diffusion_pos_embed_learned')) as tf.Tensor3D;
  record?.('z', conditions);
  return conditions;
}

/** Encoded tokens and mask tokens at their places. */
function decoderInput(
  parameters: Parameters,
  config: MarConfig,
  encoded: tf.Tensor3D,
  placement: Placement,
  record?: MarRecorder,
): tf.Tensor3D {
  const { decoderWidth } = config;
  const embedded = linear(parameters, 'decoder_embed', encoded);
  record?.('dec.embed', embedded);
  const maskToken = weight(parameters, 'mask_token').reshape([1, decoderWidth]) as tf.Tensor2D;
  const filled = fillRows(embedded.reshape([-1, decoderWidth]), maskToken, placement);
  const placed = filled
    .reshape([encoded.shape[0], -1, decoderWidth])
    .add(weight(parameters, 'decoder_pos_embed_learned')) as tf.Tensor3D;
  record?.('dec.in', placed);
  return placed;
}

/**
 * The conditions of the wanted tokens only, `[wanted, decoderWidth]`, equally many per sample: the same as these rows of
 * `marConditions`, but the last block leaves out what only other tokens need.
 */
export function marWantedConditions(
  parameters: Parameters,
  config: MarConfig,
  tokens: tf.Tensor3D,
  classes: tf.Tensor2D,
  placement: MarPlacement,
): tf.Tensor2D {
  const { decoderHeads, decoderDepth, decoderWidth, bufferSize, normEpsilon } = config;
  const options = { heads: decoderHeads, epsilon: normEpsilon };
  const encoded = marEncode(parameters, config, tokens, classes, placement);
  const [batch] = encoded.shape;
  const take = (x: tf.Tensor3D) => {
    const flat = x.reshape([-1, decoderWidth]) as tf.Tensor2D;
    return takeRows(flat, placement.wanted, placement.wantedSource).reshape([batch, -1, decoderWidth]) as tf.Tensor3D;
  };
  const takeTokens = (x: tf.Tensor3D) => take(x.slice([0, bufferSize, 0], [-1, -1, -1]));
  let x = decoderInput(parameters, config, encoded, placement);
  for (let i = 0; i < decoderDepth - 1; i++) x = block(parameters, `decoder_blocks.${i}`, x, options);
  const last = decoderDepth - 1;
  const rows = last < 0 ? takeTokens(x) : blockRows(parameters, `decoder_blocks.${last}`, x, takeTokens, options);
  const places = weight(parameters, 'diffusion_pos_embed_learned').tile([batch, 1, 1]) as tf.Tensor3D;
  const normed = layerNorm(parameters, 'decoder_norm', rows, normEpsilon);
  return normed.add(take(places)).reshape([-1, decoderWidth]) as tf.Tensor2D;
}

/** Encoder and decoder: conditions of all tokens `[batch, tokens, decoderWidth]` given the unmasked ones. */
export function marConditions(
  parameters: Parameters,
  config: MarConfig,
  tokens: tf.Tensor3D,
  classes: tf.Tensor2D,
  placement: Placement,
  options: MarPassOptions = {},
): tf.Tensor3D {
  const encoded = marEncode(parameters, config, tokens, classes, placement, options);
  return marDecode(parameters, config, encoded, placement, options);
}

/** A training batch. */
export interface MarBatch {
  /** Scaled latents `[batch, height, width, channels]`. */
  latents: tf.Tensor4D;
  /** Classes, int32 `[batch]`. */
  labels: tf.Tensor1D;
}

/** Every random draw of one training step as tensors; diffusion rows are (repeat, sample, masked position). */
export interface MarDraws extends MarPlacement, DiffusionDraws {
  /** 1 where the label is kept, 0 where the fake latent stands in, `[batch, 1]`. */
  labelKept: tf.Tensor2D;
  dropout?: Dropout;
}

/**
 * The training loss: the diffusion loss of the masked tokens under the conditions that the unmasked ones give. Pure and
 * differentiable in the parameters. Only masked tokens pass through the MLP, which leaves the reference's masked mean
 * unchanged because it is a mean over them.
 */
export function marLoss(
  parameters: Parameters,
  config: MarConfig,
  { latents, labels }: MarBatch,
  draws: MarDraws,
  record?: MarRecorder,
): tf.Scalar {
  const tokens = patchify(latents, config.patchSize);
  const classes = classEmbedding(parameters, labels, draws.labelKept);
  const { dropout } = draws;
  if (dropout || record) {
    const all = marConditions(parameters, config, tokens, classes, draws, { dropout, record });
    return marLossOfConditions(parameters, config, tokens, all, draws);
  }
  return wantedLoss(parameters, config, tokens, marWantedConditions(parameters, config, tokens, classes, draws), draws);
}

/** The loss of the wanted tokens `[batch, tokens, channels]` under conditions `[batch, tokens, decoderWidth]`. */
export function marLossOfConditions(
  parameters: Parameters,
  config: MarConfig,
  tokens: tf.Tensor3D,
  conditions: tf.Tensor3D,
  draws: MarDraws,
): tf.Scalar {
  const rows = takeRows(conditions.reshape([-1, config.decoderWidth]), draws.wanted, draws.wantedSource);
  return wantedLoss(parameters, config, tokens, rows, draws);
}

/** The loss of the wanted tokens under their conditions `[wanted, decoderWidth]`. */
function wantedLoss(
  parameters: Parameters,
  config: MarConfig,
  tokens: tf.Tensor3D,
  rows: tf.Tensor2D,
  draws: MarDraws,
): tf.Scalar {
  const targets = tf.gather(tokens.reshape([-1, tokenChannels(config)]) as tf.Tensor2D, draws.wanted);
  const repeats = [config.noisesPerToken, 1];
  return diffusionLoss(parameters, targets.tile(repeats), rows.tile(repeats), draws, { prefix: HEAD_IN_MODEL });
}

/** The shapes of one training step's draws follow from the batch and the number of masked tokens. */
export interface DrawOptions {
  /** Number of masked tokens per sample; drawn by the mask-ratio law where it is left out. */
  masked?: number;
}

/** Draws everything that one training step needs from a key. The caller disposes of it (`tf.dispose`). */
export function drawMar(config: MarConfig, batch: number, key: Key, { masked }: DrawOptions = {}): MarDraws {
  const tokens = tokenCount(config);
  const count = masked ?? maskedCount(tokens, drawMaskRatio(foldIn(key, 'ratio'), config));
  const mask = maskByOrder(drawOrders(foldIn(key, 'orders'), batch, tokens), tokens, count);
  const rows = config.noisesPerToken * batch * count;
  const kept = uniform(foldIn(key, 'labels'), batch).map((u) => (u < config.labelDrop ? 0 : 1));
  return {
    ...placementTensors(placeTokens(mask, tokens, config.bufferSize)),
    labelKept: tf.tensor2d(Float32Array.from(kept), [batch, 1]),
    steps: tf.tensor1d(randint(foldIn(key, 'steps'), rows, 0, 1000), 'int32'),
    noise: normalTensor(foldIn(key, 'noise'), [rows, tokenChannels(config)]),
    dropout: drawDropout(config, batch, count, foldIn(key, 'dropout')),
  };
}

/** Factors of every dropout of one step, undefined where both rates are 0. */
export function drawDropout(config: MarConfig, batch: number, masked: number, key: Key): Dropout | undefined {
  const { attentionDropout, projectionDropout } = config;
  if (attentionDropout === 0 && projectionDropout === 0) return undefined;
  const dropout: Dropout = {};
  for (const [name, shape] of dropoutShapes(config, batch, masked)) {
    const rate = name.endsWith('.attn') ? attentionDropout : projectionDropout;
    const size = shape.reduce((product, n) => product * n, 1);
    const factor = 1 / (1 - rate);
    const values = Float32Array.from(uniform(foldIn(key, name), size), (u) => (u < rate ? 0 : factor));
    if (rate > 0) dropout[name] = tf.tensor(values, shape);
  }
  return dropout;
}

/** Names and shapes of the dropout factors. */
export function dropoutShapes(config: MarConfig, batch: number, masked: number): Shapes {
  const shapes: Shapes = new Map();
  const places = config.bufferSize + tokenCount(config);
  const { encoderWidth, encoderHeads, decoderWidth, decoderHeads, mlpRatio } = config;
  for (let i = 0; i < config.encoderDepth; i++) {
    addDropoutShapes(shapes, `encoder_blocks.${i}`, [batch, places - masked, encoderWidth], encoderHeads, mlpRatio);
  }
  for (let i = 0; i < config.decoderDepth; i++) {
    addDropoutShapes(shapes, `decoder_blocks.${i}`, [batch, places, decoderWidth], decoderHeads, mlpRatio);
  }
  return shapes;
}
