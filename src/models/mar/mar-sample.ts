import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key } from '../../runtime/random';
import { checkClasses } from '../classes';
import {
  keyedDraws,
  placeRows,
  type SamplingDraws,
  type SamplingOptions,
  type StepResult,
  stepSampler,
} from '../sample-step';
import { type MarConfig, tokenChannels, tokenCount, unpatchify } from './mar';
import { defaultSteps } from './mar-config';
import { conditionsOf } from './mar-step-conditions';
import { cosineMaskCounts, drawOrders, guidanceAt, type KnownTokens, maskByOrder, tokensToGenerate } from './masking';

/** Random draws of a generation: from a key, or recorded elsewhere. */
export interface MarSamplingDraws extends SamplingDraws {
  /** Token order of each sample, `[batch, tokens]` flat; generation goes from the end to the start. */
  orders: Int32Array;
}

/** Draws of a generation from a key. */
export function keyedMarDraws(config: MarConfig, batch: number, key: Key): MarSamplingDraws {
  return { ...keyedDraws(key), orders: drawOrders(foldIn(key, 'orders'), batch, tokenCount(config)) };
}

/** What happened in one generation step; the tensors are the sampler's and must not be disposed of. */
export interface MarStepResult extends StepResult {
  /** Tokens predicted in this step, `[batch, tokens]` flat, 1 = predicted. */
  predicted: Uint8Array;
  /** Conditions of all tokens, `[batch, tokens, width]`; with guidance the unconditional half follows: `[2 batch, ...]`. */
  decoded: tf.Tensor3D;
}

export interface MarSamplingOptions extends SamplingOptions {
  /** Generation steps, 1 .. tokens; default `defaultSteps`. */
  steps?: number;
  /** Inpainting: the tokens that are known, equally many per sample. */
  known?: KnownTokens;
  onStep?: (result: MarStepResult) => void;
}

/**
 * Generates latents `[batch, height, width, channels]` (scaled) by masked autoregression: in each step the transformer sees
 * the known tokens, and a random set of the others is sampled from their conditions. Leaves no tensor but its result.
 * @throws InvalidInputError for more steps than tokens to generate, unknown classes or unequal numbers of known tokens.
 */
export async function sampleMar(
  parameters: Parameters,
  config: MarConfig,
  draws: MarSamplingDraws,
  options: MarSamplingOptions,
): Promise<tf.Tensor4D> {
  const { guidance: fullScale = 1, guidanceSchedule = 'linear', known, onStep } = options;
  const classes = checkClasses(config.classes, options.classes);
  const [batch, tokens, channels] = [classes.length, tokenCount(config), tokenChannels(config)];
  const { orders, unknown } = tokensToGenerate(draws.orders, known, [batch, tokens, channels]);
  const values = known ? Float32Array.from(known.tokens) : new Float32Array(batch * tokens * channels);
  const steps = options.steps ?? defaultSteps(config, unknown);
  const counts = cosineMaskCounts(unknown, steps);
  const sampleStep = stepSampler(parameters, config, draws, options);
  let mask = maskByOrder(orders, tokens, unknown);
  for (let step = 0; step < steps; step++) {
    // The last step predicts all that is left, although the law of the mask leaves one token.
    const next = maskByOrder(orders, tokens, step === steps - 1 ? 0 : counts[step]);
    const predicted = mask.map((masked, i) => masked - next[i]);
    const rows = Int32Array.from([...predicted.keys()].filter((i) => predicted[i] === 1));
    const guidance = guidanceAt(guidanceSchedule, fullScale, tokens, counts[step]);
    const samples = { classes, values, mask, predicted };
    const { decoded, ...conditions } = conditionsOf(parameters, config, samples, guidance !== 1, onStep !== undefined);
    try {
      const at = { step, steps, classes, mask, rows, guidance, ...conditions };
      const sampled = await sampleStep(at, decoded && ((result) => onStep?.({ ...result, predicted, decoded })));
      placeRows(values, sampled, rows);
    } finally {
      decoded?.dispose();
    }
    mask = next;
  }
  return tf.tidy(() => unpatchify(tf.tensor3d(values, [batch, tokens, channels]), config.patchSize));
}
