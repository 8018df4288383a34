import { z } from 'zod';

const number = (label: string) => z.number().describe(label);
const optional = (label: string) => z.number().nullable().describe(label);

/** Everything measured on one run, each described by its name in tables; what a configuration does not have is null. */
export const measuredRunSchema = z.object({
  fid: number('FID'),
  inceptionScore: optional('Inception score'),
  precision: number('precision'),
  recall: number('recall'),
  density: number('density'),
  coverage: number('coverage'),
  /** Share of images that the classifier assigns to the class that they were generated for. */
  classAccuracy: number('class accuracy'),
  /** Drift from the law of held-out images, see `GroupDrift`: excess after and before the refinement, and the floor. */
  conditionError: optional('condition error'),
  conditionErrorBefore: optional('condition error before refinement'),
  conditionFloor: optional('condition error of real images'),
  spread: optional('spread'),
  bufferDistance: optional('distance to the buffer'),
  bufferDistanceBefore: optional('distance to the buffer before refinement'),
  /** Distance of images to the nearest of the buffer's training images over that of unseen images; share of near-copies (0.05 by chance). */
  trainingDistance: number('relative distance to training images'),
  nearCopies: number('share of near-copies'),
  /** Share of rows in groups that the refinement changed. */
  refinedRows: number('share of refined rows'),
  /** Generation and decoding, refinement included, what only measures left out. */
  secondsPerImage: number('seconds per image'),
  /** Share of that time in the refinement. */
  refinementShare: number('share of time in the refinement'),
  /** Floating-point operations of generation, refinement and decoding, counted from the products. */
  megaflopsPerImage: number('MFLOP per image'),
});

/** Everything measured on one run. */
export type MeasuredRun = z.output<typeof measuredRunSchema>;

export type Measure = keyof MeasuredRun;
