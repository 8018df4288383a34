import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type { ImageModel } from '../models/image-model';
import { TRAINED_MODELS, trainingProfile } from '../recipes/profiles';
import { tokenModel } from '../recipes/train-model';
import type { Latents } from '../refinement/learn-ideal-law';
import { foldIn, key } from '../runtime/random';
import { trainStep } from '../training/compiled-step';
import { train } from '../training/loop';
import { tokenTask } from '../training/tasks';
import { checkpointFolder, type Provenance, readProvenance } from '../training/trained-model';

/** The provenance of the weights in a folder, where it is there. @throws FileFormatError for one that is damaged or of other weights. */
export function provenance(folder: string): Provenance[] {
  return TRAINED_MODELS.flatMap((name) => readProvenance(join(checkpointFolder(folder), `${name}.safetensors`)) ?? []);
}

/** One row per trained model. */
export function provenanceRows(all: readonly Provenance[]) {
  return all.map(({ model, parameters, steps, imagesSeen, seconds, seed, commit, backend, losses, measured }) => ({
    model,
    parameters,
    steps,
    imagesSeen,
    minutes: seconds / 60,
    seed,
    lastLoss: losses[losses.length - 1]?.loss ?? Number.NaN,
    measured: Object.entries(measured ?? {})
      .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
      .join(', '),
    backend,
    commit: commit.slice(0, 7) + (commit.endsWith('-dirty') ? '-dirty' : ''),
  }));
}

/** Window means of the training loss of some models. */
export function lossCurves(all: readonly Provenance[], models: readonly string[]) {
  return all
    .filter(({ model }) => models.includes(model))
    .map(({ model, losses }) => ({
      name: model,
      x: losses.map(({ step }) => step),
      y: losses.map(({ loss }) => loss),
    }));
}

/** Rows of `a` and `b` in turns, the first `5 x columns` images: a row of images, then the row of its counterparts. */
export function interleave(a: tf.Tensor4D, b: tf.Tensor4D, columns: number): tf.Tensor4D {
  const rows = Math.min(5, Math.floor(a.shape[0] / columns));
  return tf.tidy(() =>
    tf.concat(
      Array.from({ length: rows }, (_, row) =>
        [a, b].map((images) => images.slice([row * columns, 0, 0, 0], [columns, -1, -1, -1])),
      ).flat(),
    ),
  );
}

/** Labels of the rows of `interleave`. */
export function pairLabels(classes: readonly string[]): string[] {
  return classes.flatMap((name) => [name, 'rebuilt']);
}

/** Peak signal-to-noise ratio in dB of images in [-1, 1]; values beyond are clipped. */
export function psnr(images: tf.Tensor4D, rebuilt: tf.Tensor4D): number {
  const error = tf.tidy(() => rebuilt.clipByValue(-1, 1).sub(images).square().mean().dataSync()[0]);
  return 10 * Math.log10(4 / error);
}

/** A few training steps of a fresh MAR with the small profile's configuration. */
export interface ShortTraining {
  steps: number[];
  losses: number[];
  imagesPerSecond: number;
}

/** Trains a fresh MAR on some latents, for show; nothing is written. */
export async function shortTraining(
  latents: Latents,
  { side, channels }: ImageModel,
  { steps, batch, onStep }: { steps: number; batch: number; onStep?: (done: number, text: string) => void },
): Promise<ShortTraining> {
  const { values, labels } = latents;
  const still = new Float32Array(values.length);
  const set = {
    mean: [values, values] as [Float32Array, Float32Array],
    std: [still, still] as [Float32Array, Float32Array],
    labels,
    count: labels.length,
    side,
    channels,
    hash: 'shown in a notebook',
  };
  const source = foldIn(key(0), 'short training');
  const model = tokenModel('mar', trainingProfile('small'), 1 + Math.max(...labels));
  const points: { step: number; loss: number; speed: number }[] = [];
  const { parameters, ema } = await train(tokenTask(set, model, batch, source), {
    steps,
    schedule: { base: 1e-3, warmup: Math.ceil(steps / 5), shape: 'constant', total: steps, minimum: 0 },
    logEvery: Math.max(1, Math.floor(steps / 30)),
    makeStep: trainStep,
    onProgress: ({ step, loss, imagesPerSecond }) => {
      points.push({ step, loss, speed: imagesPerSecond });
      onStep?.(step, `loss ${loss.toFixed(3)}`);
    },
  });
  tf.dispose([...parameters.values(), ...ema.values()]);
  const speeds = points.map(({ speed }) => speed).sort((a, b) => a - b);
  return {
    steps: points.map(({ step }) => step),
    losses: points.map(({ loss }) => loss),
    imagesPerSecond: speeds[speeds.length >> 1],
  };
}
