import * as tf from '@tensorflow/tfjs';
import {
  type CausalArConfig,
  type CausalArDraws,
  causalConditions,
  drawCausalAr,
  initCausalAr,
} from '../models/ar/causal-ar';
import { diffusionLoss, HEAD_IN_MODEL } from '../models/blocks/diffusion-loss';
import {
  classEmbedding,
  drawMar,
  initMar,
  type MarConfig,
  type MarDraws,
  marConditions,
  marLossOfConditions,
  patchify,
  placementTensors,
  tokenChannels,
  tokenCount,
} from '../models/mar/mar';
import { placeTokens } from '../models/mar/masking';
import type { Parameters } from '../runtime/parameters';
import { foldIn, type Key, permutation, uniform } from '../runtime/random';
import type { Batch } from './step';
import type { TokenModel } from './tasks';

/**
 * A token model whose training can be refined. Its batches may carry, beside what the plain training has,
 *
 * - `history` `[batch, tokens, channels]`: the tokens that the transformer sees; default the real ones. The loss is on the real
 *   tokens in any case;
 * - `offset` `[batch, tokens, width]` and `passThrough` `[batch, tokens, 1]`: the denoiser gets `passThrough * conditions + offset`
 *   instead of the conditions.
 *
 * The offset is an input and hence a constant of the gradient: nothing is differentiated through the coupling that made it, and
 * the transformer learns through the factor `passThrough`.
 */
export interface RefinedModel extends TokenModel {
  tokens: number;
  channels: number;
  width: number;
  /** Conditions of all tokens `[batch, tokens, width]` given the batch's history; pure in its tensors. */
  conditions(parameters: Parameters, batch: Batch): tf.Tensor3D;
  /** Flat `[batch, tokens]` numbers of the tokens whose conditions the loss uses. */
  predicted(batch: Batch): Int32Array;
  /**
   * Which tokens of the history are to be the model's own, flat `[batch, tokens]`, and the batch whose conditions they are drawn
   * from; the caller disposes of the tensors of `from` that are not of `batch`.
   */
  ownTokens(batch: Batch, share: number, key: Key): { tokens: Int32Array; from: Batch };
}

/** Causal AR. Own tokens are drawn in parallel from their conditions under the real history (as in parallel scheduled sampling). */
export function refinedCausalAr(config: CausalArConfig): RefinedModel {
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];
  const given = (batch: Batch) => batch as unknown as CausalArDraws & { latents: tf.Tensor4D; labels: tf.Tensor1D };
  const conditions: RefinedModel['conditions'] = (parameters, batch) => {
    const { latents, labels, labelKept } = given(batch);
    const history = (batch.history ?? patchify(latents, config.patchSize)) as tf.Tensor3D;
    return causalConditions(parameters, config, history, classEmbedding(parameters, labels, labelKept));
  };
  return {
    name: 'ar',
    config,
    tokens,
    channels,
    width: config.width,
    initial: (key) => initCausalAr(config, key),
    draw: (batch, key) => ({ ...drawCausalAr(config, batch, key) }),
    conditions,
    loss: (parameters, batch) => {
      const moved = refined(conditions(parameters, batch), batch).reshape([-1, config.width]);
      const targets = patchify(given(batch).latents, config.patchSize).reshape([-1, channels]) as tf.Tensor2D;
      const repeats = [config.noisesPerToken, 1];
      const rows = moved.tile(repeats) as tf.Tensor2D;
      return diffusionLoss(parameters, targets.tile(repeats), rows, given(batch), { prefix: HEAD_IN_MODEL });
    },
    predicted: ({ labels }) => Int32Array.from({ length: labels.size * tokens }, (_, i) => i),
    ownTokens: (batch, share, key) => {
      const chosen = uniform(key, batch.labels.size * tokens);
      return { tokens: Int32Array.from([...chosen.keys()].filter((i) => chosen[i] < share)), from: batch };
    },
  };
}

/**
 * MAR. Own tokens are a share of the known ones, drawn from their conditions given the other known ones: what the generation step
 * before this one would have made.
 */
export function refinedMar(config: MarConfig): RefinedModel {
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];
  const given = (batch: Batch) => batch as unknown as MarDraws & { latents: tf.Tensor4D; labels: tf.Tensor1D };
  const conditions: RefinedModel['conditions'] = (parameters, batch) => {
    const { latents, labels, labelKept } = given(batch);
    const history = (batch.history ?? patchify(latents, config.patchSize)) as tf.Tensor3D;
    return marConditions(parameters, config, history, classEmbedding(parameters, labels, labelKept), given(batch));
  };
  return {
    name: 'mar',
    config,
    tokens,
    channels,
    width: config.decoderWidth,
    initial: (key) => initMar(config, key),
    draw: (batch, key) =>
      Object.fromEntries(Object.entries(drawMar(config, batch, key)).filter(([, x]) => x instanceof tf.Tensor)),
    conditions,
    loss: (parameters, batch) => {
      const real = patchify(given(batch).latents, config.patchSize);
      const moved = refined(conditions(parameters, batch), batch);
      return marLossOfConditions(parameters, config, real, moved, given(batch));
    },
    predicted: ({ wanted }) => wanted.dataSync() as Int32Array,
    ownTokens: (batch, share, key) => {
      const count = batch.labels.size;
      const mask = new Uint8Array(count * tokens);
      for (const token of batch.wanted.dataSync()) mask[token] = 1;
      const wanted = new Uint8Array(mask.length);
      for (let sample = 0; sample < count; sample++) {
        const known = Array.from({ length: tokens }, (_, i) => sample * tokens + i).filter((i) => !mask[i]);
        const order = permutation(foldIn(key, sample), known.length);
        for (const i of order.subarray(0, Math.round(share * known.length))) wanted[known[i]] = 1;
      }
      const places = placeTokens(
        mask.map((masked, i) => masked | wanted[i]),
        tokens,
        config.bufferSize,
        wanted,
      );
      return { tokens: places.wanted, from: { ...batch, ...placementTensors(places) } };
    },
  };
}

function refined(conditions: tf.Tensor3D, { offset, passThrough }: Batch): tf.Tensor3D {
  return offset ? (conditions.mul(passThrough).add(offset) as tf.Tensor3D) : conditions;
}
