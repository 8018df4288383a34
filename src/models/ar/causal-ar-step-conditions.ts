import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { linear } from '../blocks/layers';
import { embedClasses } from '../classes';
import { runPart } from '../compiled/compile-model';
import { tokenChannels, tokenCount } from '../mar/mar';
import { type CausalArConfig, causalConditions, decodeCausally } from './causal-ar';

/** The transformer during one generation. */
export interface CausalArConditions {
  /**
   * Conditions of token `step` given the tokens before it, `[batch, width]`, with guidance also those without a class; steps come in
   * order. The caller disposes of them.
   * @param values latents `[batch, tokens, channels]` flat
   */
  next(step: number, values: Float32Array): { conditional: tf.Tensor2D; unconditional?: tf.Tensor2D };
  dispose(): void;
}

/** Keys and values of earlier tokens are kept: each step passes one token through the decoder. */
export function cachedConditions(
  parameters: Parameters,
  config: CausalArConfig,
  classes: Int32Array,
  guided: boolean,
): CausalArConditions {
  const embedding = embeddingOf(parameters, classes, guided);
  const rows = embedding.shape[0];
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];
  /** `[rows, heads, tokens so far, width / heads]`, as `keys.BLOCK` and `values.BLOCK`. */
  let memory: Record<string, tf.Tensor> = {};

  const decoderAt = (step: number) => (given: Record<string, tf.Tensor>, weights: Parameters) => {
    const longer: Record<string, tf.Tensor> = {};
    const extend = (name: string, keys: tf.Tensor4D, values: tf.Tensor4D): [tf.Tensor4D, tf.Tensor4D] => {
      const join = (kind: string, fresh: tf.Tensor4D) => {
        const before = given[`${kind}.${name}`] as tf.Tensor4D | undefined;
        const joined = before ? (tf.concat([before, fresh], 2) as tf.Tensor4D) : fresh.clone();
        longer[`${kind}.${name}`] = joined;
        return joined;
      };
      return [join('keys', keys), join('values', values)];
    };
    const input = given.last ? repeatTo(linear(weights, 'z_proj', given.last as tf.Tensor2D), rows) : given.embedding;
    const decoded = decodeCausally(weights, config, input.expandDims(1) as tf.Tensor3D, step, { extend });
    return { conditions: decoded.squeeze([1]), ...longer } as Record<string, tf.Tensor>;
  };

  return {
    next: (step, values) => {
      const { conditions, ...longer } = tf.tidy(() => {
        const last = () => tokenAt(step - 1, values, tokens, channels);
        const inputs: Record<string, tf.Tensor> = step === 0 ? { embedding } : { last: last(), ...memory };
        return runPart(parameters, `token ${step} of ${rows}`, inputs, decoderAt(step));
      });
      tf.dispose(memory);
      memory = longer;
      return halves(conditions as tf.Tensor2D, guided);
    },
    dispose: () => tf.dispose([embedding, ...Object.values(memory)]),
  };
}

/** The whole sequence again at every step: slower, and what the cache is checked against. */
export function recomputedConditions(
  parameters: Parameters,
  config: CausalArConfig,
  classes: Int32Array,
  guided: boolean,
): CausalArConditions {
  const embedding = embeddingOf(parameters, classes, guided);
  return {
    next: (step, values) => {
      const conditions = tf.tidy(() => {
        const once = tf.tensor3d(values, [classes.length, tokenCount(config), tokenChannels(config)]);
        const all = causalConditions(parameters, config, repeatTo(once, embedding.shape[0]), embedding);
        return all.slice([0, step, 0], [-1, 1, -1]).squeeze<tf.Tensor2D>([1]);
      });
      return halves(conditions, guided);
    },
    dispose: () => embedding.dispose(),
  };
}

function embeddingOf(parameters: Parameters, classes: Int32Array, guided: boolean): tf.Tensor2D {
  return tf.tidy(() => {
    const withoutClass = classes[0] < 0;
    return embedClasses(parameters, withoutClass ? classes.length : tf.tensor1d(classes, 'int32'), guided);
  });
}

/** One token of each sample, `[batch, channels]`. */
function tokenAt(token: number, values: Float32Array, tokens: number, channels: number): tf.Tensor2D {
  const batch = values.length / (tokens * channels);
  const rows = new Float32Array(batch * channels);
  for (let sample = 0; sample < batch; sample++) {
    const from = (sample * tokens + token) * channels;
    rows.set(values.subarray(from, from + channels), sample * channels);
  }
  return tf.tensor2d(rows, [batch, channels]);
}

/** Rows twice where guidance doubles the batch. */
function repeatTo<T extends tf.Tensor>(x: T, rows: number): T {
  return x.shape[0] === rows ? x : (tf.concat([x, x], 0) as T);
}

/** Takes rows apart that guidance has doubled; disposes of them. */
function halves(all: tf.Tensor2D, guided: boolean): { conditional: tf.Tensor2D; unconditional?: tf.Tensor2D } {
  if (!guided) return { conditional: all };
  const [conditional, unconditional] = tf.split(all, 2, 0) as tf.Tensor2D[];
  all.dispose();
  return { conditional, unconditional };
}
