import * as tf from '@tensorflow/tfjs';
import { batchPixels, type Dataset } from '../data/dataset';
import { loadImageFolder, type SkippedFile } from '../data/image-folder';
import { PROCEDURAL_CLASSES, proceduralDataset, SPLITS, type Split } from '../data/procedural';
import type { Features } from '../metrics/features';
import { fid } from '../metrics/fid';
import { inceptionScore } from '../metrics/inception-score';
import { kid } from '../metrics/kid';
import { precisionRecall } from '../metrics/precision-recall';
import type { ClassifierConfig } from '../models/classifier';
import type { Parameters } from '../models/parameters';
import { InvalidInputError } from '../runtime/errors';
import { CHECKPOINTS, loadTrainedModel } from '../training/trained-model';
import { describe } from './evaluation';

/** One measured number. */
export interface EvaluationRow {
  metric: string;
  value: number;
  /** Which way is better. */
  better: 'lower' | 'higher';
  note: string;
}

export interface EvaluationOptions {
  /** A folder, or `procedural:reference`, `procedural:control`, `procedural:train`. Default `procedural:reference`. */
  reference?: string;
  /** Classifier weights. Default the shipped ones. */
  classifier?: string;
  /** Neighbours in precision and recall. Default 3. */
  neighbours?: number;
  strict?: boolean;
  convert?: boolean;
}

/** Compares two sets of images; the features are the small classifier's, so the numbers are analogues. */
export async function evaluateImages(
  images: string,
  options: EvaluationOptions = {},
): Promise<{ rows: EvaluationRow[]; skipped: SkippedFile[] }> {
  const {
    reference = 'procedural:reference',
    classifier = `${CHECKPOINTS}/classifier.safetensors`,
    neighbours = 3,
  } = options;
  const { parameters, config } = loadTrainedModel<ClassifierConfig>(classifier);
  try {
    const generated = await loadSet(images, config.size, options);
    const real = await loadSet(reference, config.size, options);
    const fake = describeDataset(parameters, generated.dataset);
    const truth = describeDataset(parameters, real.dataset);
    const counts = `${fake.features.count} images against ${truth.features.count}, classifier features`;
    const row = (metric: string, value: number, better: EvaluationRow['better'], note = counts) => ({
      metric,
      value,
      better,
      note,
    });
    const kernel = kid(truth.features, fake.features);
    const score = inceptionScore(fake.probabilities, Math.min(10, fake.features.count));
    const shares = precisionRecall(truth.features, fake.features, neighbours);
    const rows: EvaluationRow[] = [
      row('fid', fid(truth.features, fake.features), 'lower'),
      row('kid', kernel.unbiased, 'lower'),
      row(
        'inception-score',
        score.mean,
        'higher',
        `std ${score.std.toPrecision(3)} over ${score.perSplit.length} parts`,
      ),
      ...(['precision', 'recall', 'density', 'coverage'] as const).map((name) => row(name, shares[name], 'higher')),
    ];
    return { rows, skipped: [...generated.skipped, ...real.skipped] };
  } finally {
    tf.dispose([...parameters.values()]);
  }
}

async function loadSet(what: string, size: number, options: EvaluationOptions) {
  if (!what.startsWith('procedural')) return loadImageFolder(what, { ...options, size, flat: true });
  const split = (what.split(':')[1] ?? 'reference') as Split;
  if (!SPLITS.includes(split)) {
    throw new InvalidInputError('Procedural images', {
      given: JSON.stringify(what),
      expected: SPLITS.map((name) => `procedural:${name}`).join(', '),
      remedy: 'Name one of these splits.',
    });
  }
  return { dataset: proceduralDataset({ split, size, perClass: PER_CLASS }), skipped: [] };
}

/** Held-out images per class in the small profile. */
const PER_CLASS = 3000 / PROCEDURAL_CLASSES.length;

/** Features and class probabilities of a data set, in parts of bounded memory. */
export function describeDataset(
  classifier: Parameters,
  data: Dataset,
): { features: Features; probabilities: Features } {
  const parts: ReturnType<typeof describe>[] = [];
  for (let from = 0; from < data.count; from += 500) {
    const count = Math.min(500, data.count - from);
    const indices = Int32Array.from({ length: count }, (_, i) => from + i);
    const images = tf.tensor4d(batchPixels(data, { indices, flips: new Uint8Array(count) }), [
      count,
      data.size,
      data.size,
      3,
    ]);
    parts.push(describe(classifier, images));
    images.dispose();
  }
  const join = (name: 'features' | 'probabilities'): Features => {
    const dimension = parts[0][name].dimension;
    const out = new Float64Array(data.count * dimension);
    parts.forEach((part, i) => {
      out.set(part[name].data, i * 500 * dimension);
    });
    return { data: out, count: data.count, dimension };
  };
  return { features: join('features'), probabilities: join('probabilities') };
}
