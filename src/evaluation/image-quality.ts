import * as tf from '@tensorflow/tfjs';
import type { Features } from '../metrics/features';
import { frechetDistance } from '../metrics/fid';
import { precisionRecall } from '../metrics/precision-recall';
import { type FeatureStatistics, featureStatistics } from '../metrics/statistics';
import { StreamingInceptionScore } from '../metrics/streaming-inception-score';
import { runPart } from '../models/compiled/compile-model';
import { classifierSide, classify } from '../models/features/classifier';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { imageKeys } from './image-keys';

/** Quality of generated images; all through the small classifier's features, so analogues of the published numbers. */
export interface Quality {
  fid: number;
  /** Null for fewer than 20 images, for which it is not defined. */
  inceptionScore: number | null;
  precision: number;
  recall: number;
  /** Share of images that the classifier assigns to the class that they were generated for. */
  classAccuracy: number;
}

/** What images are compared with. */
export interface Reference {
  statistics: FeatureStatistics;
  /** A part of the features, for precision and recall (their cost is quadratic). */
  features: Features;
}

const BATCH = 100;
const MANIFOLD_ROWS = 1000;

/** What is kept of images: one row of each per image. */
export interface ExtractedFeatures {
  features: Features;
  probabilities: Features;
  /** See `imageKeys`. */
  keys: Float64Array;
}

/**
 * Features and class probabilities of images `[count, size, size, 3]` in [-1, 1]; values beyond are clipped, as in a file. Images that
 * are a multiple of the classifier's size are averaged down to it, as InceptionV3 resizes what it is given.
 * @throws InvalidInputError for another size.
 */
export function extractFeatures(classifier: Parameters, images: tf.Tensor4D): ExtractedFeatures {
  const [count, size] = images.shape;
  const shrink = size / classifierSide(classifier);
  if (!Number.isInteger(shrink)) {
    throw new InvalidInputError('Images to evaluate', {
      given: `${size} pixels a side`,
      expected: `a multiple of the classifier's ${classifierSide(classifier)} pixels`,
      remedy: 'Resize the images, or train a classifier for this size.',
    });
  }
  const keys = new Float64Array(count);
  const parts = Array.from({ length: Math.ceil(count / BATCH) }, (_, i) =>
    tf.tidy(() => {
      const batch = images.slice([i * BATCH, 0, 0, 0], [Math.min(BATCH, count - i * BATCH), -1, -1, -1]);
      const bytes = batch.clipByValue(-1, 1).add(1).mul(127.5).round();
      const given = bytes.div<tf.Tensor4D>(127.5).sub<tf.Tensor4D>(1);
      const inputs = { images: shrink === 1 ? given : given.avgPool<tf.Tensor4D>(shrink, shrink, 'valid') };
      const { features, logits } = runPart(classifier, 'classify', inputs, (at: typeof inputs, weights) =>
        classify(weights, at.images),
      );
      keys.set(imageKeys(Uint8Array.from(bytes.dataSync()), batch.shape[0]), i * BATCH);
      return { features, probabilities: tf.softmax(logits) as tf.Tensor2D };
    }),
  );
  const gather = (name: 'features' | 'probabilities'): Features => {
    const all = tf.concat(parts.map((part) => part[name]));
    const data = all.dataSync() as Float32Array;
    tf.dispose([all, ...parts.map((part) => part[name])]);
    return { data, count, dimension: data.length / count };
  };
  return { features: gather('features'), probabilities: gather('probabilities'), keys };
}

/** The side of a comparison that stays: features of real images. */
export function makeReference(features: Features): Reference {
  const stride = Math.max(1, Math.ceil(features.count / MANIFOLD_ROWS));
  const kept = Array.from({ length: Math.floor(features.count / stride) }, (_, i) => i * stride);
  const data = new Float32Array(kept.length * features.dimension);
  kept.forEach((row, i) => {
    data.set(features.data.subarray(row * features.dimension, (row + 1) * features.dimension), i * features.dimension);
  });
  return {
    statistics: featureStatistics(features),
    features: { data, count: kept.length, dimension: features.dimension },
  };
}

/** Compares images `[count, size, size, 3]`, generated for `labels`, with a reference. */
export function evaluate(
  classifier: Parameters,
  reference: Reference,
  images: tf.Tensor4D,
  labels: ArrayLike<number>,
): Quality {
  return scoreImages(reference, extractFeatures(classifier, images), labels);
}

/** The same from what `extractFeatures` returned. */
export function scoreImages(
  reference: Reference,
  { features, probabilities, keys }: ExtractedFeatures,
  labels: ArrayLike<number>,
): Quality {
  const { precision, recall } = precisionRecall(reference.features, features);
  const score = new StreamingInceptionScore(probabilities.dimension);
  score.add(probabilities, keys);
  let right = 0;
  for (let i = 0; i < labels.length; i++) {
    const row = probabilities.data.subarray(i * probabilities.dimension, (i + 1) * probabilities.dimension);
    if (row.indexOf(Math.max(...row)) === labels[i]) right++;
  }
  return {
    fid: frechetDistance(reference.statistics, featureStatistics(features)).distance,
    inceptionScore: score.finish()?.mean ?? null,
    precision,
    recall,
    classAccuracy: right / labels.length,
  };
}
