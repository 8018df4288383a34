import * as tf from '@tensorflow/tfjs';
import { batchPixels, type Dataset } from '../data/dataset';
import { proceduralDataset, type Split } from '../data/procedural';
import { normalTensor } from '../diffusion/noise';
import { describe, makeReference, type Reference } from '../evaluation/image-quality';
import { arModel } from '../models/ar/ar-model';
import type { CausalArConfig } from '../models/ar/causal-ar';
import type { CdmConfig } from '../models/cdm/cdm';
import { cdmModel } from '../models/cdm/cdm-model';
import { accelerate, decelerate, runPart } from '../models/compiled/accelerate';
import type { ImageModel } from '../models/image-model';
import type { MarConfig } from '../models/mar/mar';
import { marModel } from '../models/mar/mar-model';
import { decodeLatents, encode, samplePosterior, type VaeConfig } from '../models/vae/vae';
import type { Latents } from '../refinement/learn-ideal-law';
import { useBackend } from '../runtime/backend';
import type { Parameters } from '../runtime/parameters';
import { foldIn, key } from '../runtime/random';
import { CHECKPOINTS, loadTrainedModel } from '../training/trained-model';
import type { TrainedModelName } from './profiles';
import { type Variant, variantFolder, variantSchema } from './variants';

export interface LaboratoryOptions {
  /** Folder of the trained weights; default the shipped ones. */
  checkpoints?: string;
  /** Images per class of the reference split, up to 300; default 200. */
  referencePerClass?: number;
  /** Which trainings of the token models; default the shipped ones of seed 0. */
  training?: Variant;
}

/** Trained models with what is needed to sample, decode and judge them. Needs no file but the checkpoints. */
export interface Laboratory {
  classes: readonly string[];
  /** Loaded when first asked for. */
  models: { readonly mar: ImageModel; readonly ar: ImageModel; readonly cdm: ImageModel };
  classifier: Parameters;
  /** The autoencoder's configuration, at the resolution of the images. */
  vae: VaeConfig;
  /** Real images that no model was trained on, through the classifier. */
  reference: Reference;
  /** Scaled latents `[batch, side, side, channels]` to images `[batch, size, size, 3]`; leaves only its result. */
  decode(latents: tf.Tensor4D): tf.Tensor4D;
  /** Posterior samples of the latents of the first `perClass` images of each class of a split. */
  latents(split: Split, perClass: number): Latents;
  /** Images through the autoencoder and back, from the posterior's mean. */
  reconstruct(images: tf.Tensor4D): tf.Tensor4D;
  /** Images as a tensor in [-1, 1]. */
  pixels(data: Dataset): tf.Tensor4D;
  /** Frees all weights and what was compiled for them; nothing of it can be used afterwards. */
  dispose(): void;
}

const DECODE_BATCH = 50;

/** Loads a backend and the trained models, and measures the reference images. Takes a few seconds. */
export async function openLaboratory({
  checkpoints = CHECKPOINTS,
  referencePerClass = 200,
  training = variantSchema.parse({}),
}: LaboratoryOptions = {}): Promise<Laboratory> {
  await useBackend();
  const weights: Parameters[] = [];
  const load = <Config>(name: TrainedModelName, folder: string) => {
    const loaded = loadTrainedModel<Config>(name, folder);
    weights.push(accelerate(loaded.parameters));
    return loaded;
  };
  const vae = load<VaeConfig>('vae', checkpoints);
  const classifier = load('classifier', checkpoints).parameters;
  const encoded = (images: tf.Tensor4D) => {
    const inputs = { images };
    return runPart(vae.parameters, 'encode', inputs, (given: typeof inputs, weights) => {
      const { mean, logVariance } = encode(weights, vae.config, given.images);
      return { mean, logVariance };
    });
  };
  const folder = variantFolder(training, checkpoints);
  const { resolution } = training;
  const model = <Config>(name: 'mar' | 'ar' | 'cdm', make: (parameters: Parameters, config: Config) => ImageModel) => {
    let made: ImageModel | undefined;
    return () => {
      if (made) return made;
      const { parameters, config } = load<Config>(name, folder);
      made = make(parameters, config);
      return made;
    };
  };
  const [mar, ar, cdm] = [
    model<MarConfig>('mar', marModel),
    model<CausalArConfig>('ar', arModel),
    model<CdmConfig>('cdm', cdmModel),
  ];
  const pixels = (data: Dataset) => {
    const plan = { indices: Int32Array.from(data.labels.keys()), flips: new Uint8Array(data.count) };
    return tf.tensor4d(batchPixels(data, plan), [data.count, data.size, data.size, 3]);
  };
  const held = proceduralDataset({ split: 'reference', perClass: referencePerClass, size: resolution });
  const heldPixels = pixels(held);
  const reference = makeReference(describe(classifier, heldPixels).features);
  heldPixels.dispose();
  const decodeAll = (latents: tf.Tensor4D) =>
    inBatches(latents, (part) => {
      const inputs = { latents: part };
      const images = runPart(vae.parameters, 'decode latents', inputs, (given: typeof inputs, weights) => ({
        images: decodeLatents(weights, vae.config, given.latents),
      }));
      return images.images as tf.Tensor4D;
    });
  return {
    classes: held.classNames,
    models: {
      get mar() {
        return mar();
      },
      get ar() {
        return ar();
      },
      get cdm() {
        return cdm();
      },
    },
    classifier,
    vae: { ...vae.config, resolution },
    reference,
    decode: decodeAll,
    reconstruct: (images) => {
      const means = inBatches(images, (part) => encoded(part).mean.mul(vae.config.latentScale));
      const rebuilt = decodeAll(means);
      means.dispose();
      return rebuilt;
    },
    latents: (split, perClass) => {
      const data = proceduralDataset({ split, perClass, size: resolution });
      const images = pixels(data);
      const latents = inBatches(images, (part, start) => {
        const posterior = encoded(part);
        const noise = normalTensor<tf.Rank.R4>(foldIn(key(0), `posterior ${split} ${start}`), posterior.mean.shape);
        return samplePosterior(posterior, noise).mul(vae.config.latentScale);
      });
      const values = latents.dataSync() as Float32Array;
      tf.dispose([images, latents]);
      return { values, labels: data.labels };
    },
    pixels,
    dispose: () => {
      for (const parameters of weights.splice(0)) {
        decelerate(parameters);
        tf.dispose([...parameters.values()]);
      }
    },
  };
}

function inBatches(all: tf.Tensor4D, run: (part: tf.Tensor4D, start: number) => tf.Tensor4D): tf.Tensor4D {
  const parts = Array.from({ length: Math.ceil(all.shape[0] / DECODE_BATCH) }, (_, i) => {
    const start = i * DECODE_BATCH;
    return tf.tidy(() =>
      run(all.slice([start, 0, 0, 0], [Math.min(DECODE_BATCH, all.shape[0] - start), -1, -1, -1]), start),
    );
  });
  const joined = tf.concat(parts);
  tf.dispose(parts);
  return joined;
}
