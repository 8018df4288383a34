import * as tf from '@tensorflow/tfjs';
import { createDiffusion } from '../../diffusion/gaussian-diffusion';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key, key, permutation } from '../../runtime/random';
import { runPart } from '../compiled/compile-model';
import { fingerprint } from '../files/fingerprint';
import type { ImageModel, TeacherForced } from '../image-model';
import { keyedDraws, knownTokens } from '../sample-step';
import {
  classEmbedding,
  type MarConfig,
  marConditions,
  patchify,
  placementTensors,
  tokenChannels,
  tokenCount,
  unpatchify,
} from './mar';
import { defaultSteps } from './mar-config';
import { sampleMar } from './mar-sample';
import { cosineMaskCounts, drawOrders, maskByOrder, placeTokens } from './masking';

export interface MarModelOptions {
  /** Generation steps; default `defaultSteps`. */
  steps?: number;
  /** Seed of the token order; default 0. */
  orderSeed?: number;
  /**
   * `shared` (default): all images have one random token order; `own`: each image has its own, as in the reference, and what is
   * known at a step differs from image to image.
   */
  orders?: 'shared' | 'own';
}

/**
 * A masked autoregressive model for experiments. By default all images share one random token order (ours): at a given step the
 * same positions are known in every image, so that "the law of the condition given what is known" is one law per position.
 */
export function marModel(
  parameters: Parameters,
  config: MarConfig,
  { steps = defaultSteps(config), orderSeed = 0, orders: kind = 'shared' }: MarModelOptions = {},
): ImageModel {
  const tokens = tokenCount(config);
  const order = permutation(key(orderSeed), tokens);
  const counts = cosineMaskCounts(tokens, steps);
  const ordersOf = (batch: number, source: Key) =>
    kind === 'own'
      ? drawOrders(foldIn(source, 'orders'), batch, tokens)
      : Int32Array.from({ length: batch * tokens }, (_, i) => order[i % tokens]);

  /** Which tokens are masked before a step, and which of them it generates, `[batch, tokens]` flat. */
  function masks(orders: Int32Array, step: number) {
    const mask = maskByOrder(orders, tokens, step === 0 ? tokens : counts[step - 1]);
    const after = maskByOrder(orders, tokens, step === steps - 1 ? 0 : counts[step]);
    return { mask, predicted: mask.map((masked, i) => (masked && !after[i] ? 1 : 0)) };
  }

  async function* teacherForced(
    latents: tf.Tensor4D,
    labels: Int32Array,
    source: Key = foldIn(key(orderSeed), 'teacher forcing'),
  ): AsyncIterable<TeacherForced> {
    const orders = ordersOf(labels.length, source);
    for (let step = 0; step < steps; step++) {
      const { mask, predicted } = masks(orders, step);
      const placement = placementTensors(placeTokens(mask, tokens, config.bufferSize, predicted));
      const [conditions, real] = tf.tidy(() => {
        const inputs = { latents, labels: tf.tensor1d(labels, 'int32'), ...placement };
        const { conditions } = runPart(
          parameters,
          `teacher forcing of ${labels.length}`,
          inputs,
          (given: typeof inputs, weights) => {
            const all = patchify(given.latents, config.patchSize);
            const rows = marConditions(weights, config, all, classEmbedding(weights, given.labels), given);
            return { conditions: tf.gather(rows.reshape([-1, config.decoderWidth]), given.wanted) };
          },
        );
        const own = patchify(latents, config.patchSize).reshape([-1, tokenChannels(config)]);
        return [conditions, tf.gather(own, placement.wanted)];
      });
      const wanted = (await placement.wanted.data()) as Int32Array;
      const samples = wanted.map((row) => Math.floor(row / tokens));
      yield {
        step,
        conditions: (await conditions.data()) as Float32Array,
        latents: (await real.data()) as Float32Array,
        samples,
        classes: samples.map((image) => labels[image]),
        positions: wanted.map((row) => row % tokens),
        known: knownTokens(mask, samples, tokens),
      };
      tf.dispose([conditions, real, ...Object.values(placement)]);
    }
  }

  return {
    name: 'MAR',
    spec: { family: 'mar', config },
    parameters,
    fingerprint: fingerprint(parameters),
    conditionWidth: config.decoderWidth,
    tokens,
    channels: tokenChannels(config),
    side: config.imageSize / config.vaeStride,
    steps,
    denoisingSteps: createDiffusion({ respacing: config.samplingSteps }).steps,
    toLatents: (all) => unpatchify(all, config.patchSize),
    generate: ({ labels, key: source, hook, ...options }) => {
      const draws = { ...keyedDraws(source), orders: ordersOf(labels.length, source) };
      return sampleMar(parameters, config, draws, { ...options, classes: labels, steps, conditionHook: hook });
    },
    teacherForced,
  };
}
