import * as tf from '@tensorflow/tfjs';
import { noiseIntensity, signalToNoise } from '../diffusion/signal-noise';
import { type Estimate, estimate } from '../metrics/confidence';
import { type Verdict, verdictOf } from '../metrics/verdict';
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
  createHook(model: ImageModel): ReturnType<typeof conditionRefinement>;
  training?: number;
  onProgress?: (done: number, what: string) => void;
}

/** Curves of every model under every seed; baseline and refined share all draws. */
export async function runFigure3(
  models: readonly ImageModel[],
  decode: (latents: tf.Tensor4D) => tf.Tensor4D,
  { images, seeds, classes, createHook, training, onProgress }: Figure3Request,
): Promise<CurveRun[]> {
  const labels = Int32Array.from({ length: images }, (_, i) => i % classes);
  const runs: CurveRun[] = [];
  for (const model of models) {
    for (const seed of seeds) {
      const request = { labels, key: foldIn(key(seed), 'figure 3') };
      onProgress?.(2 * runs.length, `${model.name}, seed ${seed}, baseline`);
      const baseline = await denoisingCurves(model, decode, request);
      onProgress?.(2 * runs.length + 1, `${model.name}, seed ${seed}, refined`);
      const { hook, report } = createHook(model);
      const refined = await denoisingCurves(model, decode, { ...request, hook });
      requireRefined(report);
      runs.push({ model: model.name, seed, training, baseline, refined });
    }
  }
  return runs;
}

type Quantity = 'signalToNoise' | 'noiseIntensity' | 'latentSignalToNoise' | 'residual';

/** A curve with its error, as `plots/curves` takes it. */
export interface Band {
  name: string;
  x: number[];
  y: number[];
  error: number[];
}

/**
 * The runs that count as independent: with several trainings one per training, its curves the mean over sampling seeds; else the runs.
 */
export function independentRuns(runs: readonly CurveRun[]): CurveRun[] {
  const trainings = [...new Set(runs.map(({ training }) => training))];
  if (trainings.length < 2) return [...runs];
  return modelsOf(runs).flatMap((model) =>
    trainings.map((training) => {
      const own = runs.filter((run) => run.model === model && run.training === training);
      const side = (which: 'baseline' | 'refined') => meanCurves(own.map((run) => run[which]));
      return { model, training, seed: training as number, baseline: side('baseline'), refined: side('refined') };
    }),
  );
}

function meanCurves(all: readonly DenoisingCurves[]): DenoisingCurves {
  const over = (of: (curves: DenoisingCurves) => number[] | undefined) =>
    of(all[0])?.map((_, step) => mean(all.map((curves) => of(curves)?.[step] as number)));
  return {
    signalToNoise: over((curves) => curves.signalToNoise) ?? [],
    noiseIntensity: over((curves) => curves.noiseIntensity) ?? [],
    latentSignalToNoise: over((curves) => curves.latentSignalToNoise),
    residual: over((curves) => curves.residual),
    ...(all[0].signal === undefined ? {} : { signal: mean(all.map(({ signal }) => signal as number)) }),
  };
}

const modelsOf = (runs: readonly CurveRun[]) => [...new Set(runs.map(({ model }) => model))];

/** Baseline and refined curve of each model: mean and standard error over seeds. Steps count from 1. */
export function bands(runs: readonly CurveRun[], quantity: Quantity): Band[] {
  return modelsOf(runs).flatMap((model) => {
    const own = runs.filter((run) => run.model === model);
    return (['baseline', 'refined'] as const).map((side) =>
      band(
        `${model}, ${side}`,
        own.map((run) => run[side][quantity] ?? []),
        ({ standardError }) => standardError,
      ),
    );
  });
}

/** Refined minus baseline of each model: mean and half the 95 % interval over seeds. */
export function differences(runs: readonly CurveRun[], quantity: Quantity): Band[] {
  return modelsOf(runs).map((model) => {
    const curves = runs.filter((run) => run.model === model).map((run) => subtract(run, quantity));
    return band(`${model}, refined − baseline`, curves, ({ mean, high }) => high - mean);
  });
}

function subtract(run: CurveRun, quantity: Quantity): number[] {
  const baseline = run.baseline[quantity] ?? [];
  return (run.refined[quantity] ?? []).map((value, step) => value - baseline[step]);
}

function band(name: string, curves: number[][], error: (point: Estimate) => number): Band {
  const points = curves[0].map((_, step) => estimate(curves.map((curve) => curve[step])));
  return { name, x: points.map((_, step) => step + 1), y: points.map(({ mean }) => mean), error: points.map(error) };
}

/** The paper's claim in numbers: the mean difference over the last fifth of the steps. */
export interface LateDifference {
  model: string;
  quantity: 'SNR / dB' | 'noise intensity';
  baseline: number;
  refined: number;
  difference: number;
  low: number;
  high: number;
  seeds: number;
  verdict: Verdict;
}

/** One row per model and quantity. The paper expects the SNR to rise and the noise to fall. */
export function lateSteps(runs: readonly CurveRun[]): LateDifference[] {
  return modelsOf(runs).flatMap((model) =>
    (['signalToNoise', 'noiseIntensity'] as const).map((quantity) => {
      const own = runs.filter((run) => run.model === model);
      const late = (curve: number[]) => mean(curve.slice(Math.floor(curve.length * 0.8)));
      const baseline = mean(own.map((run) => late(run.baseline[quantity])));
      const { mean: difference, low, high, count } = estimate(own.map((run) => late(subtract(run, quantity))));
      return {
        model,
        quantity: quantity === 'signalToNoise' ? ('SNR / dB' as const) : ('noise intensity' as const),
        baseline,
        refined: baseline + difference,
        difference,
        low,
        high,
        seeds: count,
        verdict: verdictOf({ low, high }, quantity === 'signalToNoise' ? 'higher' : 'lower'),
      };
    }),
  );
}

/** Other definitions at the late steps, as refined minus baseline: where the difference of the SNR comes from, and the SNR of latents. */
export function otherDefinitions(runs: readonly CurveRun[]) {
  const late = (curve: number[]) => mean(curve.slice(Math.floor(curve.length * 0.8)));
  return modelsOf(runs).flatMap((model) => {
    const own = runs.filter((run) => run.model === model && run.baseline.signal !== undefined);
    if (own.length < 2) return [];
    const row = (quantity: string, of: (run: CurveRun) => number) => {
      const { mean: difference, low, high } = estimate(own.map(of));
      return { model, quantity, difference, low, high };
    };
    return [
      row('level of the final image / dB', ({ baseline, refined }) => (refined.signal ?? 0) - (baseline.signal ?? 0)),
      row('level of what is missing, late / dB', (run) => late(subtract(run, 'residual'))),
      row('SNR of latents, late / dB', (run) => late(subtract(run, 'latentSignalToNoise'))),
      row('SNR, early / dB', (run) => mean(subtract(run, 'signalToNoise').slice(0, 5))),
      row('noise intensity, final image', (run) => subtract(run, 'noiseIntensity').slice(-1)[0]),
    ];
  });
}

/** Every point of every curve as a row. */
export function curveRows(runs: readonly CurveRun[]) {
  return runs.flatMap(({ model, seed, training, ...sides }) =>
    (['baseline', 'refined'] as const).flatMap((side) =>
      sides[side].noiseIntensity.map((noiseIntensity, step) => ({
        model,
        ...(training === undefined ? {} : { training }),
        seed,
        side,
        step: step + 1,
        signalToNoise: sides[side].signalToNoise[step] ?? null,
        noiseIntensity,
      })),
    ),
  );
}

/** Rows for the summary of all claims. */
export function summaryRows(late: readonly LateDifference[]) {
  return late.map(({ model, quantity, difference, low, high, seeds, verdict }) => ({
    claim: `Figure 3: ${quantity === 'SNR / dB' ? 'higher SNR' : 'less noise'} at the late steps, ${model}`,
    ours: `${difference.toPrecision(3)} [${low.toPrecision(3)}, ${high.toPrecision(3)}]${quantity === 'SNR / dB' ? ' dB' : ''}`,
    error: `95 % interval, ${seeds} independent runs`,
    paper: quantity === 'SNR / dB' ? 'higher with refinement' : 'lower with refinement',
    verdict,
    note: 'definitions of SNR and noise intensity are ours',
  }));
}

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length;
