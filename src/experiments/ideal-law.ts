import * as tf from '@tensorflow/tfjs';
import {
  addConditions,
  createIdealConditions,
  type Grouping,
  type IdealConditions,
} from '../refinement/ideal-conditions';
import { fitInverseProcess, type InverseProcess } from '../refinement/inverse-process';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, permutation } from '../runtime/random';
import type { ImageModel } from './image-model';

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
  /** Images per forward pass; default 100. */
  batch?: number;
  onProgress?: (done: number, total: number) => void;
}

/** What refinement needs to know of real data: the ideal law, and the inverse process fitted on the same conditions. */
export interface IdealLaw {
  ideal: IdealConditions;
  inverse: InverseProcess;
}

/**
 * Runs real latents through the model with their own history (teacher forcing), fills the buffers and fits T^-1.
 * @throws InvalidInputError for a model whose condition is static.
 */
export async function learnIdealLaw(
  model: ImageModel,
  { values, labels }: Latents,
  source: Key,
  { grouping = 'class-position-step', capacity = 100, batch = 100, onProgress }: IdealLawOptions = {},
): Promise<IdealLaw> {
  if (!model.teacherForced) {
    throw new InvalidInputError('Ideal law', {
      given: `model ${model.name}, whose condition is static`,
      expected: 'an autoregressive model',
      remedy: 'There is nothing to refine: use MAR or the causal AR model.',
    });
  }
  const { fingerprint, conditionWidth: width, side, channels } = model;
  const ideal = createIdealConditions({ width, grouping, capacity, fingerprint });
  const perImage = values.length / labels.length;
  const order = permutation(foldIn(source, 'order'), labels.length); // data sets are sorted by class
  const fit: { latents: Float32Array[]; conditions: Float32Array[]; rows: number } = {
    latents: [],
    conditions: [],
    rows: 0,
  };
  for (let start = 0; start < labels.length; start += batch) {
    const images = order.subarray(start, start + batch);
    const part = new Float32Array(images.length * perImage);
    images.forEach((image, i) => part.set(values.subarray(image * perImage, (image + 1) * perImage), i * perImage));
    const latents = tf.tensor4d(part, [images.length, side, side, perImage / side ** 2]);
    for await (const rows of model.teacherForced(
      latents,
      images.map((image) => labels[image]),
    )) {
      const steps = new Int32Array(rows.classes.length).fill(rows.step);
      addConditions(ideal, { ...rows, steps }, foldIn(foldIn(source, 'reservoir'), start));
      if (fit.rows >= FIT_ROWS) continue;
      fit.latents.push(rows.latents);
      fit.conditions.push(rows.conditions);
      fit.rows += rows.classes.length;
    }
    latents.dispose();
    onProgress?.(start + images.length, labels.length);
  }
  return { ideal, inverse: fitInverseProcess(joined(fit.latents), channels, joined(fit.conditions), width) };
}

/** Rows that T^-1 is fitted to: many times its few hundred coefficients. */
const FIT_ROWS = 8000;

function joined(parts: Float32Array[]): Float32Array {
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
