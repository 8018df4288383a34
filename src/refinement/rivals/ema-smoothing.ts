import { InvalidInputError } from '../../runtime/errors';
import { checkGroup, type Refiner, rowMean } from '../refiner';
import { changed } from './changed';

/** Options of `emaSmoothing`. */
export interface EmaSmoothingOptions {
  /** Weight of the past, in [0, 1): 0 changes nothing. */
  decay: number;
  /**
   * What is smoothed: with `ideal`, the deviation of a condition from the mean of its group's ideal law, so that what belongs
   * to a class and position is not smeared over the others; with `none`, the bare condition, as the name has it.
   */
  centre: 'ideal' | 'none';
}

/**
 * Exponential smoothing of an image's conditions along the autoregressive steps. With u = c - centre and s the image's smoothed
 * deviation of the step before,
 *
 *     u' = decay s + (1 - decay) u,   c <- centre + u',   s <- the mean of u' over the image's tokens of this step,
 *
 * which for one token a step (causal AR, raster order) is the plain moving average, and for MAR, whose steps hold several tokens
 * at other places than before, its simplest form. The first step starts the average and changes nothing.
 *
 * Keeps the averages of one generation by image; a step that is not after the last one starts the next generation, so that one
 * refiner serves generations one after the other, not at the same time. Images whose group was left out of a step keep s.
 * @throws InvalidInputError for a group that does not say its step and images.
 */
export function emaSmoothing({ decay, centre }: EmaSmoothingOptions): Refiner {
  let last = Number.POSITIVE_INFINITY;
  let before = new Map<number, Float64Array>();
  let running = new Map<number, { sum: Float64Array; tokens: number }>();
  const advance = (step: number) => {
    if (step === last) return;
    if (step < last) before = new Map();
    else
      for (const [image, { sum, tokens }] of running)
        before.set(
          image,
          sum.map((x) => x / tokens),
        );
    running = new Map();
    last = step;
  };
  return (group) => {
    checkGroup(group);
    const { targets, width, step, samples } = group;
    if (step === undefined || !samples) {
      throw new InvalidInputError('EMA smoothing', {
        given: 'a group of conditions without its step and images',
        expected: '`step` and `samples` of the group',
        remedy: 'Refine through `conditionRefinement`, which fills them in.',
      });
    }
    advance(step);
    const mean = centre === 'ideal' ? rowMean(targets, width) : new Float64Array(width);
    const result = changed(group, (value, i) => {
      const k = i % width;
      const past = before.get(samples[Math.floor(i / width)]);
      return past ? mean[k] + decay * past[k] + (1 - decay) * (value - mean[k]) : value;
    });
    samples.forEach((image, row) => {
      const own = running.get(image) ?? { sum: new Float64Array(width), tokens: 0 };
      for (let k = 0; k < width; k++) own.sum[k] += result.conditions[row * width + k] - mean[k];
      own.tokens++;
      running.set(image, own);
    });
    return result;
  };
}
