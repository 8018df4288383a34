import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../runtime/parameters';

/** Moving averages of the weights, by parameter name. */
export type Averages = Map<string, Float32Array>;

/** Averages that start at the weights themselves. */
export function initEma(parameters: Parameters): Averages {
  return new Map([...parameters].map(([name, x]) => [name, x.dataSync().slice() as Float32Array]));
}

/** average <- rate * average + (1 - rate) * weight, as new averages. @param rate in [0, 1]; the reference uses 0.9999 */
export function updateEma(averages: Averages, parameters: Parameters, rate: number): Averages {
  return new Map(
    [...parameters].map(([name, x]) => {
      const weights = x.dataSync();
      return [name, averages.get(name)!.map((a, i) => rate * a + (1 - rate) * weights[i])];
    }),
  );
}

/**
 * The rate with warm-up for short trainings: min(rate, (1 + step) / (10 + step)), so that the random start is forgotten
 * after a few dozen steps (the rule of TensorFlow's ExponentialMovingAverage). @param step updates made so far, from 0
 */
export function warmEmaRate(rate: number, step: number): number {
  return Math.min(rate, (1 + step) / (10 + step));
}

/** Averages as tensors of the parameters' shapes; the caller disposes of them. */
export function emaParameters(averages: Averages, parameters: Parameters): Parameters {
  return new Map([...parameters].map(([name, x]) => [name, tf.tensor(averages.get(name)!, x.shape)]));
}
