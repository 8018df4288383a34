import * as tf from '@tensorflow/tfjs';
import { InvalidInputError } from '../runtime/errors';
import type { Diffusion } from './gaussian-diffusion';
import type { NoiseSource } from './noise';
import { ancestralStep, ddimInverseStep, ddimStep, type Step } from './reverse-step';

/** The network that a sampler calls: noisy rows `[rows, channels]` and the original step number to `[rows, 2 channels]`. */
export type NoisePredictor = (noised: tf.Tensor2D, originalStep: number, step: number) => tf.Tensor2D;

export interface SamplerOptions {
  /** `ancestral` (default) or `ddim`. */
  method?: 'ancestral' | 'ddim';
  /** DDIM only: 0 (default) deterministic .. 1. */
  eta?: number;
  /** Ancestral only: scale of the step noise, default 1. */
  temperature?: number;
  /** Called after each step, with compiled weights for all steps at the end; the tensors are the sampler's and must not be disposed of. */
  onStep?: (step: number, result: Step) => void;
}

/** The same options. @throws InvalidInputError for a number out of range. */
export function checkSampler<T extends SamplerOptions>(options: T): T {
  const { eta = 0, temperature = 1 } = options;
  if (!(eta >= 0 && eta <= 1) || !(temperature >= 0)) {
    throw new InvalidInputError('Sampler', {
      given: `eta = ${eta}, temperature = ${temperature}`,
      expected: 'eta in [0, 1] and temperature >= 0',
      remedy: 'The defaults are 0 and 1.',
    });
  }
  return options;
}

/** Runs the reverse process from noise to `[rows, channels]`. Every other tensor is disposed of. */
export function sampleDiffusion(
  diffusion: Diffusion,
  network: NoisePredictor,
  shape: [number, number],
  noise: NoiseSource,
  options: SamplerOptions = {},
): tf.Tensor2D {
  const { method = 'ancestral', eta = 0, temperature = 1, onStep } = checkSampler(options);
  const noisy = method === 'ancestral' || eta > 0;
  const start = tf.tensor2d(noise.initial(shape), shape);
  return walk(start, descending(diffusion.steps), onStep, (x, step) => {
    const output = network(x, diffusion.timestepMap[step], step);
    const draw = noisy && step > 0 ? tf.tensor2d(noise.step(step, shape), shape) : undefined;
    return method === 'ddim'
      ? ddimStep(diffusion, output, x, step, eta, draw)
      : ancestralStep(diffusion, output, x, step, draw, temperature);
  });
}

/**
 * DDIM inversion: from clean rows to the noise that deterministic DDIM would have started from; after the last step the
 * result is the predicted noise itself, since the next abar is 0. `start` stays the caller's.
 */
export function invertDiffusion(
  diffusion: Diffusion,
  network: NoisePredictor,
  start: tf.Tensor2D,
  onStep?: SamplerOptions['onStep'],
): tf.Tensor2D {
  const ascending = Array.from({ length: diffusion.steps }, (_, i) => i);
  return walk(start.clone(), ascending, onStep, (x, step) =>
    ddimInverseStep(diffusion, network(x, diffusion.timestepMap[step], step), x, step),
  );
}

function walk(
  start: tf.Tensor2D,
  steps: number[],
  onStep: SamplerOptions['onStep'],
  advance: (x: tf.Tensor2D, step: number) => Step,
): tf.Tensor2D {
  let x = start;
  try {
    for (const step of steps) {
      const { sample, predictedStart } = tf.tidy(() => {
        const result = advance(x, step);
        return { sample: result.sample, predictedStart: result.predictedStart };
      });
      x.dispose();
      x = sample;
      try {
        onStep?.(step, { sample, predictedStart });
      } finally {
        predictedStart.dispose();
      }
    }
    return x;
  } catch (error) {
    x.dispose();
    throw error;
  }
}

function descending(steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => steps - 1 - i);
}
