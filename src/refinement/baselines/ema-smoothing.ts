import type { MethodOptions } from '../options';
import { checkGroup, type Refiner } from '../refiner';
import { changed } from './changed';

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
 * @throws InvalidInputError for a group that does not know its step and images.
 */
export function emaSmoothing({ decay, centre }: MethodOptions<'ema-smoothing'>): Refiner {
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
    const { width, mean: ideal } = group.law;
    const { step, samples } = group.context.origin();
    advance(step);
    const mean = centre === 'ideal' ? ideal : new Float64Array(width);
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
