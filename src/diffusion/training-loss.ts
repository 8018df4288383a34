import * as tf from '@tensorflow/tfjs';
import type { Diffusion } from './gaussian-diffusion';
import { posterior, predictReverse, splitOutput } from './reverse-step';

/** Terms of the training loss, one entry per row, `[rows]`. */
export interface LossTerms {
  /** Mean squared error of the predicted noise. */
  mse: tf.Tensor1D;
  /** Variational bound term in bits per dimension, which trains the variance only. */
  vb: tf.Tensor1D;
  /** mse + vb. */
  loss: tf.Tensor1D;
}

/**
 * Terms of the hybrid loss of Nichol and Dhariwal (2021), per row, from a network's output at `noised`.
 * In `vb` no gradient flows through the noise prediction; rows with step 0 hold the negative log likelihood of a
 * Gaussian discretised to bins of width 2/255.
 * @param steps int32 `[rows]`; everything else is `[rows, channels]`, the output `[rows, 2 channels]`.
 */
export function lossTerms(
  diffusion: Diffusion,
  output: tf.Tensor2D,
  start: tf.Tensor2D,
  noised: tf.Tensor2D,
  steps: tf.Tensor1D,
  noise: tf.Tensor2D,
): LossTerms {
  const { epsilon, variance } = splitOutput(output);
  const mse = epsilon.sub(noise).square().mean(1) as tf.Tensor1D;
  const frozen = tf.concat([stopGradient(epsilon), variance], 1) as tf.Tensor2D;
  const truth = posterior(diffusion, start, noised, steps);
  const predicted = predictReverse(diffusion, frozen, noised, steps);
  const kl = gaussianKl(truth.mean, truth.logVariance, predicted.mean, predicted.logVariance).mean(1).div(Math.LN2);
  const decoder = discretisedLogLikelihood(start, predicted.mean, predicted.logVariance.mul(0.5))
    .mean(1)
    .div(-Math.LN2);
  const vb = tf.where(steps.equal(0), decoder, kl) as tf.Tensor1D;
  return { mse, vb, loss: mse.add(vb) };
}

/** KL(N(mean1, exp(logVariance1)) || N(mean2, exp(logVariance2))) in nats, elementwise. */
export function gaussianKl(
  mean1: tf.Tensor,
  logVariance1: tf.Tensor,
  mean2: tf.Tensor,
  logVariance2: tf.Tensor,
): tf.Tensor {
  return logVariance2
    .sub(logVariance1)
    .sub(1)
    .add(logVariance1.sub(logVariance2).exp())
    .add(mean1.sub(mean2).square().mul(logVariance2.neg().exp()))
    .mul(0.5);
}

/** Log probability of the bin of width 2/255 round `x`; the bins at -1 and 1 reach to infinity. Nats, elementwise. */
function discretisedLogLikelihood(x: tf.Tensor, mean: tf.Tensor, logScale: tf.Tensor): tf.Tensor {
  const centred = x.sub(mean);
  const inverse = logScale.neg().exp();
  const upper = approximateNormalCdf(inverse.mul(centred.add(1 / 255)));
  const lower = approximateNormalCdf(inverse.mul(centred.sub(1 / 255)));
  const floor = (p: tf.Tensor) => p.clipByValue(1e-12, 1).log();
  const lowest = indicator(x, (given) => given.less(-0.999));
  const highest = indicator(x, (given) => given.greater(0.999));
  return floor(upper)
    .mul(lowest)
    .add(floor(tf.sub(1, lower)).mul(highest))
    .add(floor(upper.sub(lower)).mul(tf.sub(1, lowest).sub(highest)));
}

/** 1 where a comparison holds, else 0, with zero gradient: comparisons have none in TensorFlow.js. */
function indicator(x: tf.Tensor, compare: (x: tf.Tensor) => tf.Tensor): tf.Tensor {
  return tf.customGrad((given) => ({
    value: compare(given as tf.Tensor).cast('float32'),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }))(x);
}

function approximateNormalCdf(x: tf.Tensor): tf.Tensor {
  const cubic = x.add(x.mul(x).mul(x).mul(0.044715));
  return cubic
    .mul(Math.sqrt(2 / Math.PI))
    .tanh()
    .add(1)
    .mul(0.5);
}

/** Identity whose gradient is zero. */
export function stopGradient<T extends tf.Tensor>(x: T): T {
  return tf.customGrad((given) => ({
    value: (given as tf.Tensor).clone(),
    gradFunc: (dy: tf.Tensor) => tf.zerosLike(dy),
  }))(x) as T;
}
