import * as tf from '@tensorflow/tfjs';
import type { ImageModel } from '../models/image-model';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, permutation } from '../runtime/random';
import type { Grouping } from './grouping';
import { IdealConditions, type ReplacementPolicy } from './ideal-conditions';

/** Scaled latents of real images with their classes. */
export interface Latents {
  /** `[count, side, side, channels]` flat. */
  values: Float32Array;
  labels: Int32Array;
}

export interface IdealLawOptions {
  /** Default `class-position-step`. */
  grouping?: Grouping;
  /** Rows kept per group; default 100. */
  capacity?: number;
  /** Which rows a full group evicts; default `reservoir`. */
  replacement?: ReplacementPolicy;
  /** Images per forward pass; default 100. */
  batch?: number;
  /** Class under which an image's conditions are filed, for controls; default its own. They are computed with its own in any case. */
  fileUnder?: (label: number, image: number) => number;
  onProgress?: (done: number, total: number) => void;
}

/**
 * Runs real latents through the model with their own history (teacher forcing) and fills a buffer with the conditions.
 * @throws InvalidInputError for a model whose condition is static.
 */
export async function learnIdealLaw(
  model: ImageModel,
  latents: Latents,
  source: Key,
  { grouping = 'class-position-step', capacity = 100, replacement, ...rest }: IdealLawOptions = {},
): Promise<IdealConditions> {
  const { fingerprint, conditionWidth: width, channels, tokens } = model;
  const ideal = new IdealConditions({ width, grouping, capacity, fingerprint, channels, tokens, replacement });
  await addIdealLaw(model, ideal, latents, source, rest);
  return ideal;
}

/**
 * Adds the teacher-forced conditions of real latents to a buffer: for more data than fits into memory at once, or to follow a
 * model in training (`ReplacementPolicy`), whose fingerprint the buffer then takes.
 */
export async function addIdealLaw(
  model: ImageModel,
  ideal: IdealConditions,
  { values, labels }: Latents,
  source: Key,
  { batch = 100, fileUnder, onProgress }: Pick<IdealLawOptions, 'batch' | 'fileUnder' | 'onProgress'> = {},
): Promise<void> {
  if (!model.teacherForced) {
    throw new InvalidInputError('Ideal law', {
      given: `model ${model.name}, whose condition is static`,
      expected: 'an autoregressive model',
      remedy: 'There is nothing to refine: use MAR or the causal AR model.',
    });
  }
  const { side } = model;
  const perImage = values.length / labels.length;
  const order = permutation(foldIn(source, 'order'), labels.length); // data sets are sorted by class
  for (let start = 0; start < labels.length; start += batch) {
    const images = order.subarray(start, start + batch);
    const part = new Float32Array(images.length * perImage);
    images.forEach((image, i) => part.set(values.subarray(image * perImage, (image + 1) * perImage), i * perImage));
    const latents = tf.tensor4d(part, [images.length, side, side, perImage / side ** 2]);
    const reservoir = foldIn(foldIn(source, 'reservoir'), start);
    const own = images.map((image) => labels[image]);
    const filed = fileUnder && own.map((label, i) => fileUnder(label, images[i]));
    for await (const rows of model.teacherForced(latents, own, foldIn(reservoir, 'orders'))) {
      const classes = filed ? rows.samples.map((image) => filed[image]) : rows.classes;
      const steps = new Int32Array(rows.classes.length).fill(rows.step);
      ideal.add({ ...rows, visibleTokens: rows.known, classes, steps }, reservoir);
    }
    latents.dispose();
    onProgress?.(start + images.length, labels.length);
  }
  ideal.fingerprint = model.fingerprint;
}
