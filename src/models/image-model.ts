import type * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../runtime/parameters';
import type { Key } from '../runtime/random';
import type { ModelSpec } from './presets';
import type { SamplingOptions } from './sample-step';

/** What every family understands: see `SamplingOptions`. CDM takes the respacing of step 0, and has no schedule and no hook. */
export interface GenerationRequest
  extends Pick<
    SamplingOptions,
    'guidance' | 'guidanceSchedule' | 'respacing' | 'method' | 'eta' | 'temperature' | 'onDenoise'
  > {
  /** One class per image, or -1 for each: without a class. */
  labels: Int32Array;
  key: Key;
  hook?: SamplingOptions['conditionHook'];
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

/** A generator as experiments see it; latents are scaled, `[batch, height, width, channels]`. */
export interface ImageModel {
  name: string;
  /** Family and configuration. */
  spec: ModelSpec;
  /** The weights; they belong to whoever made the model, who disposes of them. */
  parameters: Parameters;
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
  /** @throws InvalidInputError for options or classes that the model does not have. */
  generate(request: GenerationRequest): Promise<tf.Tensor4D>;
  /**
   * Absent where the condition does not depend on the history (a static condition).
   * @param source of the token orders, where they are random; default a fixed key, so that each call has the same orders.
   */
  teacherForced?(latents: tf.Tensor4D, labels: Int32Array, source?: Key): AsyncIterable<TeacherForced>;
}
