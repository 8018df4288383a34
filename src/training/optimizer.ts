import * as tf from '@tensorflow/tfjs';
import { InvalidInputError, NumericalError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';

/** Options of AdamW; the defaults are those of the MAR reference. */
export interface AdamWOptions {
  /** Step size, > 0. */
  learningRate: number;
  /** Decay rates of the two moments, in [0, 1). Default 0.9 and 0.95. */
  beta1?: number;
  beta2?: number;
  /** Added to the root of the second moment. Default 1e-8. */
  epsilon?: number;
  /** Decoupled weight decay of matrices, see `decays`. Default 0.02. */
  weightDecay?: number;
  /** Gradients are scaled down to this global norm when theirs is larger. Default: not clipped. */
  clipNorm?: number;
}

/** Both moments of each parameter and the number of updates made. */
export interface AdamWState {
  step: number;
  first: Map<string, Float32Array>;
  second: Map<string, Float32Array>;
}

/** The state before the first update: moments zero. */
export function initAdamW(parameters: Parameters): AdamWState {
  const zeros = () => new Map([...parameters].map(([name, x]) => [name, new Float32Array(x.size)]));
  return { step: 0, first: zeros(), second: zeros() };
}

/**
 * Whether weight decay applies to a parameter, as in the MAR reference: not to vectors and scalars, biases, nor to anything
 * of the denoising MLP (`diffloss`).
 */
export function decays(name: string, shape: readonly number[]): boolean {
  return shape.length > 1 && !name.endsWith('.bias') && !name.includes('diffloss');
}

/** What one update gives: new tensors (the caller owns and disposes of old and new ones) and the new state. */
export interface AdamWResult {
  parameters: Parameters;
  state: AdamWState;
  /** Global norm of the gradients before clipping. */
  gradientNorm: number;
}

/**
 * One step of AdamW (Loshchilov and Hutter 2019) as a pure function, in PyTorch's order of operations: decay, moments, update
 * with bias-corrected moments. Nothing that was given is changed, so a failed step leaves the old state whole.
 * @param gradients one tensor per parameter, of its shape
 * @throws InvalidInputError when a gradient is missing, NumericalError naming the first gradient that is not finite.
 */
export function adamW(
  parameters: Parameters,
  gradients: Parameters,
  state: AdamWState,
  { learningRate, beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.02, clipNorm }: AdamWOptions,
): AdamWResult {
  const raw = new Map([...parameters.keys()].map((name) => [name, gradientOf(name, gradients)]));
  const gradientNorm = globalNorm(raw);
  // 1e-6 as in torch.nn.utils.clip_grad_norm_
  const clip = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (gradientNorm + 1e-6));
  const step = state.step + 1;
  const stepSize = learningRate / (1 - beta1 ** step);
  const rootCorrection = Math.sqrt(1 - beta2 ** step);
  const next: AdamWState = { step, first: new Map(), second: new Map() };
  const updated: Parameters = new Map();
  for (const [name, weight] of parameters) {
    const gradient = raw.get(name)!;
    const m = state.first.get(name)!.slice();
    const v = state.second.get(name)!.slice();
    const w = weight.dataSync().slice() as Float32Array;
    const keep = decays(name, weight.shape) ? 1 - learningRate * weightDecay : 1;
    for (let i = 0; i < w.length; i++) {
      const g = gradient[i] * clip;
      m[i] = beta1 * m[i] + (1 - beta1) * g;
      v[i] = beta2 * v[i] + (1 - beta2) * g * g;
      w[i] = w[i] * keep - (stepSize * m[i]) / (Math.sqrt(v[i]) / rootCorrection + epsilon);
    }
    next.first.set(name, m);
    next.second.set(name, v);
    updated.set(name, tf.tensor(w, weight.shape));
  }
  return { parameters: updated, state: next, gradientNorm };
}

/** Euclidean norm of all gradients together. @throws NumericalError naming the first that is not finite. */
export function globalNorm(gradients: ReadonlyMap<string, Float32Array>): number {
  let sum = 0;
  for (const [name, gradient] of gradients) {
    let part = 0;
    for (let i = 0; i < gradient.length; i++) part += gradient[i] * gradient[i];
    if (!Number.isFinite(part)) {
      const at = gradient.findIndex((x) => !Number.isFinite(x));
      throw new NumericalError(`Gradient of ${name}`, {
        given: at < 0 ? 'a norm beyond the range of numbers' : `${gradient[at]} at element ${at}`,
        expected: 'finite numbers',
        remedy: 'Lower the learning rate, clip the gradients (clipNorm), or look at the batch of this step.',
      });
    }
    sum += part;
  }
  return Math.sqrt(sum);
}

function gradientOf(name: string, gradients: Parameters): Float32Array {
  const gradient = gradients.get(name);
  if (!gradient) {
    throw new InvalidInputError('Gradients', {
      given: `none for ${name}`,
      expected: 'one per parameter',
      remedy: 'Give zeros for a parameter that the loss does not use.',
    });
  }
  return gradient.dataSync() as Float32Array;
}
