import * as tf from '@tensorflow/tfjs';
import { noiseIntensity, signalToNoise } from '../diffusion/signal-noise';
import type { ConditionHook } from '../models/conditions';
import type { ImageModel } from '../models/image-model';
import { type conditionRefinement, requireRefined } from '../refinement/condition-refinement';
import { foldIn, type Key, key } from '../runtime/random';

/** Per denoising step, counted from noise to image: mean over images. */
export interface DenoisingCurves {
  /** SNR in dB of the decoded image at each step against the decoded final image; the last step has none. */
  signalToNoise: number[];
  /** Robust wavelet estimate of the noise's standard deviation, images in [-1, 1]. */
  noiseIntensity: number[];
  /** The SNR in dB of latents instead of images: no decoder in between. */
  latentSignalToNoise?: number[];
  /** The two parts of the SNR, SNR = signal - residual: level of the final image, and of what is still missing at each step, in dB. */
  signal?: number;
  residual?: number[];
}

export interface CurvesRequest {
  labels: Int32Array;
  key: Key;
  guidance?: number;
  hook?: ConditionHook;
}

/**
 * Figure 3 for one model: all tokens of an image are taken at the same diffusion step t, whatever AR step made them, and
 * decoded together to I_t. Leaves no tensor.
 */
export async function denoisingCurves(
  model: ImageModel,
  decode: (latents: tf.Tensor4D) => tf.Tensor4D,
  request: CurvesRequest,
): Promise<DenoisingCurves> {
  const { tokens, channels, denoisingSteps } = model;
  const count = request.labels.length;
  const states = Array.from({ length: denoisingSteps }, () => new Float32Array(count * tokens * channels));
  const latents = await model.generate({
    ...request,
    onDenoise: ({ diffusionStep, tokens: rows, noised }) => {
      const values = noised.dataSync();
      const state = states[denoisingSteps - 1 - diffusionStep];
      rows.forEach((row, i) => {
        state.set(values.subarray(i * channels, (i + 1) * channels) as Float32Array, row * channels);
      });
    },
  });
  latents.dispose();
  const images = await Promise.all(
    states.map(async (state) => {
      const decoded = tf.tidy(() => decode(model.toLatents(tf.tensor3d(state, [count, tokens, channels]))));
      const [, height, width, depth] = decoded.shape;
      const data = (await decoded.data()) as Float32Array;
      decoded.dispose();
      const size = height * width * depth;
      return Array.from({ length: count }, (_, i) => ({
        data: data.subarray(i * size, (i + 1) * size),
        height,
        width,
        channels: depth,
      }));
    }),
  );
  const final = images[images.length - 1];
  const mean = (values: number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
  const signal = mean(final.map(({ data }) => 10 * Math.log10(meanSquare(data))));
  const overImages = (at: typeof final) => mean(at.map((image, i) => signalToNoise(image.data, final[i].data)));
  const curve = images.slice(0, -1).map(overImages);
  const latent = (state: Float32Array, i: number) => state.subarray(i * tokens * channels, (i + 1) * tokens * channels);
  const last = states[states.length - 1];
  return {
    signalToNoise: curve,
    noiseIntensity: images.map((at) => mean(at.map(noiseIntensity))),
    latentSignalToNoise: states
      .slice(0, -1)
      .map((state) => mean(final.map((_, i) => signalToNoise(latent(state, i), latent(last, i))))),
    signal,
    residual: curve.map((value) => signal - value),
  };
}

function meanSquare(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum / values.length;
}

/** The curves of one model under one seed, with and without refinement. */
export interface CurveRun {
  model: string;
  seed: number;
  /** Seed of training. */
  training?: number;
  baseline: DenoisingCurves;
  refined: DenoisingCurves;
}

export interface Figure3Request {
  images: number;
  seeds: readonly number[];
  classes: number;
  /** A fresh hook and report for one generation of a model. */
  plug(model: ImageModel): ReturnType<typeof conditionRefinement>;
  training?: number;
  onProgress?: (done: number, what: string) => void;
}

/** Curves of every model under every seed; baseline and refined share all draws. */
export async function runFigure3(
  models: readonly ImageModel[],
  decode: (latents: tf.Tensor4D) => tf.Tensor4D,
  { images, seeds, classes, plug, training, onProgress }: Figure3Request,
): Promise<CurveRun[]> {
  const labels = Int32Array.from({ length: images }, (_, i) => i % classes);
  const runs: CurveRun[] = [];
  for (const model of models) {
    for (const seed of seeds) {
      const request = { labels, key: foldIn(key(seed), 'figure 3') };
      onProgress?.(2 * runs.length, `${model.name}, seed ${seed}, baseline`);
      const baseline = await denoisingCurves(model, decode, request);
      onProgress?.(2 * runs.length + 1, `${model.name}, seed ${seed}, refined`);
      const { hook, report } = plug(model);
      const refined = await denoisingCurves(model, decode, { ...request, hook });
      requireRefined(report);
      runs.push({ model: model.name, seed, training, baseline, refined });
    }
  }
  return runs;
}
