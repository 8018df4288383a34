import type * as tf from '@tensorflow/tfjs';
import type { Key } from '../runtime/random';
import type { ConditionHook, DenoisingStep } from './conditions';
import type { ModelSpec } from './presets';

export interface GenerationRequest {
  /** One class per image. */
  labels: Int32Array;
  key: Key;
  /** Classifier-free guidance scale; default 1, none. */
  guidance?: number;
  /** Steps of the reverse process; default the model's own. */
  respacing?: string;
  hook?: ConditionHook;
  onDenoise?: (at: DenoisingStep) => void;
}

/** Teacher-forced conditions: what the transformer says when the history is real data. */
export interface TeacherForced {
  /** AR step at which these tokens are generated. */
  step: number;
  /** `[rows, width]` conditions, `[rows, channels]` the real tokens that they speak of. */
  conditions: Float32Array;
  latents: Float32Array;
  /** Per row: image of the batch, its class, and token position. */
  samples: Int32Array;
  classes: Int32Array;
  positions: Int32Array;
  /** Which tokens of the image were known, `[rows, tokens]`, 1 or 0. */
  known?: Uint8Array;
}

/** A trained generator as experiments see it; latents are scaled, `[batch, height, width, channels]`. */
export interface ImageModel {
  name: string;
  /** Family and configuration. */
  spec: ModelSpec;
  /** Hash of the weights. */
  fingerprint: string;
  conditionWidth: number;
  tokens: number;
  channels: number;
  /** Side of the latent map. */
  side: number;
  /** AR steps of a generation; 1 for a model that denoises all tokens jointly. */
  steps: number;
  /** Steps of the reverse process by default. */
  denoisingSteps: number;
  /** Tokens `[batch, tokens, channels]` put together to latents. */
  toLatents(tokens: tf.Tensor3D): tf.Tensor4D;
  generate(request: GenerationRequest): Promise<tf.Tensor4D>;
  /**
   * Absent where the condition does not depend on the history (a static condition).
   * @param source of the token orders, where they are random; default a fixed key, so that each call has the same orders.
   */
  teacherForced?(latents: tf.Tensor4D, labels: Int32Array, source?: Key): AsyncIterable<TeacherForced>;
}
