import * as tf from '@tensorflow/tfjs';
import { gaussianKl } from '../../diffusion/training-loss';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { convolution, groupNorm, upsample } from '../blocks/image-layers';
import { silu } from '../blocks/layers';
import { decoderStages, encoderStages, type Stage, type VaeConfig } from './vae-config';

export { initVae, KL16, type VaeConfig, vaeShapes } from './vae-config';

/** Hands out intermediate values by the reference's name of the layer. */
export type VaeRecorder = (name: string, value: tf.Tensor4D) => void;

/** A Gaussian per latent value, both `[batch, height, width, channels]`; the log variance lies in [-30, 20]. */
export interface Posterior {
  mean: tf.Tensor4D;
  logVariance: tf.Tensor4D;
}

/**
 * Encodes images `[batch, height, width, channels]` in [-1, 1].
 * @throws InvalidInputError when height or width cannot be halved often enough.
 */
export function encode(
  parameters: Parameters,
  config: VaeConfig,
  images: tf.Tensor4D,
  record?: VaeRecorder,
): Posterior {
  const factor = 2 ** (config.multipliers.length - 1);
  if (images.shape[1] % factor !== 0 || images.shape[2] % factor !== 0) {
    throw new InvalidInputError('Image to encode', {
      given: `height ${images.shape[1]}, width ${images.shape[2]}`,
      expected: `multiples of ${factor}`,
      remedy: 'Resize or crop it first.',
    });
  }
  let x = convolution(parameters, 'encoder.conv_in', images);
  for (const stage of encoderStages(config)) {
    x = apply(parameters, config, stage, x);
    record?.(stage.name, x);
  }
  x = convolution(parameters, 'encoder.conv_out', silu(groupNorm(parameters, 'encoder.norm_out', x, config.groups)));
  record?.('encoder', x);
  return posteriorOf(convolution(parameters, 'quant_conv', x));
}

/** Splits moments `[batch, height, width, 2 channels]` into mean and clamped log variance. */
export function posteriorOf(moments: tf.Tensor): Posterior {
  const [mean, logVariance] = tf.split(moments, 2, 3) as tf.Tensor4D[];
  return { mean, logVariance: logVariance.clipByValue(-30, 20) as tf.Tensor4D };
}

/** mean + std noise. */
export function samplePosterior({ mean, logVariance }: Posterior, noise: tf.Tensor4D): tf.Tensor4D {
  return mean.add(logVariance.mul(0.5).exp().mul(noise));
}

/** KL divergence to the standard normal, summed per image, nats, `[batch]`. */
export function posteriorKl({ mean, logVariance }: Posterior): tf.Tensor1D {
  const zero = tf.scalar(0);
  return gaussianKl(mean, logVariance, zero, zero).sum([1, 2, 3]);
}

/** Negative log likelihood of latents under the posterior, summed per image, nats, `[batch]`. */
export function posteriorNll({ mean, logVariance }: Posterior, latents: tf.Tensor4D): tf.Tensor1D {
  return logVariance
    .add(Math.log(2 * Math.PI))
    .add(latents.sub(mean).square().div(logVariance.exp()))
    .mul(0.5)
    .sum([1, 2, 3]);
}

/** Decodes latents `[batch, height, width, channels]`, unscaled, to images about [-1, 1]. */
export function decode(
  parameters: Parameters,
  config: VaeConfig,
  latents: tf.Tensor4D,
  record?: VaeRecorder,
): tf.Tensor4D {
  let x = convolution(parameters, 'post_quant_conv', latents);
  record?.('post_quant_conv', x);
  x = convolution(parameters, 'decoder.conv_in', x);
  for (const stage of decoderStages(config)) {
    x = apply(parameters, config, stage, x);
    record?.(stage.name, x);
  }
  return convolution(parameters, 'decoder.conv_out', silu(groupNorm(parameters, 'decoder.norm_out', x, config.groups)));
}

/** Scaled latents for the generative model: the posterior's mean, or a sample where `noise` is given. */
export function encodeLatents(
  parameters: Parameters,
  config: VaeConfig,
  images: tf.Tensor4D,
  noise?: tf.Tensor4D,
): tf.Tensor4D {
  return tf.tidy(() => {
    const posterior = encode(parameters, config, images);
    return (noise ? samplePosterior(posterior, noise) : posterior.mean).mul(config.latentScale);
  });
}

/** Images from the generative model's scaled latents. */
export function decodeLatents(parameters: Parameters, config: VaeConfig, latents: tf.Tensor4D): tf.Tensor4D {
  return tf.tidy(() => decode(parameters, config, latents.div(config.latentScale)));
}

/** Mean squared error of the reconstruction plus `klWeight` times the KL divergence per image value. */
export function vaeLoss(
  parameters: Parameters,
  config: VaeConfig,
  images: tf.Tensor4D,
  noise: tf.Tensor4D,
  klWeight = 1e-6,
): tf.Scalar {
  const posterior = encode(parameters, config, images);
  const rebuilt = decode(parameters, config, samplePosterior(posterior, noise));
  const perValue = posteriorKl(posterior)
    .mean()
    .div(images.size / images.shape[0]);
  return rebuilt.sub(images).square().mean().add(perValue.mul(klWeight)) as tf.Scalar;
}

function apply(parameters: Parameters, { groups }: VaeConfig, stage: Stage, x: tf.Tensor4D): tf.Tensor4D {
  const { name } = stage;
  if (stage.kind === 'down') return convolution(parameters, `${name}.conv`, x, 2);
  if (stage.kind === 'up') return convolution(parameters, `${name}.conv`, upsample(x));
  if (stage.kind === 'attention') return spatialAttention(parameters, name, x, groups);
  let inner = x;
  for (const part of [1, 2]) {
    inner = silu(groupNorm(parameters, `${name}.norm${part}`, inner, groups));
    inner = convolution(parameters, `${name}.conv${part}`, inner);
  }
  return (stage.from === stage.to ? x : convolution(parameters, `${name}.nin_shortcut`, x)).add(inner);
}

/** Single-head attention over all pixels, added to its input. */
function spatialAttention(parameters: Parameters, name: string, x: tf.Tensor4D, groups?: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  const normed = groupNorm(parameters, `${name}.norm`, x, groups);
  const [queries, keys, values] = ['q', 'k', 'v'].map((part) =>
    convolution(parameters, `${name}.${part}`, normed).reshape([batch, height * width, channels]),
  );
  const probabilities = tf.softmax(tf.matMul(queries, keys, false, true).mul(channels ** -0.5));
  const mixed = tf.matMul(probabilities, values).reshape(x.shape) as tf.Tensor4D;
  return x.add(convolution(parameters, `${name}.proj_out`, mixed));
}
