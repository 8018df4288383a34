import * as tf from '@tensorflow/tfjs';
import { batchPixels, type Dataset, splitDataset } from '../data/dataset';
import { loadImageFolder, type SkippedFile } from '../data/image-folder';
import { cachedArrays } from '../data/latent-cache';
import type { Split } from '../data/procedural';
import { proceduralFolder } from '../data/procedural-folder';
import { compileModel, releaseCompiled, runPart } from '../models/compiled/compile-model';
import { fingerprint } from '../models/files/fingerprint';
import { encode, type VaeConfig } from '../models/vae/vae';
import { Interrupted, pauseUnlessAborted } from '../runtime/interrupt';
import type { Parameters } from '../runtime/parameters';
import { key } from '../runtime/random';
import type { LatentSet } from '../training/tasks';
import type { TrainingProfile } from './profiles';

export interface DataOptions {
  /** `procedural` or a folder of class folders. */
  data: string;
  strict?: boolean;
  convert?: boolean;
  /** Where rendered images and latents are kept. Default `.cache`. */
  cache?: string;
  /** Stops with `Interrupted`; nothing half-made is kept. */
  signal?: AbortSignal;
  onProgress?: (text: string) => void;
}

/** Images of the three splits; a folder of images is split 8 : 1 : 1 by a fixed key. */
export interface TrainingData {
  splits: Record<Split, Dataset>;
  skipped: SkippedFile[];
}

/** Reads the images of a profile. @throws InvalidInputError when there are none, or too few to hold any out. */
export async function loadTrainingData(profile: TrainingProfile, options: DataOptions): Promise<TrainingData> {
  const { data, onProgress, cache = '.cache', signal } = options;
  const report = (text: string, done: number, total: number, every: number) => {
    if (signal?.aborted) throw new Interrupted();
    if (done % every === 0 || done === total) onProgress?.(`${text}: ${done} of ${total} images`);
  };
  const read = (folder: string, strict = options.strict) =>
    loadImageFolder(folder, {
      ...options,
      strict,
      size: profile.size,
      onProgress: (done, total) => report(`reading ${folder}`, done, total, 500),
    });
  if (data !== 'procedural') {
    const { dataset, skipped } = await read(data);
    return { splits: splitDataset(dataset, key(0), { train: 8, reference: 1, control: 1 }), skipped };
  }
  const load = async (split: Split, perClass: number) => {
    const folder = await proceduralFolder({
      split,
      perClass,
      size: profile.size,
      cache,
      onProgress: (done, total) => report(`drawing ${split}`, done, total, 1000),
    });
    return { ...(await read(folder, true)).dataset, name: `procedural/${split}` };
  };
  const { train, heldOut } = profile.perClass;
  const splits = {
    train: await load('train', train),
    reference: await load('reference', heldOut),
    control: await load('control', heldOut),
  };
  return { splits, skipped: [] };
}

const BATCH = 100;

/** Posterior means and deviations of a data set's scaled latents, plain and mirrored, from the cache when they are there. */
export async function latentsOf(
  data: Dataset,
  parameters: Parameters,
  config: VaeConfig,
  { cache = '.cache', signal, onProgress }: Pick<DataOptions, 'cache' | 'signal' | 'onProgress'> = {},
): Promise<LatentSet> {
  const hash = `${data.hash}:${fingerprint(parameters)}:${config.latentScale}`;
  const side = data.size / 2 ** (config.multipliers.length - 1);
  const channels = config.latentChannels;
  const arrays = await cachedArrays(cache, 'latents', { hash, config }, async () => {
    const compiled = compileModel(parameters);
    const shape = [data.count, side, side, channels];
    const made = new Map(
      PARTS.map((name) => [name, { shape, data: new Float32Array(data.count * side * side * channels) }]),
    );
    try {
      for (let from = 0; from < data.count; from += BATCH) {
        await pauseUnlessAborted(signal);
        const count = Math.min(BATCH, data.count - from);
        const indices = Int32Array.from({ length: count }, (_, i) => from + i);
        for (const flip of [0, 1]) {
          const pixels = batchPixels(data, { indices, flips: new Uint8Array(count).fill(flip) });
          const { mean, std } = tf.tidy(() => {
            const inputs = { images: tf.tensor4d(pixels, [count, data.size, data.size, 3]) };
            return runPart(compiled, 'encode scaled', inputs, ({ images }, weights) => {
              const posterior = encode(weights, config, images);
              const deviation = posterior.logVariance.mul(0.5).exp();
              return { mean: posterior.mean.mul(config.latentScale), std: deviation.mul(config.latentScale) };
            });
          });
          const at = from * side * side * channels;
          made.get(PARTS[2 * flip])!.data.set((await mean.data()) as Float32Array, at);
          made.get(PARTS[2 * flip + 1])!.data.set((await std.data()) as Float32Array, at);
          tf.dispose([mean, std]);
        }
        if (from % 1000 === 0) onProgress?.(`encoding ${data.name}: ${from} of ${data.count} images`);
      }
    } finally {
      releaseCompiled(compiled);
    }
    return made;
  });
  const [mean, std, mirroredMean, mirroredStd] = PARTS.map((name) => arrays.get(name)!.data);
  return {
    mean: [mean, mirroredMean],
    std: [std, mirroredStd],
    labels: data.labels,
    count: data.count,
    side,
    channels,
    hash,
  };
}

const PARTS = ['mean', 'std', 'mirrored.mean', 'mirrored.std'];
