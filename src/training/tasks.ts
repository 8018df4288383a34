import * as tf from '@tensorflow/tfjs';
import { batchPixels, batchPlanner, type Dataset } from '../data/dataset';
import { normalTensor } from '../diffusion/noise';
import { type ClassifierConfig, classifierLoss, initClassifier } from '../models/features/classifier';
import { initVae, type VaeConfig, vaeLoss } from '../models/vae/vae';
import type { Parameters } from '../runtime/parameters';
import { foldIn, type Key } from '../runtime/random';
import type { TrainingTask } from './loop';
import { sampleShards, tokenShards } from './shards';
import type { Batch, Loss } from './step';

/** Autoencoder on images: squared error plus `klWeight` times the divergence per image value. */
export function vaeTask(data: Dataset, config: VaeConfig, batchSize: number, klWeight: number, key: Key): TrainingTask {
  const plan = batchPlanner(foldIn(key, 'batches'), data.count, batchSize);
  const side = config.resolution / 2 ** (config.multipliers.length - 1);
  return {
    name: 'vae',
    identity: { config, klWeight, data: data.hash, key },
    initial: () => initVae(config, foldIn(key, 'weights')),
    loss: (parameters, { images, noise }) =>
      vaeLoss(parameters, config, images as tf.Tensor4D, noise as tf.Tensor4D, klWeight),
    batch: (step) => ({
      images: tf.tensor4d(batchPixels(data, plan(step)), [batchSize, data.size, data.size, 3]),
      noise: normalTensor(foldIn(foldIn(key, 'noise'), step), [batchSize, side, side, config.latentChannels]),
    }),
    shards: sampleShards,
    batchSize,
  };
}

/** Classifier on images with a little noise (so that features do not hang on single pixels) and smoothed labels. */
export function classifierTask(data: Dataset, config: ClassifierConfig, batchSize: number, key: Key): TrainingTask {
  const plan = batchPlanner(foldIn(key, 'batches'), data.count, batchSize);
  const shape: [number, number, number, number] = [batchSize, data.size, data.size, 3];
  return {
    name: 'classifier',
    identity: { config, data: data.hash, key },
    initial: () => initClassifier(config, foldIn(key, 'weights')),
    loss: (parameters, { images, targets }) =>
      classifierLoss(parameters, images as tf.Tensor4D, targets as tf.Tensor2D),
    batch: (step) =>
      tf.tidy(() => {
        const { indices, flips } = plan(step);
        const noise = normalTensor(foldIn(foldIn(key, 'noise'), step), shape).mul(PIXEL_NOISE);
        const targets = new Float32Array(batchSize * config.classes).fill(SMOOTHING / config.classes);
        indices.forEach((image, i) => {
          targets[i * config.classes + data.labels[image]] += 1 - SMOOTHING;
        });
        return {
          images: tf.tensor4d(batchPixels(data, { indices, flips }), shape).add(noise),
          targets: tf.tensor2d(targets, [batchSize, config.classes]),
        };
      }),
    shards: sampleShards,
    batchSize,
  };
}

const PIXEL_NOISE = 0.05;
const SMOOTHING = 0.05;

/** Scaled latents of a data set as posteriors, plain and mirrored, all `[count, side, side, channels]` flat. */
export interface LatentSet {
  /** `[plain, mirrored]` */
  mean: [Float32Array, Float32Array];
  std: [Float32Array, Float32Array];
  labels: Int32Array;
  count: number;
  side: number;
  channels: number;
  /** Of the images and of the encoder. */
  hash: string;
}

/** A token model (MAR, causal AR, CDM) as its training sees it. */
export interface TokenModel {
  name: string;
  config: unknown;
  initial(key: Key): Parameters;
  /** Latents `[batch, side, side, channels]` and labels `[batch]` are in the batch under these names, draws beside them. */
  loss: Loss;
  /** All random draws of a step except the latents' own noise. */
  draw(batch: number, key: Key): Batch;
}

/** A token model on latents, which are drawn anew from their posteriors each time, as the reference does. */
export function tokenTask(latents: LatentSet, model: TokenModel, batchSize: number, key: Key): TrainingTask {
  const plan = batchPlanner(foldIn(key, 'batches'), latents.count, batchSize);
  const { side, channels } = latents;
  const size = side * side * channels;
  return {
    name: model.name,
    identity: { config: model.config, data: latents.hash, key },
    initial: () => model.initial(foldIn(key, 'weights')),
    loss: model.loss,
    batch: (step) => {
      const { indices, flips } = plan(step);
      const own = foldIn(foldIn(key, 'draws'), step);
      const noise = normalTensor(foldIn(own, 'posterior'), [batchSize * size]);
      const values = noise.dataSync() as Float32Array;
      noise.dispose();
      const sample = new Float32Array(batchSize * size);
      indices.forEach((image, i) => {
        const [mean, std] = [latents.mean[flips[i]], latents.std[flips[i]]];
        for (let j = 0, at = image * size, to = i * size; j < size; j++, at++, to++) {
          sample[to] = mean[at] + std[at] * values[to];
        }
      });
      return {
        ...model.draw(batchSize, foldIn(own, 'model')),
        latents: tf.tensor4d(sample, [batchSize, side, side, channels]),
        labels: tf.tensor1d(
          Int32Array.from(indices, (image) => latents.labels[image]),
          'int32',
        ),
      };
    },
    shards: tokenShards((model.config as { noisesPerToken?: number }).noisesPerToken),
    batchSize,
  };
}
