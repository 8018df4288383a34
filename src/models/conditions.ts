import type * as tf from '@tensorflow/tfjs';

/** What the transformer hands to the denoiser at one autoregressive step of sampling; the seam where a refinement sits. */
export interface ConditionStep {
  /** Autoregressive step, 0 .. steps-1, and how many there are. */
  step: number;
  steps: number;
  /** One condition vector per token predicted in this step, `[rows, width]`; the conditional half when guidance is on. */
  conditions: tf.Tensor2D;
  /** Per row: token position in raster order, class label, and which image of the batch it belongs to. */
  positions: Int32Array;
  classes: Int32Array;
  samples: Int32Array;
  /** Which tokens of the row's image were known when its condition was computed, `[rows, tokens]`, 1 or 0. */
  known?: Uint8Array;
  /** Draws the tokens' latents `[rows, tokenChannels]` from given conditions in a few DDIM steps (the sampled prior). */
  shortSample(conditions: tf.Tensor2D, steps: number): tf.Tensor2D;
}

/** Called between transformer and denoiser; returns conditions of the same shape. The caller disposes of both. */
export type ConditionHook = (step: ConditionStep) => tf.Tensor2D | Promise<tf.Tensor2D>;

/** One reverse step of the tokens that one autoregressive step generates. */
export interface DenoisingStep {
  step: number;
  /** Step of the (respaced) reverse process, counted down to 0. */
  diffusionStep: number;
  /** Flat `[batch, tokens]` index of each row. */
  tokens: Int32Array;
  /** `[rows, tokenChannels]` after this reverse step; the sampler's, not to be disposed of. */
  noised: tf.Tensor2D;
}
