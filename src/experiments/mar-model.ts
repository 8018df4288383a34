import * as tf from '@tensorflow/tfjs';
import { fingerprint } from '../models/fingerprint';
import {
  classEmbedding,
  type MarConfig,
  marConditions,
  patchify,
  placementTensors,
  tokenChannels,
  tokenCount,
  unpatchify,
} from '../models/mar';
import { keyedMarDraws, sampleMar } from '../models/mar-sample';
import { cosineMaskCounts, maskByOrder, placeTokens } from '../models/masking';
import type { Parameters } from '../models/parameters';
import { respacedDiffusion } from '../models/token-sampler';
import { key, permutation } from '../runtime/random';
import type { ImageModel, TeacherForced } from './image-model';

export interface MarModelOptions {
  /** Generation steps; default 8. */
  steps?: number;
  /** Seed of the token order; default 0. */
  orderSeed?: number;
}

/**
 * A masked autoregressive model for experiments. All images share one random token order (ours): at a given step the same
 * positions are known in every image, so that "the law of the condition given what is known" is one law per position.
 */
export function marModel(
  parameters: Parameters,
  config: MarConfig,
  { steps = 8, orderSeed = 0 }: MarModelOptions = {},
): ImageModel {
  const tokens = tokenCount(config);
  const order = permutation(key(orderSeed), tokens);
  const counts = cosineMaskCounts(tokens, steps);
  const sharedOrders = (batch: number) => Int32Array.from({ length: batch * tokens }, (_, i) => order[i % tokens]);

  /** Which tokens are masked before a step, and which of them it generates, `[batch, tokens]` flat. */
  function masks(batch: number, step: number) {
    const orders = sharedOrders(batch);
    const mask = maskByOrder(orders, tokens, step === 0 ? tokens : counts[step - 1]);
    const after = maskByOrder(orders, tokens, step === steps - 1 ? 0 : counts[step]);
    return { mask, predicted: mask.map((masked, i) => (masked && !after[i] ? 1 : 0)) };
  }

  async function* teacherForced(latents: tf.Tensor4D, labels: Int32Array): AsyncIterable<TeacherForced> {
    const batch = labels.length;
    for (let step = 0; step < steps; step++) {
      const { mask, predicted } = masks(batch, step);
      const placement = placementTensors(placeTokens(mask, tokens, config.bufferSize, predicted));
      const [conditions, real] = tf.tidy(() => {
        const known = classEmbedding(parameters, tf.tensor1d(labels, 'int32'));
        const all = patchify(latents, config.patchSize);
        const rows = marConditions(parameters, config, all, known, placement).reshape([-1, config.decoderWidth]);
        const own = all.reshape([-1, tokenChannels(config)]);
        return [tf.gather(rows, placement.wanted), tf.gather(own, placement.wanted)];
      });
      const wanted = (await placement.wanted.data()) as Int32Array;
      yield {
        step,
        conditions: (await conditions.data()) as Float32Array,
        latents: (await real.data()) as Float32Array,
        classes: wanted.map((row) => labels[Math.floor(row / tokens)]),
        positions: wanted.map((row) => row % tokens),
      };
      tf.dispose([conditions, real, ...Object.values(placement)]);
    }
  }

  return {
    name: 'MAR',
    fingerprint: fingerprint(parameters),
    conditionWidth: config.decoderWidth,
    tokens,
    channels: tokenChannels(config),
    side: config.imageSize / config.vaeStride,
    steps,
    denoisingSteps: respacedDiffusion(config.samplingSteps).steps,
    toLatents: (all) => unpatchify(all, config.patchSize),
    generate: ({ labels, key: source, guidance, respacing, hook, onDenoise }) =>
      sampleMar(
        parameters,
        config,
        { ...keyedMarDraws(config, labels.length, source), orders: sharedOrders(labels.length) },
        { classes: labels, steps, guidance, respacing, conditionHook: hook, onDenoise },
      ),
    teacherForced,
  };
}
