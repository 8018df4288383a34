import * as tf from '@tensorflow/tfjs';
import { diffusionHead, HEAD_IN_MODEL, trainingDiffusion } from '../models/blocks/diffusion-loss';
import type { ImageModel } from '../models/image-model';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { foldIn, type Key, normal } from '../runtime/random';
import type { Trajectories } from '../theory/trajectories';
import type { ConditionSource } from './condition-measures';

/** Real scaled latents, `[count, side, side, channels]` flat, with their classes. */
export interface RealLatents {
  values: Float32Array;
  labels: Int32Array;
}

/** Options of `collectConditions`. */
export interface CollectOptions {
  /** Diffusion step, 0 .. 999, at which gradient norms are taken; default 500. */
  diffusionStep?: number;
  source: Key;
}

/**
 * Runs real images through a trained autoregressive model with their own history (teacher forcing) and gathers what
 * `measureConditions` looks at: the condition of the first token of every AR step, that token, the same after the first
 * generated token has been exchanged for that of the next image of its class, and gradient norms of the denoiser.
 * @throws InvalidInputError for a model whose condition is static (see `staticConditions`) or whose tokens are not single cells.
 */
export async function collectConditions(
  model: ImageModel,
  { values, labels }: RealLatents,
  { diffusionStep = 500, source }: CollectOptions,
): Promise<ConditionSource> {
  const samples = labels.length;
  if (model.tokens !== model.side ** 2) {
    throw new InvalidInputError('Conditions of a trained model', {
      given: `${model.tokens} tokens on a latent map of side ${model.side}`,
      expected: 'one token per latent cell (patch size 1)',
      remedy: 'Exchanging a token by exchanging its cell is written for this case only.',
    });
  }
  const shape: [number, number, number, number] = [
    samples,
    model.side,
    model.side,
    values.length / samples / model.side ** 2,
  ];
  const real = await teacherForced(model, tf.tensor4d(values, shape), labels);
  const other = nextOfClass(labels);
  const swapped = exchangeCells(values, samples, model.side, real.firstPositions, other);
  const exchanged = await teacherForced(model, tf.tensor4d(swapped, shape), labels);
  return {
    name: model.name,
    conditions: real.conditions,
    tokens: real.tokens,
    exchanged: exchanged.conditions,
    scoreNorms: gradientNorms(model.parameters, real.conditions, real.tokens, diffusionStep, source),
    classes: labels,
  };
}

/**
 * The static control: the class embedding as the condition of every step, as a conditional diffusion model has it;
 * exchanged, it is the embedding of another class.
 */
export function staticConditions(
  name: string,
  embedding: tf.Tensor2D,
  labels: Int32Array,
  steps: number,
): ConditionSource {
  const [classes, width] = embedding.shape;
  const table = embedding.dataSync();
  const repeat = (shift: number): Trajectories => {
    const data = new Float32Array(labels.length * steps * width);
    labels.forEach((label, s) => {
      const row = table.subarray(((label + shift) % classes) * width, (((label + shift) % classes) + 1) * width);
      for (let step = 0; step < steps; step++) data.set(row, (s * steps + step) * width);
    });
    return { data, samples: labels.length, steps, width };
  };
  return { name, conditions: repeat(0), exchanged: repeat(1) };
}

/** Conditions and tokens of the first token of each AR step, image by image. */
async function teacherForced(model: ImageModel, latents: tf.Tensor4D, labels: Int32Array) {
  if (!model.teacherForced) {
    throw new InvalidInputError('Conditions of a trained model', {
      given: `model ${model.name}, whose condition is static`,
      expected: 'an autoregressive model',
      remedy: 'Use staticConditions for it.',
    });
  }
  const samples = labels.length;
  const { steps, conditionWidth: width, channels } = model;
  const conditions = { data: new Float32Array(samples * steps * width), samples, steps, width };
  const tokens = { data: new Float32Array(samples * steps * channels), samples, steps, width: channels };
  let firstPositions: number[] = [];
  for await (const rows of model.teacherForced(latents, labels)) {
    const perSample = rows.positions.length / samples;
    if (rows.step === 0) firstPositions = Array.from(rows.positions.subarray(0, perSample));
    for (let s = 0; s < samples; s++) {
      const row = s * perSample;
      const at = s * steps + rows.step;
      conditions.data.set(rows.conditions.subarray(row * width, (row + 1) * width), at * width);
      tokens.data.set(rows.latents.subarray(row * channels, (row + 1) * channels), at * channels);
    }
  }
  latents.dispose();
  return { conditions, tokens, firstPositions };
}

/** Latents whose cells at the given token positions come from another image. */
function exchangeCells(values: Float32Array, samples: number, side: number, positions: number[], from: Int32Array) {
  const out = Float32Array.from(values);
  const perImage = values.length / samples;
  const channels = perImage / side ** 2;
  for (let s = 0; s < samples; s++) {
    for (const position of positions) {
      const at = from[s] * perImage + position * channels;
      out.set(values.subarray(at, at + channels), s * perImage + position * channels);
    }
  }
  return out;
}

/** For each image the next one of its class (itself when it is alone). */
function nextOfClass(labels: Int32Array): Int32Array {
  return labels.map((label, s) => {
    for (let step = 1; step <= labels.length; step++) {
      const candidate = (s + step) % labels.length;
      if (labels[candidate] === label) return candidate;
    }
    return s;
  });
}

/**
 * ||grad log p_t(x_t | c_i)|| of the trained denoiser, `[samples, steps]`. The noised token x_t of a sample is the same at
 * every step (its last token, noised once), because Theorem 2 varies the condition at a given x_t.
 */
function gradientNorms(
  parameters: Parameters,
  conditions: Trajectories,
  tokens: Trajectories,
  diffusionStep: number,
  source: Key,
): Float64Array {
  const { samples, steps, width } = conditions;
  const channels = tokens.width;
  const alphaBar = trainingDiffusion.tables.alphaBar[diffusionStep];
  const noise = normal(foldIn(source, 'x_t'), samples * channels);
  const noised = Float32Array.from({ length: samples * channels }, (_, at) => {
    const token = tokens.data[(Math.floor(at / channels) * steps + steps - 1) * channels + (at % channels)];
    return Math.sqrt(alphaBar) * token + Math.sqrt(1 - alphaBar) * noise[at];
  });
  const out = new Float64Array(samples * steps);
  for (let step = 0; step < steps; step++) {
    const rows = Float32Array.from({ length: samples * width }, (_, at) => {
      return conditions.data[(Math.floor(at / width) * steps + step) * width + (at % width)];
    });
    const epsilon = tf.tidy(() =>
      diffusionHead(
        parameters,
        tf.tensor2d(noised, [samples, channels]),
        tf.fill([samples], diffusionStep, 'int32') as tf.Tensor1D,
        tf.tensor2d(rows, [samples, width]),
        HEAD_IN_MODEL,
      )
        .slice([0, 0], [-1, channels])
        .dataSync(),
    );
    for (let s = 0; s < samples; s++) {
      let squares = 0;
      for (let k = 0; k < channels; k++) squares += epsilon[s * channels + k] ** 2;
      out[s * steps + step] = Math.sqrt(squares / (1 - alphaBar));
    }
  }
  return out;
}
