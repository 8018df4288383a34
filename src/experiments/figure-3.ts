import * as tf from '@tensorflow/tfjs';
import { noiseIntensity, signalToNoise } from '../diffusion/signal-noise';
import { estimate } from '../metrics/confidence';
import type { ConditionHook } from '../models/conditions';
import type { Key } from '../runtime/random';
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

/** Mean and standard error over seeds of a curve, point by point. */
export function curveWithError(curves: readonly number[][]): { mean: number[]; error: number[] } {
  const points = curves[0].map((_, at) => estimate(curves.map((curve) => curve[at])));
  return { mean: points.map((point) => point.mean), error: points.map((point) => point.standardError) };
}
