import * as tf from '@tensorflow/tfjs';
import {
  classEmbedding,
  type MarBatch,
  type MarConfig,
  type MarDraws,
  marConditions,
  marConfig,
  marLoss,
  marLossOfConditions,
  patchify,
  placementTensors,
  tokenCount,
} from '../models/mar/mar';
import { maskByOrder, maskedCount, placeTokens } from '../models/mar/masking';
import { valueAndGradients } from '../training/step';
import { TOLERANCE } from './comparison';
import { channelsLast, type ReferenceCase } from './reference';
import type { Runner } from './runner';

/** A configuration from the reference's names. */
export function marConfigOf(given: ReferenceCase): MarConfig {
  const reference = given.part<Record<string, number | string>>('config');
  const number = (name: string) => reference[name] as number;
  return marConfig({
    imageSize: number('img_size'),
    vaeStride: number('vae_stride'),
    patchSize: number('patch_size'),
    latentChannels: number('vae_embed_dim'),
    encoderWidth: number('encoder_embed_dim'),
    encoderDepth: number('encoder_depth'),
    encoderHeads: number('encoder_num_heads'),
    decoderWidth: number('decoder_embed_dim'),
    decoderDepth: number('decoder_depth'),
    decoderHeads: number('decoder_num_heads'),
    mlpRatio: number('mlp_ratio'),
    classes: number('class_num'),
    bufferSize: number('buffer_size'),
    headDepth: number('diffloss_d'),
    headWidth: number('diffloss_w'),
    noisesPerToken: number('diffusion_batch_mul'),
    labelDrop: number('label_drop_prob'),
    maskRatioMin: number('mask_ratio_min'),
    normEpsilon: number('norm_eps'),
    samplingSteps: String(reference.num_sampling_steps),
    attentionDropout: 0,
    projectionDropout: 0,
  });
}

/** Inputs of a training step and its draws, from tensors with a common prefix and a mask. */
export function marInputs(
  given: ReferenceCase,
  config: MarConfig,
  prefix: string,
  mask: Uint8Array,
): { batch: MarBatch; draws: MarDraws } {
  const samples = mask.length / tokenCount(config);
  const placement = placeTokens(mask, tokenCount(config), config.bufferSize);
  // The reference noises every token and masks the loss; only the rows of masked tokens are used.
  const rows = Int32Array.from(
    Array.from({ length: config.noisesPerToken }, (_, repeat) =>
      [...placement.wanted].map((i) => i + repeat * mask.length),
    ).flat(),
  );
  const dropped = given.has(`${prefix}label_dropped`)
    ? given.integers(`${prefix}label_dropped`)
    : new Int32Array(samples);
  const steps = given.integers(`${prefix}t`);
  return {
    batch: { latents: channelsLast(given.tensor(`${prefix}imgs`)), labels: given.tensor(`${prefix}labels`) },
    draws: {
      ...placementTensors(placement),
      labelKept: tf.tensor2d(
        Float32Array.from(dropped, (d) => 1 - d),
        [samples, 1],
      ),
      steps: tf.tensor1d(
        rows.map((row) => steps[row]),
        'int32',
      ),
      noise: tf.gather(given.tensor<tf.Tensor2D>(`${prefix}noise`), tf.tensor1d(rows, 'int32')),
    },
  };
}

interface GradientStatistic {
  l2: number;
}

/** One forward and backward pass of MAR. */
export const marForward: Runner = {
  family: 'mar forward',
  matches: (given) => given.has('imgs') && given.has('mask') && given.has('z'),
  run: (given, compare) => {
    const config = marConfigOf(given);
    const tokens = tokenCount(config);
    const parameters = given.weights();
    const mask = Uint8Array.from(given.values('mask'));
    const { batch, draws } = marInputs(given, config, '', mask);
    const count = given.part<number>('num_masked');
    compare.equal('mask', maskByOrder(given.integers('orders'), tokens, count), mask);
    compare.equal('num_masked', [maskedCount(tokens, given.part<number>('mask_rate_drawn'))], [count]);
    if (given.has('label_drop_rand')) {
      const dropped = [...given.values('label_drop_rand')].map((u) => (u < config.labelDrop ? 1 : 0));
      compare.equal('label_dropped', dropped, given.integers('label_dropped'));
    }
    compare.largest('tokens', patchify(batch.latents, config.patchSize), given.tensor('tokens'), TOLERANCE.exact);
    tf.tidy(() => {
      marLoss(parameters, config, batch, draws, (name, value) => {
        if (given.has(name)) compare.largest(name, value, given.tensor(name), TOLERANCE.forward);
      });
    });
    const { value, gradients } = valueAndGradients((weights) => marLoss(weights, config, batch, draws), parameters, {});
    compare.entries('loss', value, given.tensor('loss'), TOLERANCE.loss);
    if (given.has('z_grad'))
      compare.largest('z_grad', gradientOfConditions(), given.tensor('z_grad'), TOLERANCE.gradient);
    for (const name of given.namesAfter('grad.')) {
      compare.largest(
        `grad.${name}`,
        gradients.get(name) as tf.Tensor,
        given.tensor(`grad.${name}`),
        TOLERANCE.gradient,
      );
    }
    const statistics = given.part<Record<string, GradientStatistic | null> | undefined>('grad_stats_all_parameters');
    const norms = new Map([...gradients].map(([name, gradient]) => [name, gradient.norm().dataSync()[0]]));
    for (const [name, statistic] of Object.entries(statistics ?? {})) {
      compare.entries(`norm of grad.${name}`, norms.get(name) ?? 0, statistic?.l2 ?? 0, TOLERANCE.gradient);
    }
    if ('grad_norm_total' in given.json) {
      const total = Math.hypot(...norms.values());
      compare.entries('grad_norm_total', total, given.part<number>('grad_norm_total'), TOLERANCE.gradient);
    }

    function gradientOfConditions(): tf.Tensor {
      return tf.tidy(() => {
        const classes = classEmbedding(parameters, batch.labels, draws.labelKept);
        const all = patchify(batch.latents, config.patchSize);
        const z = marConditions(parameters, config, all, classes, draws);
        return tf.grad((at: tf.Tensor) => marLossOfConditions(parameters, config, all, at as tf.Tensor3D, draws))(z);
      });
    }
  },
};
