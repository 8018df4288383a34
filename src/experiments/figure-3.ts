import * as tf from '@tensorflow/tfjs';
import { noiseIntensity, signalToNoise } from '../diffusion/signal-noise';
import type { ConditionHook } from '../models/conditions';
import { conditionRefinement, requireRefined } from '../refinement/condition-refinement';
import type { Refiner } from '../refinement/refiner';
import { foldIn, type Key, key } from '../runtime/random';
import type { IdealLaw } from './ideal-law';
import type { ImageModel } from './image-model';

/** Per denoising step, counted from noise to image: mean over images. */
export interface DenoisingCurves {
  /** SNR in dB of the decoded image at each step against the decoded final image; the last step has none. */
  signalToNoise: number[];
  /** Robust wavelet estimate of the noise's standard deviation, images in [-1, 1]. */
  noiseIntensity: number[];
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
  return {
    signalToNoise: images
      .slice(0, -1)
      .map((at) => mean(at.map((image, i) => signalToNoise(image.data, final[i].data)))),
    noiseIntensity: images.map((at) => mean(at.map(noiseIntensity))),
  };
}

/** The curves of one model under one seed, with and without refinement. */
export interface CurveRun {
  model: string;
  seed: number;
  baseline: DenoisingCurves;
  refined: DenoisingCurves;
}

export interface Figure3Request {
  images: number;
  seeds: readonly number[];
  classes: number;
  refiner: Refiner;
  onProgress?: (done: number, what: string) => void;
}

/** Curves of every model under every seed; baseline and refined share all draws. */
export async function runFigure3(
  models: readonly ImageModel[],
  laws: readonly IdealLaw[],
  decode: (latents: tf.Tensor4D) => tf.Tensor4D,
  { images, seeds, classes, refiner, onProgress }: Figure3Request,
): Promise<CurveRun[]> {
  const labels = Int32Array.from({ length: images }, (_, i) => i % classes);
  const runs: CurveRun[] = [];
  for (const [i, model] of models.entries()) {
    for (const seed of seeds) {
      const request = { labels, key: foldIn(key(seed), 'figure 3') };
      onProgress?.(2 * runs.length, `${model.name}, seed ${seed}, baseline`);
      const baseline = await denoisingCurves(model, decode, request);
      onProgress?.(2 * runs.length + 1, `${model.name}, seed ${seed}, refined`);
      const { hook, report } = conditionRefinement({ refiner, ideal: laws[i].ideal, fingerprint: model.fingerprint });
      const refined = await denoisingCurves(model, decode, { ...request, hook });
      requireRefined(report);
      runs.push({ model: model.name, seed, baseline, refined });
    }
  }
  return runs;
}
