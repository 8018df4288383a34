import * as tf from '@tensorflow/tfjs';
import { keyedNoise, type NoiseSource } from '../../diffusion/noise';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';
import { foldIn, type Key } from '../../runtime/random';
import { partsOf, runParts } from '../compiled/accelerate';
import type { ConditionHook, DenoisingStep } from '../conditions';
import { sampleTokens, type TokenSamplerOptions } from '../token-sampler';
import {
  classEmbedding,
  fakeEmbedding,
  type MarConfig,
  type MarPlacement,
  marConditions,
  marWantedConditions,
  placementTensors,
  tokenChannels,
  tokenCount,
  unpatchify,
} from './mar';
import { cosineMaskCounts, drawOrders, guidanceAt, maskByOrder, placeTokens } from './masking';

/** Random draws of a generation: from a key, or recorded elsewhere. */
export interface MarSamplingDraws {
  /** Token order of each sample, `[batch, tokens]` flat; generation goes from the end to the start. */
  orders: Int32Array;
  /** Noise of the reverse process of one generation step. */
  noise(step: number): NoiseSource;
  /** Noise of the `call`-th short sampling that a hook asks for in a step. */
  prior(step: number, call: number): NoiseSource;
}

/** Draws of a generation from a key. */
export function keyedMarDraws(config: MarConfig, batch: number, key: Key): MarSamplingDraws {
  return {
    orders: drawOrders(foldIn(key, 'orders'), batch, tokenCount(config)),
    noise: (step) => keyedNoise(foldIn(foldIn(key, 'noise'), step)),
    prior: (step, call) => keyedNoise(foldIn(foldIn(foldIn(key, 'prior'), step), call)),
  };
}

/** What happened in one generation step; the tensors are the sampler's and must not be disposed of. */
export interface MarStepResult {
  step: number;
  /** Guidance scale in effect. */
  guidance: number;
  /** Tokens predicted in this step, `[batch, tokens]` flat, 1 = predicted. */
  predicted: Uint8Array;
  /** Conditions of all tokens, `[batch, tokens, width]`; with guidance the unconditional half follows: `[2 batch, ...]`. */
  decoded: tf.Tensor3D;
  /** Conditions given to the denoiser (after the hook), and the unconditional ones under guidance, `[rows, width]`. */
  conditions: tf.Tensor2D;
  unconditional?: tf.Tensor2D;
  /** Sampled tokens `[rows, channels]`. */
  sampled: tf.Tensor2D;
}

export interface MarSamplingOptions
  extends Pick<TokenSamplerOptions, 'method' | 'eta' | 'temperature' | 'guidance' | 'head'> {
  /** One class per sample, or the number of samples to generate without a class. */
  classes: readonly number[] | Int32Array | number;
  /** Generation steps, 1 .. tokens; default 64 or, where that is fewer, one per token. */
  steps?: number;
  /** Default `linear`: from about 1 to the full scale as tokens are generated. */
  guidanceSchedule?: 'linear' | 'constant';
  /** Reverse-process steps, see `spaceTimesteps`; a function of the generation step allows fewer late ones. */
  respacing?: string | number | ((step: number, steps: number) => string | number);
  /** Inpainting: scaled tokens `[batch, tokens, channels]` flat and which of them are known (1), equally many per sample. */
  known?: { tokens: Float32Array; mask: Uint8Array };
  /** Sits between transformer and denoiser. */
  conditionHook?: ConditionHook;
  onStep?: (result: MarStepResult) => void;
  /** Called after each step of each reverse process. */
  onDenoise?: (at: DenoisingStep) => void;
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
  const classes = checkedClasses(config, options.classes);
  const batch = classes.length;
  const tokens = tokenCount(config);
  const channels = tokenChannels(config);
  const { guidance: fullScale = 1, guidanceSchedule = 'linear', known } = options;
  const orders = known ? generateUnknown(draws.orders, known.mask, tokens) : draws.orders;
  const unknown = known ? countUnknown(known, batch, tokens, channels) : tokens;
  const steps = options.steps ?? Math.min(64, unknown);
  const counts = cosineMaskCounts(unknown, steps);
  const values = known ? Float32Array.from(known.tokens) : new Float32Array(batch * tokens * channels);
  let mask = maskByOrder(orders, tokens, unknown);
  for (let step = 0; step < steps; step++) {
    const next = maskByOrder(orders, tokens, counts[step]);
    const predicted = step === steps - 1 ? mask : mask.map((masked, i) => (masked === next[i] ? 0 : 1));
    const scale = fullScale === 1 ? 1 : guidanceAt(guidanceSchedule, fullScale, tokens, counts[step]);
    const at = { classes, values, mask, predicted };
    const { decoded, conditional, unconditional } = forward(parameters, config, at, scale !== 1, !!options.onStep);
    const held: tf.Tensor[] = [conditional, ...(decoded ? [decoded] : []), ...(unconditional ? [unconditional] : [])];
    try {
      const conditions = await refine(parameters, options, draws, { ...at, step, steps, conditional, tokens });
      held.push(conditions);
      const { onDenoise } = options;
      const rows = onDenoise && Int32Array.from([...predicted.keys()].filter((i) => predicted[i] === 1));
      const sampled = sampleTokens(parameters, conditions, draws.noise(step), {
        ...options,
        respacing: respacingAt(options.respacing ?? config.samplingSteps, step, steps),
        guidance: scale,
        unconditional,
        onStep:
          rows && ((diffusionStep, { sample }) => onDenoise({ step, diffusionStep, tokens: rows, noised: sample })),
      });
      held.push(sampled);
      const seen = { step, guidance: scale, predicted, conditions, unconditional, sampled };
      if (decoded) options.onStep?.({ ...seen, decoded });
      scatter(values, await sampled.data(), predicted, channels);
    } finally {
      tf.dispose(held);
    }
    mask = next;
  }
  return tf.tidy(() => unpatchify(tf.tensor3d(values, [batch, tokens, channels]), config.patchSize));
}

/** The state of a generation of so many samples: their classes, tokens, masks and what is predicted now. */
interface Samples {
  classes: Int32Array;
  values: Float32Array;
  mask: Uint8Array;
  predicted: Uint8Array;
}

/** Conditions of the predicted tokens, with guidance also those without a class, and of all tokens where they are asked for. */
interface Forward extends Record<string, tf.Tensor | undefined> {
  conditional: tf.Tensor2D;
  unconditional?: tf.Tensor2D;
  /** With guidance the half without classes follows. */
  decoded?: tf.Tensor3D;
}

/** The transformer on all samples, on each thread on its part of them. */
function forward(
  parameters: Parameters,
  config: MarConfig,
  all: Samples,
  guided: boolean,
  everyToken: boolean,
): Forward {
  const parts = partsOf(parameters, all.classes.length);
  const batch = all.classes.length / parts;
  const withoutClass = all.classes[0] < 0;
  const encode = (
    { once, labels, ...rest }: Record<string, tf.Tensor>,
    weights: Parameters,
  ): Record<string, tf.Tensor> => {
    const placement = rest as unknown as MarPlacement;
    const known = withoutClass ? fakeEmbedding(weights, batch) : classEmbedding(weights, labels as tf.Tensor1D);
    const tokens = (guided ? tf.concat([once, once], 0) : once) as tf.Tensor3D;
    const embedded = guided ? (tf.concat([known, fakeEmbedding(weights, batch)], 0) as tf.Tensor2D) : known;
    const decoded = everyToken && marConditions(weights, config, tokens, embedded, placement);
    const rows = decoded
      ? tf.gather(decoded.reshape([-1, config.decoderWidth]) as tf.Tensor2D, placement.wanted)
      : marWantedConditions(weights, config, tokens, embedded, placement);
    const [conditional, unconditional] = guided ? tf.split(rows, 2, 0) : [rows];
    const halves = decoded && (guided ? tf.split(decoded, 2, 0) : [decoded]);
    return {
      conditional,
      ...(guided ? { unconditional } : {}),
      ...(halves ? { decoded: halves[0] } : {}),
      ...(halves && guided ? { free: halves[1] } : {}),
    };
  };
  const name = `conditions of ${batch}${guided ? ', guided' : ''}${withoutClass ? ', without class' : ''}${everyToken ? ', all' : ''}`;
  return tf.tidy(() => {
    const inputs = Array.from({ length: parts }, (_, i) => {
      const own = <T extends Samples[keyof Samples]>(array: T): T => {
        const size = array.length / parts;
        return array.subarray(i * size, (i + 1) * size) as T;
      };
      const twice = (x: Uint8Array) => (guided ? Uint8Array.from([...x, ...x]) : x);
      const [mask, predicted] = [all.mask, all.predicted].map((x) => twice(own(x)));
      return {
        once: tf.tensor3d(own(all.values).slice(), [batch, tokenCount(config), tokenChannels(config)]),
        labels: tf.tensor1d(own(all.classes), 'int32'),
        ...placementTensors(placeTokens(mask, tokenCount(config), config.bufferSize, predicted)),
      };
    });
    const results = runParts(parameters, name, inputs, encode);
    const joined = (...keys: string[]) =>
      tf.concat(
        keys.flatMap((key) => results.map((result) => result[key])),
        0,
      );
    return {
      conditional: joined('conditional') as tf.Tensor2D,
      ...(guided ? { unconditional: joined('unconditional') as tf.Tensor2D } : {}),
      ...(everyToken ? { decoded: joined('decoded', ...(guided ? ['free'] : [])) as tf.Tensor3D } : {}),
    };
  });
}

interface RefineStep {
  step: number;
  steps: number;
  mask: Uint8Array;
  predicted: Uint8Array;
  conditional: tf.Tensor2D;
  classes: Int32Array;
  tokens: number;
}

/** The conditions after the hook, or the transformer's own. */
async function refine(
  parameters: Parameters,
  options: MarSamplingOptions,
  draws: MarSamplingDraws,
  { step, steps, mask, predicted, conditional, classes, tokens }: RefineStep,
): Promise<tf.Tensor2D> {
  if (!options.conditionHook) return conditional;
  const rows = Int32Array.from([...predicted.keys()].filter((i) => predicted[i] === 1));
  const samples = rows.map((row) => Math.floor(row / tokens));
  let calls = 0;
  const refined = await options.conditionHook({
    step,
    steps,
    conditions: conditional,
    positions: rows.map((row) => row % tokens),
    classes: samples.map((sample) => classes[sample]),
    samples,
    known: knownTokens(mask, samples, tokens),
    // Evenly strided steps begin below t = 999, where the division by sqrt(abar) would blow any error up 20,000 times.
    shortSample: (conditions, count) =>
      sampleTokens(parameters, conditions, draws.prior(step, calls++), {
        respacing: `ddim${count}`,
        method: 'ddim',
        head: options.head,
      }),
  });
  if (refined.shape.join() === conditional.shape.join()) return refined;
  refined.dispose();
  throw new InvalidInputError('Condition hook', {
    given: `conditions of shape [${refined.shape}]`,
    expected: `[${conditional.shape}], one per predicted token`,
    remedy: 'Return a tensor of the shape that was given.',
  });
}

/** For each row which tokens of its sample are not masked, `[rows, tokens]`. */
export function knownTokens(mask: Uint8Array, samples: ArrayLike<number>, tokens: number): Uint8Array {
  return Uint8Array.from({ length: samples.length * tokens }, (_, i) => {
    const row = Math.floor(i / tokens);
    return 1 - mask[samples[row] * tokens + (i % tokens)];
  });
}

function checkedClasses(config: MarConfig, given: MarSamplingOptions['classes']): Int32Array {
  if (typeof given === 'number') return new Int32Array(given).fill(-1);
  const wrong = [...given].find((label) => !Number.isInteger(label) || label < 0 || label >= config.classes);
  if (wrong === undefined && given.length > 0) return Int32Array.from(given);
  throw new InvalidInputError('Classes', {
    given: wrong === undefined ? 'none' : String(wrong),
    expected: `whole numbers from 0 to ${config.classes - 1}, one per sample`,
    remedy: 'Pass a number of samples instead to generate without a class.',
  });
}

/** Unknown tokens per sample. */
function countUnknown(
  known: NonNullable<MarSamplingOptions['known']>,
  batch: number,
  tokens: number,
  channels: number,
): number {
  const counts = Array.from({ length: batch }, (_, sample) =>
    known.mask.subarray(sample * tokens, (sample + 1) * tokens).reduce((unknown, k) => unknown - k, tokens),
  );
  const equal = counts.every((count) => count === counts[0] && count > 0);
  if (equal && known.mask.length === batch * tokens && known.tokens.length === batch * tokens * channels) {
    return counts[0];
  }
  throw new InvalidInputError('Known tokens', {
    given: `${known.tokens.length} values, a mask of ${known.mask.length}, unknown per sample ${counts.join(', ')}`,
    expected: `${batch * tokens * channels} values, a mask of ${batch * tokens}, equally many unknown, at least one`,
    remedy: 'Batch samples with equally many known tokens together.',
  });
}

/** Moves known tokens to the end of each order, so that only the others are generated. */
function generateUnknown(orders: Int32Array, known: Uint8Array, tokens: number): Int32Array {
  const moved = new Int32Array(orders.length);
  for (let start = 0; start < orders.length; start += tokens) {
    const order = [...orders.subarray(start, start + tokens)];
    const isKnown = (token: number) => known[start + token] === 1;
    moved.set([...order.filter((token) => !isKnown(token)), ...order.filter(isKnown)], start);
  }
  return moved;
}

function respacingAt(respacing: NonNullable<MarSamplingOptions['respacing']>, step: number, steps: number) {
  return typeof respacing === 'function' ? respacing(step, steps) : respacing;
}

/** Writes sampled rows, in (sample, position) order, into the tokens they belong to. */
function scatter(values: Float32Array, rows: ArrayLike<number>, predicted: Uint8Array, channels: number): void {
  let row = 0;
  predicted.forEach((isPredicted, token) => {
    if (isPredicted === 0) return;
    for (let c = 0; c < channels; c++) values[token * channels + c] = rows[row * channels + c];
    row++;
  });
}
