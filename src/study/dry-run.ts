import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../compile';
import { PROCEDURAL_CLASSES, proceduralDataset } from '../data/procedural';
import { normalTensor } from '../diffusion/noise';
import type { FeatureExtractor } from '../evaluation/feature-extractor';
import { decodingOperations, type GenerationCost, generationOperations } from '../models/operations';
import { countParameters, type ModelSpec } from '../models/presets';
import type { VaeConfig } from '../models/vae/vae';
import { classifierConfig, type TrainedModelName, type TrainingProfile } from '../recipes/profiles';
import { missingModels, TRAININGS } from '../recipes/run-trainings';
import { stepMaker, tokenModel } from '../recipes/train-model';
import { variantFolder } from '../recipes/variants';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, key } from '../runtime/random';
import { estimateSweep } from '../sweep/estimate';
import { RowStore } from '../sweep/store';
import type { TrainingTask } from '../training/loop';
import { classifierTask, type LatentSet, tokenTask, vaeTask } from '../training/tasks';
import type { StudyOptions } from './run-study';
import { planTable, STUDY_SIZES, TABLES } from './study';

/** How long something will take and how much memory, and what that is derived from. Never better than a factor of two. */
export interface Forecast {
  seconds: number;
  /** Resident memory of the process in MiB. */
  megabytes: number;
  basis: string;
}

const megabytesNow = () => Math.ceil(process.memoryUsage.rss() / 2 ** 20);

/**
 * Trains one model for about a second on made-up data of the right shapes and says what the profile's steps would take here.
 * Needs a backend.
 */
export async function estimateTraining(
  model: TrainedModelName,
  profile: TrainingProfile,
  { classes, images, steps }: { classes: number; images: number; steps: number },
): Promise<Forecast> {
  const task = trialTask(model, profile, classes);
  const initial = task.initial();
  const begin = performance.now();
  const update = stepMaker(model)(task.loss, initial, {});
  tf.dispose([...initial.values()]);
  const step = async (index: number) => {
    const batch = task.batch(index);
    await update.update(batch, 1e-6);
    tf.dispose(Object.values(batch));
  };
  await step(0);
  const ready = performance.now();
  let done = 0;
  while (done < 2 || performance.now() - ready < 1000) await step(++done);
  const each = (performance.now() - ready) / 1000 / done;
  const megabytes = megabytesNow() + Math.ceil((images * profile.size ** 2 * 3) / 2 ** 20);
  update.dispose();
  return {
    seconds: (ready - begin) / 1000 + each * steps,
    megabytes,
    basis: `${done} steps tried here: ${each.toPrecision(2)} s a step`,
  };
}

/** The model's training on a handful of images, its latents standard normal. */
function trialTask(model: TrainedModelName, profile: TrainingProfile, classes: number): TrainingTask {
  const { batch } = profile.budgets[model];
  const source = foldIn(key(0), 'dry run');
  if (model === 'vae' || model === 'classifier') {
    const perClass = Math.ceil(batch / PROCEDURAL_CLASSES.length);
    const data = proceduralDataset({ split: 'train', perClass, size: profile.size });
    if (model === 'vae') return vaeTask(data, profile.vae, batch, profile.klWeight, source);
    return classifierTask(data, classifierConfig(profile, PROCEDURAL_CLASSES.length), batch, source);
  }
  const side = profile.size / 2 ** (profile.vae.multipliers.length - 1);
  const channels = profile.vae.latentChannels;
  const zeros = new Float32Array(batch * side * side * channels);
  const ones = zeros.map(() => 1);
  const latents: LatentSet = {
    mean: [zeros, zeros],
    std: [ones, ones],
    labels: new Int32Array(batch),
    count: batch,
    side,
    channels,
    hash: 'dry run',
  };
  return tokenTask(latents, tokenModel(model, profile, classes), batch, source);
}

/** What generating (and, with an autoencoder, decoding) samples would take, from counted operations and a rate measured here. */
export function estimateSampling(
  spec: ModelSpec,
  vae: VaeConfig | undefined,
  cost: GenerationCost & { count: number; batch: number },
): Forecast {
  const operations = generationOperations(spec, cost) + (vae ? decodingOperations(vae) : 0);
  const width = widthOf(spec);
  const rows = Math.min(256, Math.min(cost.batch, cost.count) * (cost.guided ? 2 : 1) * 4);
  const rate = productRate(rows, width);
  // Weights as tensors and once more inside the compiled graphs.
  const weights = countParameters(spec) + (vae ? countParameters({ family: 'vae', config: vae }) : 0);
  return {
    seconds: (cost.count * operations) / rate,
    megabytes: megabytesNow() + Math.ceil((2 * 4 * weights) / 2 ** 20),
    basis: `${(operations / 1e9).toPrecision(2)} GFLOP an image; products of ${rows} rows of ${width} run at ${(rate / 1e9).toPrecision(2)} GFLOP/s here`,
  };
}

function widthOf({ family, config }: ModelSpec): number {
  return family === 'mar' || family === 'ar' ? config.headWidth : config.width;
}

/** Floating-point operations a second in compiled products of `[rows, width]` with `[width, width]`, measured in about half a second. */
function productRate(rows: number, width: number): number {
  const layers = 6;
  const weights = new Map(
    Array.from({ length: layers }, (_, i) => [
      `w${i}`,
      tf.tidy(() => normalTensor(foldIn(key(0), i), [width, width]).div(Math.sqrt(width))),
    ]),
  );
  const chain = compile(
    ({ x }: { x: tf.Tensor }, parameters) => {
      let out = x;
      for (const weight of parameters.values()) out = tf.tanh(tf.matMul(out, weight));
      return out;
    },
    { name: 'product rate', freeze: weights },
  );
  const x = { data: new Float32Array(rows * width).fill(0.1), shape: [rows, width] };
  chain.arrays({ x });
  const begin = performance.now();
  let runs = 0;
  while (runs < 3 || performance.now() - begin < 400) {
    chain.arrays({ x });
    runs++;
  }
  const seconds = (performance.now() - begin) / 1000;
  chain.dispose();
  tf.dispose([...weights.values()]);
  return (runs * layers * 2 * rows * width * width) / seconds;
}

/** Files in a folder, or images of a procedural split. @throws InvalidInputError when there is no such folder. */
export function countImages(what: string): number {
  if (what.startsWith('procedural')) return 300 * PROCEDURAL_CLASSES.length;
  try {
    return readdirSync(what, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).length;
  } catch (error) {
    throw new InvalidInputError(`Images in ${what}`, {
      given: (error as Error).message,
      expected: 'a folder of images',
      remedy: 'Check the path, or name procedural:reference, procedural:control or procedural:train.',
    });
  }
}

/**
 * What measuring images would take: the extractor tried on one batch, and the comparison of all pairs of the features that are kept.
 * @param side of the images in pixels, where the extractor takes them as they are
 */
export function estimateEvaluation(images: number, extractor: FeatureExtractor, rows: number, side = 256): Forecast {
  const { batch: tried, dimension } = extractor;
  const width = extractor.side ?? side;
  const batch = { count: tried, width, height: width, data: new Uint8Array(tried * width * width * 3) };
  extractor.extract(batch);
  const begin = performance.now();
  extractor.extract(batch);
  const each = (performance.now() - begin) / 1000 / tried;
  const pairs = Math.min(images / 2, rows) ** 2;
  const roots = dimension ** 3 * SECONDS_PER_CUBE;
  return {
    seconds: images * (each + SECONDS_PER_FILE) + (pairs * dimension * SECONDS_PER_PAIR) / 64 + roots,
    megabytes: megabytesNow() + Math.ceil((2 * Math.min(images, rows) * 8 * dimension + 40 * dimension ** 2) / 2 ** 20),
    basis: `features tried here: ${(1000 * each).toPrecision(2)} ms an image; reading and comparing as usual`,
  };
}

/** Reading and resizing a small JPEG; one distance between two rows of 64 features, of the several that are taken. */
const SECONDS_PER_FILE = 1e-3;
const SECONDS_PER_PAIR = 1e-6;
/** Factors and singular values of two covariances, per cube of their dimension. */
const SECONDS_PER_CUBE = 1.6e-8;

interface RecordedTimes {
  recorded: string;
  processor: string;
  cores: number;
  seconds: Record<string, Record<string, number>>;
}

/** A kernel with the models loaded, in MiB; the tour and the tables stay below it. */
const KERNEL_MEGABYTES = 900;

/** What executing notebooks would take, `parallel` at a time, from recorded runs (`scripts/record-times.cjs`). */
export function estimateNotebooks(names: readonly string[], profile: string, parallel: number): Forecast {
  const path = join(__dirname, '..', '..', 'bench', 'notebook-times.json');
  const { recorded, processor, cores, seconds } = JSON.parse(readFileSync(path, 'utf8')) as RecordedTimes;
  const known = seconds[profile] ?? seconds.small;
  const factor = seconds[profile] ? 1 : 5; // `full` has five times the seeds and images
  const values = Object.values(known);
  const typical = values.reduce((sum, x) => sum + x, 0) / values.length;
  const each = names.map((name) => (known[name] ?? typical) * factor);
  const together = Math.min(parallel, names.length);
  const total = each.reduce((sum, x) => sum + x, 0);
  // Recorded two at a time on two cores: fewer gain nothing, more need more cores.
  const speedup = Math.min(together, Math.max(1, availableParallelism() / (cores / 2)));
  return {
    seconds: Math.max(total / speedup, ...each),
    megabytes: KERNEL_MEGABYTES * together,
    basis: `recorded on ${recorded} with ${cores} cores of ${processor}, two notebooks at a time${seconds[profile] ? '' : ', times five for this profile'}`,
  };
}

/** Seconds of one training on one core, by what it costs more than the smallest; measured once, on the machine of the shipped study. */
const TRAINING_SECONDS = { narrow: 120, small: 230, wide: 700, '64': 600, fineTune: 60, cdm: 80 };

/** What a study would do, without doing it: trainings and rows that are missing, and about how long they take. */
export function dryRunStudy(options: StudyOptions): { configuration: Record<string, unknown>; estimate: Forecast } {
  const { size: name, checkpoints = 'data/checkpoints', store = 'runs/study', tables, results } = options;
  const processes = options.processes ?? availableParallelism();
  const missing = name === 'full' ? TRAININGS.filter((each) => missingModels(each, checkpoints).length > 0) : [];
  const training = missing.reduce((sum, each) => sum + secondsOf(each, checkpoints), 0);
  const rows = new RowStore(store);
  const planned = TABLES.filter((table) => tables?.includes(table.name) ?? true).map((table) => {
    const { plan } = planTable(table, STUDY_SIZES[name], { checkpoints });
    const { rows: all, present, seconds } = estimateSweep(plan, rows, processes);
    return { table: table.name, rows: all, present, seconds: seconds ?? 0 };
  });
  return {
    configuration: {
      size: name,
      trainings: missing.map(({ models, variant }) => `${models.join('+')} in ${variantFolder(variant, checkpoints)}`),
      tables: planned.map(({ table, rows: all, present }) => `${table}: ${all} rows, ${present} there`),
      checkpoints,
      store,
      results: results ?? 'data/results',
      processes,
    },
    estimate: {
      seconds: training / processes + planned.reduce((sum, { seconds }) => sum + seconds, 0),
      megabytes: 900 * processes,
      basis: 'times of the shipped study, on one core of its machine each',
    },
  };
}

function secondsOf(training: (typeof TRAININGS)[number], checkpoints: string): number {
  const { size, resolution, fineTune } = training.variant;
  const kind = fineTune !== 'none' ? 'fineTune' : resolution === 64 ? '64' : size;
  return missingModels(training, checkpoints).reduce(
    (sum, model) => sum + (model === 'cdm' ? TRAINING_SECONDS.cdm : TRAINING_SECONDS[kind]),
    0,
  );
}
