import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { batchPixels, type Dataset } from '../data/dataset';
import {
  type CausalArConfig,
  type CausalArDraws,
  causalArLoss,
  drawCausalAr,
  initCausalAr,
} from '../models/ar/causal-ar';
import { startFromPositions } from '../models/blocks/position-embedding';
import { type CdmConfig, type CdmDraws, cdmLoss, drawCdm, initCdm } from '../models/cdm/cdm';
import { classify } from '../models/features/classifier';
import { fingerprint } from '../models/files/fingerprint';
import { drawMar, initMar, type MarConfig, type MarDraws, marLoss, tokenCount } from '../models/mar/mar';
import { decode, encode, type VaeConfig } from '../models/vae/vae';
import { backendInUse } from '../runtime/backend';
import { CerError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { foldIn, key } from '../runtime/random';
import { trainStep } from '../training/compiled-step';
import { type Progress, type TrainingTask, train } from '../training/loop';
import type { preparedStep } from '../training/prepared-step';
import { type Batch, eagerStep } from '../training/step';
import { classifierTask, type TokenModel, tokenTask, vaeTask } from '../training/tasks';
import {
  CHECKPOINTS,
  currentCommit,
  loadTrainedModel,
  lossCurve,
  type Provenance,
  readProvenance,
  requireMadeWith,
  saveTrainedModel,
  type TrainedModel,
} from '../training/trained-model';
import { latentsOf, type TrainingData } from './data';
import { fineTuneBudget, fineTunePlan } from './fine-tune';
import { classifierConfig, type TrainedModelName, type TrainingProfile } from './profiles';
import type { FineTune } from './variants';

/** Options for training one model, in addition to its profile. */
export interface TrainModelOptions {
  /** Folder for the finished weights; the training state goes to `training/<model>` inside it. Default `data/checkpoints`. */
  out?: string;
  /** Folder of the autoencoder that token models build on; default `out`. */
  vae?: string;
  /** Goes on training the token model of another folder; default: fresh weights. */
  fineTune?: { kind: Exclude<FineTune, 'none'>; from: string };
  /** Default 0. */
  seed?: number;
  /** Go on from the training state, where there is one. */
  resume?: boolean;
  /** Stop after this many steps instead of the profile's; the schedule keeps its length. */
  stopAt?: number;
  cache?: string;
  /** As typed, for the provenance. */
  command?: string;
  signal?: AbortSignal;
  onProgress?: (model: TrainedModelName, progress: Progress) => void;
  onText?: (text: string) => void;
}

/** A finished (or interrupted) training. */
export interface TrainedFile {
  model: TrainedModelName;
  /** The weights' file; undefined when the training was interrupted. */
  path?: string;
  finished: boolean;
  provenance: Provenance;
}

/**
 * Trains one model of a profile and writes its averaged weights with their provenance. Token models (`mar`, `ar`, `cdm`) need
 * the autoencoder first.
 */
export async function trainModel(
  model: TrainedModelName,
  profile: TrainingProfile,
  { splits }: TrainingData,
  options: TrainModelOptions = {},
): Promise<TrainedFile> {
  const { out = CHECKPOINTS, seed = 0, resume, signal, onProgress } = options;
  const budget = options.fineTune ? fineTuneBudget(profile.budgets[model]) : profile.budgets[model];
  const { steps, batch, rate, warmup, ...update } = budget;
  const data = splits.train;
  const commit = currentCommit(); // of the code that runs, whatever happens to the files meanwhile
  const source = foldIn(key(seed), model);
  const plan = await planOf(model, profile, data, source, batch, { ...options, vae: options.vae ?? out });
  const result = await train(plan.task, {
    ...update,
    steps: Math.min(steps, options.stopAt ?? steps),
    schedule: { base: rate, warmup, shape: 'cosine', total: steps, minimum: rate / 20 },
    out: `${out}/training/${model}`,
    resume,
    signal,
    onProgress: (progress) => onProgress?.(model, progress),
    makeStep: plan.makeStep ?? stepMaker(model),
  });
  plan.dispose?.();
  const { config, measured }: Finished = result.finished
    ? await plan.finish(result.ema, splits.reference)
    : { config: null };
  const kept =
    result.firstStep >= result.stepsDone ? sameProvenance(out, model, result.stepsDone, seed, data.hash) : undefined;
  const provenance: Provenance = kept ?? {
    model,
    command: options.command ?? `cer train --model ${model} --profile ${profile.name}`,
    seed,
    commit,
    date: new Date().toISOString().slice(0, 10),
    backend: `${backendInUse()?.name}, Node ${process.versions.node}`,
    profile: profile.name,
    data: { name: data.name, images: data.count, size: data.size, classes: data.classNames, hash: data.hash },
    madeWith: plan.madeWith,
    config,
    options: { ...budget, ...plan.options },
    parameters: [...result.ema.values()].reduce((sum, x) => sum + x.size, 0),
    steps: result.stepsDone,
    imagesSeen: result.stepsDone * batch,
    seconds: Math.round(result.seconds),
    losses: lossCurve(result.losses),
    measured,
  };
  const path = result.finished ? saveTrainedModel(out, result.ema, provenance) : undefined;
  tf.dispose([...result.parameters.values(), ...result.ema.values()]);
  return { model, path, finished: result.finished, provenance };
}

/** How the weights that lie there came to be, where they are of this very training: a resumed one that had ended keeps its history. */
function sameProvenance(out: string, model: string, steps: number, seed: number, hash: string): Provenance | undefined {
  const path = join(out, `${model}.safetensors`);
  try {
    const there = existsSync(path) ? readProvenance(path) : undefined;
    return there?.steps === steps && there.seed === seed && there.data.hash === hash ? there : undefined;
  } catch (error) {
    if (error instanceof CerError) return undefined; // damaged: written again
    throw error;
  }
}

/** How a model's updates run: compiled, but for convolutions, whose gradients TensorFlow computes faster where it is there. */
export function stepMaker(model: TrainedModelName): typeof trainStep {
  const convolutional = model === 'vae' || model === 'classifier';
  return convolutional && backendInUse()?.name === 'tensorflow' ? eagerStep : trainStep;
}

interface Finished {
  config: unknown;
  measured?: Record<string, number>;
}

interface Plan {
  task: TrainingTask;
  makeStep?: ReturnType<typeof preparedStep>;
  /** Frees what the training needed. */
  dispose?(): void;
  options?: Record<string, unknown>;
  madeWith?: Record<string, string>;
  /** The final configuration and what is measured on held-out images. */
  finish(ema: Parameters, heldOut: Dataset): Promise<Finished>;
}

async function planOf(
  model: TrainedModelName,
  profile: TrainingProfile,
  data: Dataset,
  source: ReturnType<typeof key>,
  batch: number,
  { vae: folder, fineTune, cache, signal, onText }: TrainModelOptions & { vae: string },
): Promise<Plan> {
  const classes = data.classNames.length;
  if (model === 'vae') {
    const { klWeight, vae } = profile;
    return {
      task: vaeTask(data, vae, batch, klWeight, source),
      options: { klWeight },
      finish: async (ema, heldOut) => {
        const { std, psnr } = measureVae(ema, vae, heldOut);
        return { config: { ...vae, latentScale: 1 / std }, measured: { psnr, latentStd: std } };
      },
    };
  }
  if (model === 'classifier') {
    const config = classifierConfig(profile, classes);
    return {
      task: classifierTask(data, config, batch, source),
      finish: async (ema, heldOut) => ({ config, measured: { accuracy: accuracyOf(ema, heldOut) } }),
    };
  }
  const { latents, madeWith, start } = await withTrainedVae(folder, async (vae) => {
    const start = fineTune && loadTrainedModel(model, fineTune.from);
    if (start) {
      const [weights, own] = [`${fineTune.from}/${model}.safetensors`, `${folder}/vae.safetensors`];
      requireMadeWith(weights, start.provenance, own, vae.parameters);
    }
    const latents = await latentsOf(data, vae.parameters, vae.config, { cache, signal, onProgress: onText });
    return { latents, start, madeWith: { vae: fingerprint(vae.parameters) } };
  });
  if (fineTune && start) {
    const plan = fineTunePlan(model, start.config, fineTune.kind, latents, start.parameters, { batch, key: source });
    return {
      ...plan,
      dispose() {
        plan.dispose();
        tf.dispose([...start.parameters.values()]);
      },
      madeWith: { start: fingerprint(start.parameters), ...madeWith },
      finish: async () => ({ config: start.config }),
    };
  }
  const task = tokenTask(latents, tokenModel(model, profile, classes), batch, source);
  return { task, madeWith, finish: async () => ({ config: profile[model](classes) }) };
}

/** Loads the autoencoder for `use` and disposes of it. */
async function withTrainedVae<T>(folder: string, use: (vae: TrainedModel<VaeConfig>) => Promise<T>): Promise<T> {
  const vae = loadTrainedModel<VaeConfig>('vae', folder);
  try {
    return await use(vae);
  } finally {
    tf.dispose([...vae.parameters.values()]);
  }
}

/** The three token models as training sees them. */
export function tokenModel(name: 'mar' | 'ar' | 'cdm', profile: TrainingProfile, classes: number): TokenModel {
  // A batch holds latents, labels and the model's draws under their names.
  const given = <Draws>(batch: Batch) => batch as unknown as Draws & { latents: tf.Tensor4D; labels: tf.Tensor1D };
  if (name === 'mar') {
    const config = profile.mar(classes);
    return {
      name,
      config,
      initial: (source) => startFromPositions(initMar(config, source), sideOf(config)),
      loss: (parameters, batch) => {
        const all = given<MarDraws>(batch);
        return marLoss(parameters, config, all, all);
      },
      draw: (count, source) => tensorsOf(drawMar(config, count, source)),
    };
  }
  if (name === 'ar') {
    const config = profile.ar(classes);
    return {
      name,
      config,
      initial: (source) => startFromPositions(initCausalAr(config, source), sideOf(config)),
      loss: (parameters, batch) => {
        const all = given<CausalArDraws>(batch);
        return causalArLoss(parameters, config, all, all);
      },
      draw: (count, source) => tensorsOf(drawCausalAr(config, count, source)),
    };
  }
  const config = profile.cdm(classes);
  return {
    name,
    config,
    initial: (source) => startFromPositions(initCdm(config, source), sideOf(config)),
    loss: (parameters, batch) => {
      const all = given<CdmDraws>(batch);
      return cdmLoss(parameters, config, all, all);
    },
    draw: (count, source) => tensorsOf(drawCdm(config, count, source)),
  };
}

const sideOf = (config: MarConfig | CausalArConfig | CdmConfig) => Math.sqrt(tokenCount(config));

/** The tensors among a model's draws (dropout is undefined where its rates are 0). */
function tensorsOf(draws: object): Batch {
  return Object.fromEntries(Object.entries(draws).filter(([, x]) => x instanceof tf.Tensor)) as Batch;
}

/** Peak signal-to-noise ratio in dB of reconstructions from posterior means, and the standard deviation of latents. */
export function measureVae(parameters: Parameters, config: VaeConfig, images: Dataset): { psnr: number; std: number } {
  let squared = 0;
  let sum = 0;
  let squares = 0;
  let latents = 0;
  for (let from = 0; from < images.count; from += 100) {
    const count = Math.min(100, images.count - from);
    const indices = Int32Array.from({ length: count }, (_, i) => from + i);
    const pixels = batchPixels(images, { indices, flips: new Uint8Array(count) });
    const [error, mean, power, variance] = tf.tidy(() => {
      const given = tf.tensor4d(pixels, [count, images.size, images.size, 3]);
      const posterior = encode(parameters, config, given);
      const rebuilt = decode(parameters, config, posterior.mean).clipByValue(-1, 1);
      latents += posterior.mean.size;
      return [
        rebuilt.sub(given).square().sum().dataSync()[0],
        posterior.mean.sum().dataSync()[0],
        posterior.mean.square().sum().dataSync()[0],
        posterior.logVariance.exp().sum().dataSync()[0],
      ];
    });
    squared += error;
    sum += mean;
    squares += power + variance;
  }
  const mse = squared / (images.count * images.size ** 2 * 3);
  // pixels span 2, from -1 to 1
  return { psnr: 10 * Math.log10(4 / mse), std: Math.sqrt(squares / latents - (sum / latents) ** 2) };
}

/** Share of images that a classifier gets right. */
export function accuracyOf(parameters: Parameters, images: Dataset): number {
  let right = 0;
  for (let from = 0; from < images.count; from += 100) {
    const count = Math.min(100, images.count - from);
    const indices = Int32Array.from({ length: count }, (_, i) => from + i);
    const pixels = batchPixels(images, { indices, flips: new Uint8Array(count) });
    const chosen = tf.tidy(() =>
      classify(parameters, tf.tensor4d(pixels, [count, images.size, images.size, 3]))
        .logits.argMax(1)
        .dataSync(),
    );
    for (let i = 0; i < count; i++) if (chosen[i] === images.labels[from + i]) right++;
  }
  return right / images.count;
}
