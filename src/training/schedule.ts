/** Learning rate over a training; epochs may be fractional, or steps throughout. */
export interface RateSchedule {
  /** Rate after the warm-up. */
  base: number;
  /** Linear warm-up from 0 over this many epochs. Default 0. */
  warmup?: number;
  /** After the warm-up: hold (`constant`) or fall along half a cosine to `minimum` at `total`. Default `constant`. */
  shape?: 'constant' | 'cosine';
  /** Length of the training in epochs, warm-up included; needed for `cosine`. */
  total?: number;
  /** Rate at the end of the cosine. Default 0. */
  minimum?: number;
}

/** The learning rate at a fractional epoch, as the MAR reference sets it before each step. */
export function learningRateAt(
  epoch: number,
  { base, warmup = 0, shape = 'constant', total = warmup, minimum = 0 }: RateSchedule,
): number {
  if (epoch < warmup) return (base * epoch) / warmup;
  if (shape === 'constant') return base;
  const progress = total > warmup ? Math.min(1, (epoch - warmup) / (total - warmup)) : 1;
  return minimum + (base - minimum) * 0.5 * (1 + Math.cos(Math.PI * progress));
}

/** The reference's linear scaling rule: the rate for a batch, given the rate per 256 images. */
export function scaledRate(ratePer256: number, batch: number): number {
  return (ratePer256 * batch) / 256;
}
