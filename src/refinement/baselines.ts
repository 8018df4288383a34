/** Baseline methods compared with the optimal-transport refinement. */
import { type Key, key as keyOf } from '../runtime/random';
import { emaSmoothing } from './baselines/ema-smoothing';
import { coordinateMoments, gaussianMoments } from './baselines/moments';
import { nearestNeighbour } from './baselines/nearest-neighbour';
import { predictiveProjection } from './baselines/predictive-projection';
import { fitResidualMlp } from './baselines/residual-mlp';
import { shrink } from './baselines/shrink';
import type { IdealConditions } from './ideal-conditions';
import type { RefinementConfiguration } from './options';
import type { Refiner } from './refiner';

export { coordinateMoments, gaussianMoments, nearestNeighbour, shrink };

/** What a baseline method changes of a generation. */
export interface BaselineMethod {
  /** Use it with `conditionRefinement`. */
  refiner?: Refiner;
  /** Scale of classifier-free guidance. */
  guidance?: number;
  /** Steps of the reverse process. */
  respacing?: string;
  /** Share of the training noise that a residual network leaves on held-out rows: 1 = it learned nothing. */
  noiseLeft?: number;
  /** Frees the weights of a method that has any. */
  dispose?(): void;
}

/** Options of a baseline method with their defaults filled in. */
export type BaselineConfiguration = Exclude<RefinementConfiguration, { method: 'optimal-transport' }>;

/**
 * Makes a baseline method.
 * @param ideal the buffer that a residual network is fitted to
 * @param key of its weights and noise; default a fixed one
 */
export async function makeBaseline(
  options: BaselineConfiguration,
  ideal: IdealConditions,
  key: Key = keyOf(0),
): Promise<BaselineMethod> {
  switch (options.method) {
    case 'none':
      return {};
    case 'shrink':
      return { refiner: shrink(options.keep) };
    case 'ema-smoothing':
      return { refiner: emaSmoothing(options) };
    case 'coordinate-moments':
      return { refiner: coordinateMoments };
    case 'gaussian-moments':
      return { refiner: (group) => gaussianMoments(group, options.floor) };
    case 'nearest-neighbour':
      return { refiner: nearestNeighbour };
    case 'predictive-projection':
      return { refiner: predictiveProjection(options) };
    case 'residual-mlp':
      return fitResidualMlp(ideal, key, options);
    case 'guidance':
      return { guidance: options.scale, ...(options.steps ? { respacing: nearestRespacing(options.steps) } : {}) };
    case 'more-steps':
      return { respacing: nearestRespacing(options.steps) };
  }
}

const TRAINING_STEPS = 1000;

/**
 * The `ddimN` nearest to a number of steps, the larger one of a tie: only the counts that some integer stride over the training
 * steps gives exactly are possible.
 */
export function nearestRespacing(steps: number): string {
  let best = TRAINING_STEPS;
  for (let stride = 1; stride < TRAINING_STEPS; stride++) {
    const count = Math.ceil(TRAINING_STEPS / stride);
    if (Math.abs(count - steps) < Math.abs(best - steps)) best = count;
  }
  return `ddim${best}`;
}
