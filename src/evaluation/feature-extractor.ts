import * as tf from '@tensorflow/tfjs';
import { compile } from '../compile';
import type { PixelBatch } from '../data/image-stream';
import { loadParameters, openWeights } from '../io/parameters';
import type { Features } from '../metrics/features';
import type { ClassifierConfig } from '../models/features/classifier';
import { checkInceptionWeights, inception, inceptionInput } from '../models/features/inception';
import type { Parameters } from '../runtime/parameters';
import { loadTrainedModel } from '../training/trained-model';
import { extractFeatures } from './image-quality';

export interface Described {
  features: Features;
  /** Rows that sum to 1. */
  probabilities: Features;
}

/** What turns images into the numbers that are compared. */
export interface FeatureExtractor {
  /** For the notes beside every number. */
  name: string;
  dimension: number;
  classes: number;
  /** Images are cut and resized to squares of this side before; absent: it takes them as they are. */
  side?: number;
  /** Images per call that memory and speed like best. */
  batch: number;
  extract(images: PixelBatch): Described;
  dispose(): void;
}

/** The small classifier of this project: its numbers are analogues. @param weights default the shipped ones */
export function classifierExtractor(weights = 'classifier'): FeatureExtractor {
  const { parameters, config } = loadTrainedModel<ClassifierConfig>(weights);
  return {
    name: 'classifier features',
    dimension: config.features,
    classes: config.classes,
    side: config.size,
    batch: 500,
    extract: (images) => {
      const pixels = pixelTensor(images);
      const scaled = tf.tidy(() => pixels.div<tf.Tensor4D>(127.5).sub<tf.Tensor4D>(1));
      const result = extractFeatures(parameters, scaled);
      tf.dispose([pixels, scaled]);
      return result;
    },
    dispose: () => tf.dispose([...parameters.values()]),
  };
}

/** Images at a time; the last ones are filled up to it, so that one graph serves all. */
const INCEPTION_BATCH = 4;

/**
 * InceptionV3 with the weights of FID: with those and TensorFlow's way to resize, the numbers are those that papers quote.
 * @param weights .pth or .safetensors with the names of pytorch-fid's `pt_inception-2015-12-05`
 * @throws InvalidInputError for weights of another network, naming the first that is missing or of another shape.
 */
export function inceptionExtractor(weights: string): FeatureExtractor {
  checkInceptionWeights(openWeights(weights)); // before 95 MB are read
  const parameters: Parameters = loadParameters(weights);
  const network = compile(
    ({ input }: { input: tf.Tensor4D }, frozen) => {
      const { features, logits } = inception(frozen, input);
      return { features, probabilities: tf.softmax(logits) };
    },
    { name: 'InceptionV3', freeze: parameters },
  );
  return {
    name: 'InceptionV3 features',
    dimension: 2048,
    classes: 1008,
    batch: INCEPTION_BATCH,
    extract: (images) => {
      const { count } = images;
      const results = tf.tidy(() => {
        const input = inceptionInput(pixelTensor(images));
        const full = input.pad<tf.Tensor4D>([[0, INCEPTION_BATCH - count], [0, 0], [0, 0], [0, 0]]); // biome-ignore format: a shape
        const { features, probabilities } = network({ input: full });
        return [features, probabilities].map((all) => all.slice([0, 0], [count, -1]));
      });
      const [features, probabilities] = results.map((rows): Features => {
        const [, dimension] = rows.shape;
        return { data: rows.dataSync() as Float32Array, count, dimension };
      });
      tf.dispose(results);
      return { features, probabilities };
    },
    dispose: () => {
      network.dispose();
      tf.dispose([...parameters.values()]);
    },
  };
}

const pixelTensor = ({ data, count, height, width }: PixelBatch) =>
  tf.tensor4d(Float32Array.from(data), [count, height, width, 3]);
