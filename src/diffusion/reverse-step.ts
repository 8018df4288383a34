import * as tf from '@tensorflow/tfjs';
import { coefficientsAt, type StepIndex } from './coefficients';
import type { Diffusion } from './gaussian-diffusion';

/** The x_{t-1} and x_0 that a network's output predicts; every tensor is `[rows, channels]`. */
export interface ReversePrediction {
  mean: tf.Tensor2D;
  logVariance: tf.Tensor2D;
  predictedStart: tf.Tensor2D;
}

/** Splits `[rows, 2 channels]` into the predicted noise and the variance values v in [-1, 1]. */
export function splitOutput(output: tf.Tensor2D): { epsilon: tf.Tensor2D; variance: tf.Tensor2D } {
  const channels = output.shape[1] / 2;
  return { epsilon: output.slice([0, 0], [-1, channels]), variance: output.slice([0, channels], [-1, channels]) };
}

/** Combines conditional and unconditional predictions; the variance values stay those of the conditional one. */
export function guide(conditional: tf.Tensor2D, unconditional: tf.Tensor2D, scale: number): tf.Tensor2D {
  const { epsilon, variance } = splitOutput(conditional);
  const base = splitOutput(unconditional).epsilon;
  return tf.concat([base.add(epsilon.sub(base).mul(scale)), variance], 1) as tf.Tensor2D;
}

/** x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) noise, all `[rows, channels]`. */
export function addNoise(diffusion: Diffusion, start: tf.Tensor2D, step: StepIndex, noise: tf.Tensor2D): tf.Tensor2D {
  const at = coefficientsAt(diffusion, step);
  return at('sqrtAlphaBar').mul(start).add(at('sqrtOneMinusAlphaBar').mul(noise));
}

/** Mean and log variance of q(x_{t-1} | x_t, x_0). */
export function posterior(
  diffusion: Diffusion,
  start: tf.Tensor2D,
  noised: tf.Tensor2D,
  step: StepIndex,
): { mean: tf.Tensor2D; logVariance: tf.Tensor } {
  const at = coefficientsAt(diffusion, step);
  return {
    mean: at('posteriorMeanOfStart').mul(start).add(at('posteriorMeanOfNoised').mul(noised)),
    logVariance: at('posteriorLogVarianceClipped'),
  };
}

/**
 * Mean and log variance of p(x_{t-1} | x_t) with learned-range variance: the log variance interpolates between the
 * clipped posterior's (v = -1) and log beta (v = +1). The prediction of x_0 is not clipped.
 */
export function predictReverse(
  diffusion: Diffusion,
  output: tf.Tensor2D,
  noised: tf.Tensor2D,
  step: StepIndex,
): ReversePrediction {
  const at = coefficientsAt(diffusion, step);
  const { epsilon, variance } = splitOutput(output);
  const fraction = variance.add(1).div(2);
  const logVariance = fraction
    .mul(at('logBetas'))
    .add(tf.sub(1, fraction).mul(at('posteriorLogVarianceClipped'))) as tf.Tensor2D;
  const predictedStart = at('sqrtReciprocalAlphaBar')
    .mul(noised)
    .sub(at('sqrtReciprocalMinusOne').mul(epsilon)) as tf.Tensor2D;
  return { mean: posterior(diffusion, predictedStart, noised, step).mean, logVariance, predictedStart };
}

/** One step as sampled: x_{t-1} and the x_0 predicted on the way. */
export interface Step {
  sample: tf.Tensor2D;
  predictedStart: tf.Tensor2D;
}

/** x_{t-1} = mean + exp(logVariance / 2) noise temperature; no noise is added at step 0. */
export function ancestralStep(
  diffusion: Diffusion,
  output: tf.Tensor2D,
  noised: tf.Tensor2D,
  step: number,
  noise: tf.Tensor2D | undefined,
  temperature = 1,
): Step {
  const { mean, logVariance, predictedStart } = predictReverse(diffusion, output, noised, step);
  if (step === 0 || !noise) return { sample: mean, predictedStart };
  return { sample: mean.add(logVariance.mul(0.5).exp().mul(noise).mul(temperature)), predictedStart };
}

/**
 * One DDIM step (Song et al. 2021, Eq. 12); eta = 0 is deterministic, eta = 1 has the posterior's variance.
 * `noise` is needed where eta > 0 and step > 0.
 */
export function ddimStep(
  diffusion: Diffusion,
  output: tf.Tensor2D,
  noised: tf.Tensor2D,
  step: number,
  eta = 0,
  noise?: tf.Tensor2D,
): Step {
  const { alphaBar, alphaBarPrevious } = diffusion.tables;
  const [now, before] = [Math.fround(alphaBar[step]), Math.fround(alphaBarPrevious[step])];
  const sigma = eta * Math.sqrt((1 - before) / (1 - now)) * Math.sqrt(1 - now / before);
  const { predictedStart } = predictReverse(diffusion, output, noised, step);
  const epsilon = impliedNoise(diffusion, noised, predictedStart, step);
  const mean = predictedStart.mul(Math.sqrt(before)).add(epsilon.mul(Math.sqrt(1 - before - sigma ** 2)));
  const sample = (sigma > 0 && step > 0 && noise ? mean.add(noise.mul(sigma)) : mean) as tf.Tensor2D;
  return { sample, predictedStart };
}

/** One step of DDIM inversion, x_t to x_{t+1}, deterministic; after the last step the sample is the predicted noise. */
export function ddimInverseStep(diffusion: Diffusion, output: tf.Tensor2D, noised: tf.Tensor2D, step: number): Step {
  const next = Math.fround(diffusion.tables.alphaBarNext[step]);
  const { predictedStart } = predictReverse(diffusion, output, noised, step);
  const epsilon = impliedNoise(diffusion, noised, predictedStart, step);
  const sample = predictedStart.mul(Math.sqrt(next)).add(epsilon.mul(Math.sqrt(1 - next))) as tf.Tensor2D;
  return { sample, predictedStart };
}

/** The noise that a predicted x_0 implies. */
function impliedNoise(diffusion: Diffusion, noised: tf.Tensor2D, start: tf.Tensor2D, step: number): tf.Tensor2D {
  const at = coefficientsAt(diffusion, step);
  return at('sqrtReciprocalAlphaBar').mul(noised).sub(start).div(at('sqrtReciprocalMinusOne'));
}
