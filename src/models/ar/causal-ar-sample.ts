import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { checkClasses } from '../classes';
import { tokenChannels, tokenCount, unpatchify } from '../mar/mar';
import { guidanceAt, maskByOrder } from '../mar/masking';
import { placeRows, type SamplingDraws, type SamplingOptions, type StepResult, stepSampler } from '../sample-step';
import type { CausalArConfig } from './causal-ar';
import { cachedConditions, recomputedConditions } from './causal-ar-step-conditions';

export interface CausalArSamplingOptions extends SamplingOptions {
  /** Keep keys and values of earlier tokens instead of computing them again; same result, default true. */
  cache?: boolean;
  onStep?: (result: StepResult) => void;
}

/**
 * Generates latents `[batch, height, width, channels]` (scaled) token by token in raster order. Leaves no tensor but its
 * result.
 * @throws InvalidInputError for unknown classes, or a hook that changes the shape of the conditions.
 */
export async function sampleCausalAr(
  parameters: Parameters,
  config: CausalArConfig,
  draws: SamplingDraws,
  options: CausalArSamplingOptions,
): Promise<tf.Tensor4D> {
  const { guidance: fullScale = 1, guidanceSchedule = 'linear', cache = true, onStep } = options;
  const classes = checkClasses(config.classes, options.classes);
  const [batch, tokens, channels] = [classes.length, tokenCount(config), tokenChannels(config)];
  const values = new Float32Array(batch * tokens * channels);
  const backwards = Int32Array.from({ length: batch * tokens }, (_, i) => tokens - 1 - (i % tokens));
  const sampleStep = stepSampler(parameters, config, draws, options);
  const conditions = (cache ? cachedConditions : recomputedConditions)(parameters, config, classes, fullScale !== 1);
  try {
    for (let step = 0; step < tokens; step++) {
      const rows = Int32Array.from({ length: batch }, (_, sample) => sample * tokens + step);
      const mask = maskByOrder(backwards, tokens, tokens - step);
      const guidance = guidanceAt(guidanceSchedule, fullScale, tokens, tokens - 1 - step);
      const at = { step, steps: tokens, classes, mask, rows, guidance, ...conditions.next(step, values) };
      placeRows(values, await sampleStep(at, onStep), rows);
    }
  } finally {
    conditions.dispose();
  }
  return tf.tidy(() => unpatchify(tf.tensor3d(values, [batch, tokens, channels]), config.patchSize));
}
