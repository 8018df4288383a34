import * as tf from '@tensorflow/tfjs';
import { batchPixels, type Dataset } from '../data/dataset';
import { proceduralDataset, type Split } from '../data/procedural';
import { normalTensor } from '../diffusion/noise';
import { accelerate, runPart } from '../models/accelerate';
import type { CausalArConfig } from '../models/causal-ar';
import type { CdmConfig } from '../models/cdm';
import type { MarConfig } from '../models/mar';
import type { Parameters } from '../models/parameters';
import { decode, decodeLatents, encode, samplePosterior, type VaeConfig } from '../models/vae';
import { useBackend } from '../runtime/backend';
import { foldIn, key } from '../runtime/random';
import { CHECKPOINTS, loadTrainedModel } from '../training/trained-model';
import { arModel } from './ar-model';
import { cdmModel } from './cdm-model';
import { describe, makeReference, type Reference } from './evaluation';
import type { Latents } from './ideal-law';
import type { ImageModel } from './image-model';
import { marModel } from './mar-model';

export interface LaboratoryOptions {
  /** Folder of the trained weights; default the shipped ones. */
  checkpoints?: string;
  /** Images per class of the reference split, up to 300; default 200. */
  referencePerClass?: number;
}

/** The shipped models with what is needed to sample, decode and judge them. Needs no file but the checkpoints. */
export interface Laboratory {
  classes: readonly string[];
  models: { mar: ImageModel; ar: ImageModel; cdm: ImageModel };
  classifier: Parameters;
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
}

const DECODE_BATCH = 50;

/** Loads a backend and the trained models, and measures the reference images. Takes a few seconds. */
export async function openLaboratory({
  checkpoints = CHECKPOINTS,
  referencePerClass = 200,
}: LaboratoryOptions = {}): Promise<Laboratory> {
  await useBackend();
  const vae = loadTrainedModel<VaeConfig>('vae', checkpoints);
  accelerate(vae.parameters);
  const classifier = loadTrainedModel('classifier', checkpoints).parameters;
  const [mar, ar, cdm] = [
    loadTrainedModel<MarConfig>('mar', checkpoints),
    loadTrainedModel<CausalArConfig>('ar', checkpoints),
    loadTrainedModel<CdmConfig>('cdm', checkpoints),
  ];
  const pixels = (data: Dataset) => {
    const plan = { indices: Int32Array.from(data.labels.keys()), flips: new Uint8Array(data.count) };
    return tf.tensor4d(batchPixels(data, plan), [data.count, data.size, data.size, 3]);
  };
  const held = proceduralDataset({ split: 'reference', perClass: referencePerClass });
  const heldPixels = pixels(held);
  const reference = makeReference(describe(classifier, heldPixels).features);
  heldPixels.dispose();
  return {
    classes: held.classNames,
    models: {
      mar: marModel(accelerate(mar.parameters), mar.config),
      ar: arModel(accelerate(ar.parameters), ar.config),
      cdm: cdmModel(accelerate(cdm.parameters), cdm.config),
    },
    classifier,
    reference,
    decode: (latents) =>
      inBatches(latents, (part) => {
        const inputs = { latents: part };
        const images = runPart(vae.parameters, 'decode latents', inputs, (given: typeof inputs, weights) => ({
          images: decodeLatents(weights, vae.config, given.latents),
        }));
        return images.images as tf.Tensor4D;
      }),
    reconstruct: (images) =>
      inBatches(images, (part) => decode(vae.parameters, vae.config, encode(vae.parameters, vae.config, part).mean)),
    latents: (split, perClass) => {
      const data = proceduralDataset({ split, perClass });
      const images = pixels(data);
      const latents = inBatches(images, (part, start) => {
        const posterior = encode(vae.parameters, vae.config, part);
        const noise = normalTensor<tf.Rank.R4>(foldIn(key(0), `posterior ${split} ${start}`), posterior.mean.shape);
        return samplePosterior(posterior, noise).mul(vae.config.latentScale);
      });
      const values = latents.dataSync() as Float32Array;
      tf.dispose([images, latents]);
      return { values, labels: data.labels };
    },
    pixels,
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
