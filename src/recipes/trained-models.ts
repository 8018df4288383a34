import * as tf from '@tensorflow/tfjs';
import { batchPixels, type Dataset } from '../data/dataset';
import { proceduralDataset, type Split } from '../data/procedural';
import { normalTensor } from '../diffusion/noise';
import { extractFeatures, makeReference, type Reference } from '../evaluation/image-quality';
import { compileModel, releaseCompiled } from '../models/compiled/compile-model';
import type { ImageModel } from '../models/image-model';
import { makeImageModel } from '../models/make-image-model';
import type { ModelSpec } from '../models/presets';
import { autoencoder, inBatches } from '../models/vae/autoencoder';
import { samplePosterior, type VaeConfig } from '../models/vae/vae';
import type { Latents } from '../refinement/learn-ideal-law';
import { useBackend } from '../runtime/backend';
import type { Parameters } from '../runtime/parameters';
import { foldIn, key } from '../runtime/random';
import { CHECKPOINTS, loadTrainedModel, requireMadeWith } from '../training/trained-model';
import type { TrainedModelName } from './profiles';
import { type Variant, variantFolder, variantSchema } from './variants';

export interface TrainedModelsOptions {
  /** Folder of the trained weights; default the shipped ones. */
  checkpoints?: string;
  /** Images per class of the reference split, up to 300; default 200. */
  referencePerClass?: number;
  /** Which trainings of the token models; default the shipped ones of seed 0. */
  training?: Variant;
}

/**
 * Trained models with what is needed to sample, decode and score images. They own all weights, those of `models` too: whoever loads
 * them calls `dispose`.
 */
export interface TrainedModels {
  classes: readonly string[];
  /** Each is loaded when it is first asked for. */
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

/**
 * Loads a backend and the trained models, and measures the reference images; needs no file but the checkpoints. Takes a few seconds.
 * @throws MissingDependencyError for a missing file, InvalidInputError for a model trained with another autoencoder.
 */
export async function loadTrainedModels(options: TrainedModelsOptions = {}): Promise<TrainedModels> {
  const { checkpoints = CHECKPOINTS, referencePerClass = 200, training = variantSchema.parse({}) } = options;
  await useBackend();
  const weights: Parameters[] = [];
  const dispose = () => {
    for (const parameters of weights.splice(0)) {
      releaseCompiled(parameters);
      tf.dispose([...parameters.values()]);
    }
  };
  const load = <Config>(name: TrainedModelName, folder: string) => {
    const loaded = loadTrainedModel<Config>(name, folder);
    const parameters = compileModel(loaded.parameters);
    weights.push(parameters);
    return { ...loaded, parameters };
  };
  try {
    const { resolution } = training;
    const loaded = load<VaeConfig>('vae', checkpoints);
    const vae = autoencoder(loaded.parameters, loaded.config);
    const classifier = load('classifier', checkpoints).parameters;
    const folder = variantFolder(training, checkpoints);
    const model = (family: 'mar' | 'ar' | 'cdm') => {
      let made: ImageModel | undefined;
      return () => {
        if (made) return made;
        const { parameters, config, provenance } = load<never>(family, folder);
        requireMadeWith(
          `${folder}/${family}.safetensors`,
          provenance,
          `${checkpoints}/vae.safetensors`,
          vae.parameters,
        );
        made = makeImageModel(parameters, { family, config } as ModelSpec);
        return made;
      };
    };
    const [mar, ar, cdm] = [model('mar'), model('ar'), model('cdm')];
    const pixels = (data: Dataset) => {
      const plan = { indices: Int32Array.from(data.labels.keys()), flips: new Uint8Array(data.count) };
      return tf.tensor4d(batchPixels(data, plan), [data.count, data.size, data.size, 3]);
    };
    const heldOut = proceduralDataset({ split: 'reference', perClass: referencePerClass, size: resolution });
    const heldOutPixels = pixels(heldOut);
    const reference = makeReference(extractFeatures(classifier, heldOutPixels).features);
    heldOutPixels.dispose();
    const { latentScale } = vae.config;
    return {
      classes: heldOut.classNames,
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
      decode: vae.decode,
      reconstruct: (images) => {
        const means = inBatches(images, (part) => vae.encode(part).mean.mul(latentScale));
        const rebuilt = vae.decode(means);
        means.dispose();
        return rebuilt;
      },
      latents: (split, perClass) => {
        const data = proceduralDataset({ split, perClass, size: resolution });
        const images = pixels(data);
        const latents = inBatches(images, (part, start) => {
          const posterior = vae.encode(part);
          const noise = normalTensor<tf.Rank.R4>(foldIn(key(0), `posterior ${split} ${start}`), posterior.mean.shape);
          return samplePosterior(posterior, noise).mul(latentScale);
        });
        const values = latents.dataSync() as Float32Array;
        tf.dispose([images, latents]);
        return { values, labels: data.labels };
      },
      pixels,
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}
