import * as tf from '@tensorflow/tfjs';
import { createDiffusion, type Diffusion } from '../diffusion/gaussian-diffusion';
import { keyedNoise, type NoiseSource } from '../diffusion/noise';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { foldIn, type Key } from '../runtime/random';
import type { Classes } from './classes';
import type { ConditionHook, DenoisingStep } from './conditions';
import { sampleTokens, type TokenSamplerOptions } from './token-sampler';

/** Random draws of a generation: from a key, or recorded elsewhere. */
export interface SamplingDraws {
  /** Noise of the reverse process of one generation step. */
  noise(step: number): NoiseSource;
  /** Noise of the `call`-th short sampling that a hook asks for in a step. */
  prior(step: number, call: number): NoiseSource;
}

/** Draws of a generation from a key. */
export function keyedDraws(key: Key): SamplingDraws {
  return {
    noise: (step) => keyedNoise(foldIn(foldIn(key, 'noise'), step)),
    prior: (step, call) => keyedNoise(foldIn(foldIn(foldIn(key, 'prior'), step), call)),
  };
}

/** Reverse-process steps, see `spaceTimesteps`; a function of the generation step allows fewer late ones (`fewerSteps`). */
export type Respacing = string | number | ((step: number, steps: number) => string | number);

/** What MAR and causal AR understand. */
export interface SamplingOptions
  extends Pick<TokenSamplerOptions, 'method' | 'eta' | 'temperature' | 'guidance' | 'head'> {
  classes: Classes;
  /** Default `linear`: from about 1 to the full scale as tokens are generated. */
  guidanceSchedule?: 'linear' | 'constant';
  /** Default the configuration's. */
  respacing?: Respacing;
  /** Sits between transformer and denoiser. */
  conditionHook?: ConditionHook;
  /** Called after each step of each reverse process. */
  onDenoise?: (at: DenoisingStep) => void;
}

/** What happened in one generation step; the tensors are the sampler's and must not be disposed of. */
export interface StepResult {
  step: number;
  /** Guidance scale in effect. */
  guidance: number;
  /** Conditions given to the denoiser (after the hook), and the unconditional ones under guidance, `[rows, width]`. */
  conditions: tf.Tensor2D;
  unconditional?: tf.Tensor2D;
  /** Sampled tokens `[rows, channels]`. */
  sampled: tf.Tensor2D;
}

/** The tokens of one generation step and what the transformer says about them. */
export interface GenerationStep {
  step: number;
  steps: number;
  /** Classes of all samples of the batch. */
  classes: Int32Array;
  /** 1 where a token is not known yet, `[batch, tokens]` flat. */
  mask: Uint8Array;
  /** Flat `[batch, tokens]` index of each row that is generated. */
  rows: Int32Array;
  /** Guidance scale of this step. */
  guidance: number;
  /** The transformer's conditions `[rows, width]`, with guidance also those without a class; disposed of here. */
  conditional: tf.Tensor2D;
  unconditional?: tf.Tensor2D;
}

/** One generation step's tokens `[rows, channels]` from their conditions. */
export type StepSampler = (at: GenerationStep, onStep?: (result: StepResult) => void) => Promise<Float32Array>;

/**
 * What MAR and causal AR do alike in each generation step, for one generation: the hook refines the conditions, then a reverse process
 * samples a token from each. Leaves no tensor.
 */
export function stepSampler(
  parameters: Parameters,
  { samplingSteps }: { samplingSteps: string },
  draws: SamplingDraws,
  options: SamplingOptions,
): StepSampler {
  const { respacing = samplingSteps, onDenoise, method, eta, temperature, head } = options;
  const processOf = respacedDiffusions();
  // Evenly strided steps begin below t = 999, where the division by sqrt(abar) would blow any error up 20,000 times.
  const shortSample = (conditions: tf.Tensor2D, count: number, noise: NoiseSource) => {
    const diffusion = processOf(`ddim${count}`);
    return sampleTokens(parameters, conditions, noise, { diffusion, method: 'ddim', head });
  };
  return async (at, onStep) => {
    const { step, steps, rows, guidance, conditional, unconditional } = at;
    const held: (tf.Tensor | undefined)[] = [conditional, unconditional];
    try {
      const conditions = await refined(at, options.conditionHook, (given, count, call) =>
        shortSample(given, count, draws.prior(step, call)),
      );
      held.push(conditions);
      const sampled = sampleTokens(parameters, conditions, draws.noise(step), {
        ...{ method, eta, temperature, head },
        diffusion: processOf(typeof respacing === 'function' ? respacing(step, steps) : respacing),
        guidance,
        unconditional,
        onStep:
          onDenoise &&
          ((diffusionStep, { sample }) => onDenoise({ step, diffusionStep, tokens: rows, noised: sample })),
      });
      held.push(sampled);
      onStep?.({ step, guidance, conditions, unconditional, sampled });
      return (await sampled.data()) as Float32Array;
    } finally {
      tf.dispose(held.filter((x) => x !== undefined));
    }
  };
}

/** The conditions after the hook, or the transformer's own. @throws InvalidInputError for a hook that changes their shape. */
async function refined(
  { step, steps, classes, mask, rows, conditional }: GenerationStep,
  hook: ConditionHook | undefined,
  shortSample: (conditions: tf.Tensor2D, count: number, call: number) => tf.Tensor2D,
): Promise<tf.Tensor2D> {
  if (!hook) return conditional;
  const tokens = mask.length / classes.length;
  const samples = rows.map((row) => Math.floor(row / tokens));
  let calls = 0;
  const conditions = await hook({
    step,
    steps,
    conditions: conditional,
    positions: rows.map((row) => row % tokens),
    classes: samples.map((sample) => classes[sample]),
    samples,
    known: knownTokens(mask, samples, tokens),
    shortSample: (given, count) => shortSample(given, count, calls++),
  });
  if (conditions.shape.join() === conditional.shape.join()) return conditions;
  conditions.dispose();
  throw new InvalidInputError('Condition hook', {
    given: `conditions of shape [${conditions.shape}]`,
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

/** Writes sampled rows `[rows, channels]` into values `[batch, tokens, channels]`. */
export function placeRows(values: Float32Array, sampled: Float32Array, rows: Int32Array): void {
  const channels = sampled.length / rows.length;
  rows.forEach((row, i) => {
    values.set(sampled.subarray(i * channels, (i + 1) * channels), row * channels);
  });
}

/** The processes that one generation takes its tokens from, each made when it is first needed. */
function respacedDiffusions(): (respacing: string | number) => Diffusion {
  const made = new Map<string, Diffusion>();
  return (respacing) => {
    const process = made.get(String(respacing)) ?? createDiffusion({ respacing });
    made.set(String(respacing), process);
    return process;
  };
}
