import * as tf from '@tensorflow/tfjs';
import { keyedNoise, type NoiseSource } from '../../diffusion/noise';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key } from '../../runtime/random';
import { linear } from '../blocks/layers';
import { runPart } from '../compiled/accelerate';
import type { ConditionHook, DenoisingStep } from '../conditions';
import { classEmbedding, fakeEmbedding, tokenChannels, tokenCount, unpatchify } from '../mar/mar';
import { guidanceAt } from '../mar/masking';
import { sampleTokens, type TokenSamplerOptions } from '../token-sampler';
import { type CausalArConfig, causalConditions, decodeCausally } from './causal-ar';

/** Random draws of a generation: from a key, or recorded elsewhere. */
export interface CausalArSamplingDraws {
  /** Noise of the reverse process of one token. */
  noise(step: number): NoiseSource;
  /** Noise of the `call`-th short sampling that a hook asks for in a step. */
  prior(step: number, call: number): NoiseSource;
}

/** Draws of a generation from a key. */
export function keyedCausalArDraws(key: Key): CausalArSamplingDraws {
  return {
    noise: (step) => keyedNoise(foldIn(foldIn(key, 'noise'), step)),
    prior: (step, call) => keyedNoise(foldIn(foldIn(foldIn(key, 'prior'), step), call)),
  };
}

/** What happened at one token; the tensors are the sampler's and must not be disposed of. */
export interface CausalArStepResult {
  step: number;
  /** Guidance scale in effect. */
  guidance: number;
  /** Conditions given to the denoiser (after the hook), and the unconditional ones under guidance, `[batch, width]`. */
  conditions: tf.Tensor2D;
  unconditional?: tf.Tensor2D;
  /** Sampled tokens `[batch, channels]`. */
  sampled: tf.Tensor2D;
}

export interface CausalArSamplingOptions
  extends Pick<TokenSamplerOptions, 'method' | 'eta' | 'temperature' | 'guidance' | 'head'> {
  /** One class per sample, or the number of samples to generate without a class. */
  classes: readonly number[] | Int32Array | number;
  /** Default `linear`: from about 1 to the full scale as tokens are generated. */
  guidanceSchedule?: 'linear' | 'constant';
  /** Reverse-process steps, see `spaceTimesteps`; a function of the token allows fewer late ones (`fewerSteps`). */
  respacing?: string | number | ((step: number, steps: number) => string | number);
  /** Keep keys and values of earlier tokens instead of computing them again; same result, default true. */
  cache?: boolean;
  /** Sits between transformer and denoiser. */
  conditionHook?: ConditionHook;
  onStep?: (result: CausalArStepResult) => void;
  /** Called after each step of each reverse process. */
  onDenoise?: (at: DenoisingStep) => void;
}

/**
 * Generates latents `[batch, height, width, channels]` (scaled) token by token in raster order. Leaves no tensor but its
 * result.
 * @throws InvalidInputError for unknown classes, or a hook that changes the shape of the conditions.
 */
export async function sampleCausalAr(
  parameters: Parameters,
  config: CausalArConfig,
  draws: CausalArSamplingDraws,
  options: CausalArSamplingOptions,
): Promise<tf.Tensor4D> {
  const classes = checkClasses(config.classes, options.classes);
  const batch = classes.length;
  const [tokens, channels] = [tokenCount(config), tokenChannels(config)];
  const { guidance: fullScale = 1, guidanceSchedule = 'linear', cache = true } = options;
  const guided = fullScale !== 1;
  const values = new Float32Array(batch * tokens * channels);
  const embedding = tf.tidy(() => embedClasses(parameters, classes, guided));
  let memory: Memory = {};
  const advance = (step: number): tf.Tensor2D => {
    const next = nextConditions(parameters, config, memory, step, embedding, last);
    tf.dispose(memory);
    memory = next.memory;
    return next.conditions;
  };
  let last: tf.Tensor2D | undefined;
  try {
    for (let step = 0; step < tokens; step++) {
      const all = cache ? advance(step) : recomputedConditions(parameters, config, step, embedding, values, batch);
      last?.dispose();
      const [conditional, unconditional] = guided ? (tf.split(all, 2, 0) as tf.Tensor2D[]) : [all];
      if (guided) all.dispose();
      const conditions = await refine(parameters, options, draws, { step, steps: tokens, classes, conditional });
      const scale = guided ? guidanceAt(guidanceSchedule, fullScale, tokens, tokens - 1 - step) : 1;
      const { respacing = config.samplingSteps, onDenoise } = options;
      const rowTokens = onDenoise && Int32Array.from({ length: batch }, (_, b) => b * tokens + step);
      const sampled = sampleTokens(parameters, conditions, draws.noise(step), {
        ...options,
        respacing: typeof respacing === 'function' ? respacing(step, tokens) : respacing,
        guidance: scale,
        unconditional,
        onStep:
          rowTokens &&
          ((diffusionStep, { sample }) => onDenoise({ step, diffusionStep, tokens: rowTokens, noised: sample })),
      });
      options.onStep?.({ step, guidance: scale, conditions, unconditional, sampled });
      const rows = await sampled.data();
      for (let b = 0; b < batch; b++) {
        values.set(rows.slice(b * channels, (b + 1) * channels), (b * tokens + step) * channels);
      }
      tf.dispose([conditional, conditions]);
      unconditional?.dispose();
      last = sampled;
    }
  } finally {
    last?.dispose();
    embedding.dispose();
    tf.dispose(memory);
  }
  return tf.tidy(() => unpatchify(tf.tensor3d(values, [batch, tokens, channels]), config.patchSize));
}

/** Labels as an array, -1 for "without a class". @throws InvalidInputError naming a label out of range. */
export function checkClasses(count: number, given: readonly number[] | Int32Array | number): Int32Array {
  if (typeof given === 'number') return new Int32Array(given).fill(-1);
  const wrong = [...given].find((label) => !Number.isInteger(label) || label < 0 || label >= count);
  if (wrong === undefined && given.length > 0) return Int32Array.from(given);
  throw new InvalidInputError('Classes', {
    given: wrong === undefined ? 'none' : String(wrong),
    expected: `whole numbers from 0 to ${count - 1}, one per sample`,
    remedy: 'Pass a number of samples instead to generate without a class.',
  });
}

/** Class embeddings `[batch, width]`; under guidance the fake latent for a second half of the batch. */
export function embedClasses(parameters: Parameters, classes: Int32Array, guided: boolean): tf.Tensor2D {
  const fake = fakeEmbedding(parameters, classes.length);
  const known = classes[0] < 0 ? fake : classEmbedding(parameters, tf.tensor1d(classes, 'int32'));
  return guided ? (tf.concat([known, fake], 0) as tf.Tensor2D) : known;
}

/** Keys and values of the tokens so far, `[batch, heads, tokens, width / heads]`, as `keys.BLOCK` and `values.BLOCK`. */
type Memory = Record<string, tf.Tensor>;

/** Conditions of the next token from the last one, `[batch, width]`, and the memory with it; the caller disposes of both. */
function nextConditions(
  parameters: Parameters,
  config: CausalArConfig,
  memory: Memory,
  step: number,
  embedding: tf.Tensor2D,
  last: tf.Tensor2D | undefined,
): { conditions: tf.Tensor2D; memory: Memory } {
  const rows = embedding.shape[0];
  const decode = (given: Record<string, tf.Tensor>, weights: Parameters): Record<string, tf.Tensor> => {
    const longer: Memory = {};
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
    return { conditions: decoded.squeeze([1]), ...longer };
  };
  const inputs: Record<string, tf.Tensor> = last ? { last, ...memory } : { embedding };
  const { conditions, ...longer } = tf.tidy(() => runPart(parameters, `token ${step} of ${rows}`, inputs, decode));
  return { conditions: conditions as tf.Tensor2D, memory: longer };
}

/** The same without a memory: the whole sequence again. */
function recomputedConditions(
  parameters: Parameters,
  config: CausalArConfig,
  step: number,
  embedding: tf.Tensor2D,
  values: Float32Array,
  batch: number,
): tf.Tensor2D {
  return tf.tidy(() => {
    const once = tf.tensor3d(values, [batch, tokenCount(config), tokenChannels(config)]);
    const tokens = repeatTo(once, embedding.shape[0]);
    const all = causalConditions(parameters, config, tokens, embedding);
    return all.slice([0, step, 0], [-1, 1, -1]).squeeze<tf.Tensor2D>([1]);
  });
}

/** Rows twice where guidance doubles the batch. */
function repeatTo<T extends tf.Tensor>(x: T, rows: number): T {
  return x.shape[0] === rows ? x : (tf.concat([x, x], 0) as T);
}

/** The conditions after the hook, or the transformer's own. */
async function refine(
  parameters: Parameters,
  options: CausalArSamplingOptions,
  draws: CausalArSamplingDraws,
  at: { step: number; steps: number; classes: Int32Array; conditional: tf.Tensor2D },
): Promise<tf.Tensor2D> {
  const { step, steps, classes, conditional } = at;
  if (!options.conditionHook) return conditional;
  let calls = 0;
  const refined = await options.conditionHook({
    step,
    steps,
    conditions: conditional,
    positions: new Int32Array(classes.length).fill(step),
    classes,
    samples: Int32Array.from(classes, (_, sample) => sample),
    known: Uint8Array.from({ length: classes.length * steps }, (_, i) => (i % steps < step ? 1 : 0)),
    // Evenly strided steps begin below t = 999, where the division by sqrt(abar) would blow any error up 20,000 times.
    shortSample: (conditions, count) =>
      sampleTokens(parameters, conditions, draws.prior(step, calls++), {
        respacing: `ddim${count}`,
        method: 'ddim',
        head: options.head,
      }),
  });
  if (refined.shape.join() === conditional.shape.join()) return refined;
  throw new InvalidInputError('Condition hook', {
    given: `conditions of shape [${refined.shape}]`,
    expected: `[${conditional.shape}], one per sample`,
    remedy: 'Return a tensor of the shape that was given.',
  });
}
