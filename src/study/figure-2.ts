import * as tf from '@tensorflow/tfjs';
import { proceduralDataset } from '../data/procedural';
import { extractFeatures } from '../evaluation/image-quality';
import { NearestRows } from '../metrics/retrieval';
import type { Runner } from './measured-run';
import type { Method } from './methods';
import { runConfiguration } from './run-configuration';

export interface Figure2Options {
  checkpoints?: string;
  trainingSeed: number;
  /** Sampling seed: it alone chooses the images. */
  seed: number;
  /** Images of a run; refinement acts on groups, so that fewer images would be others. */
  images: number;
  /** How many of them are shown, one of each class in turn. */
  shown: number;
}

/** Pictures of Figure 2: a row per method, then for each method of `withNearest` the nearest training images of its row. */
export interface Figure2 {
  /** `[rows * shown, size, size, 3]`; the caller disposes of it. */
  images: tf.Tensor4D;
  rows: string[];
}

/** Training images per class that the nearest are looked for among. */
const SEARCHED = 400;

/** Samples of methods under one seed, chosen by it and never by hand, with the nearest training images by the classifier's features. */
export async function figure2(
  maker: Runner,
  methods: readonly Method[],
  withNearest: readonly string[],
  { checkpoints, trainingSeed, seed, images: count, shown }: Figure2Options,
): Promise<Figure2> {
  const rows: string[] = [];
  const parts: tf.Tensor4D[] = [];
  for (const { name, options } of methods) {
    const training = { ...options.training, seed: trainingSeed };
    const given = { ...options, images: count, measure: false, training, ...(checkpoints ? { checkpoints } : {}) };
    const configuration = runConfiguration(given);
    const { images } = await maker.generate(configuration, seed);
    const first = tf.tidy(() => images.slice([0, 0, 0, 0], [shown, -1, -1, -1]).clipByValue(-1, 1) as tf.Tensor4D);
    images.dispose();
    parts.push(first);
    rows.push(name);
    if (!withNearest.includes(name)) continue;
    const trained = await maker.trained(configuration);
    const data = proceduralDataset({ split: 'train', perClass: SEARCHED, size: first.shape[1] });
    const pixels = trained.pixels(data);
    const own = extractFeatures(trained.classifier, first).features;
    const nearest = new NearestRows(own).add(extractFeatures(trained.classifier, pixels).features).finish();
    parts.push(tf.tidy(() => tf.gather(pixels, tf.tensor1d(nearest.row, 'int32')) as tf.Tensor4D));
    pixels.dispose();
    rows.push(`nearest to ${name}`);
  }
  const images = tf.concat(parts);
  tf.dispose(parts);
  return { images, rows };
}
