import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { FeatureExtractor } from '../evaluation/feature-extractor';
import { decodingOperations, type GenerationCost, generationOperations } from '../models/operations';
import { countParameters, type ModelSpec } from '../models/presets';
import type { VaeConfig } from '../models/vae/vae';
import type { TrainedModelName, TrainingProfile } from '../recipes/profiles';
import { missingModels, REPORTED_SEEDS, TRAININGS } from '../recipes/run-trainings';
import { type Variant, variantFolder, variantSchema } from '../recipes/variants';
import { MissingDependencyError } from '../runtime/errors';
import { estimateSweep } from '../sweep/estimate';
import { RowStore } from '../sweep/store';
import { CHECKPOINTS, type Provenance, readProvenance, shippedFolder } from '../training/trained-model';
import { RESULTS, readResults } from './results';
import type { StudyOptions } from './run-study';
import { planTable, STUDY_SIZES, TABLES } from './study';

/** How long something will take and how much memory, from recorded times; good to a factor of two, on two cores. */
export interface Forecast {
  seconds: number;
  /** Resident memory of the process in MiB. */
  megabytes: number;
  basis: string;
}

/** A process with models and backend loaded, in MiB; kernels, trainings and rows of a sweep stay below it. */
const PROCESS_MEGABYTES = 900;

/** What training one model would take, from the time that the shipped training of the nearest variant took per image. */
export function estimateTraining(
  model: TrainedModelName,
  { name, size, budgets }: TrainingProfile,
  { images, steps, variant = {} }: { images: number; steps: number; variant?: Partial<Variant> },
): Forecast {
  const { seconds, imagesSeen, data, date } = recordedTraining(model, variantSchema.parse(variant));
  const each = (seconds / imagesSeen) * (size / data.size) ** 2;
  return {
    seconds: each * steps * budgets[model].batch,
    megabytes: PROCESS_MEGABYTES + Math.ceil((images * size ** 2 * 3) / 2 ** 20),
    basis: `the shipped training of ${date} took ${(1000 * each).toPrecision(2)} ms an image of profile ${name}`,
  };
}

/** How the shipped weights of a variant were made; else of one that differs in seed, in the fine-tune, in everything. */
function recordedTraining(model: TrainedModelName, variant: Variant): Provenance {
  const plain = { ...variant, seed: 0, fineTune: 'none' as const };
  const variants = [variant, { ...variant, seed: REPORTED_SEEDS[0] }, plain, variantSchema.parse({})];
  const paths = variants.map((each) => join(variantFolder(each, CHECKPOINTS), `${model}.safetensors`));
  const found = paths.find((path) => existsSync(path)) ?? paths[3];
  const provenance = readProvenance(found);
  if (provenance) return provenance;
  throw new MissingDependencyError(`Recorded time of training ${model}`, {
    given: `no ${found} with its .json`,
    expected: 'the shipped checkpoints',
    remedy: 'Restore them, or leave out --dry-run.',
  });
}

/** What generating (and, with an autoencoder, decoding) samples would take: counted operations, at the rate of the rows of Table 1. */
export function estimateSampling(
  spec: ModelSpec,
  vae: VaeConfig | undefined,
  cost: GenerationCost & { count: number },
): Forecast {
  const operations = generationOperations(spec, cost) + (vae ? decodingOperations(vae) : 0);
  const { rows, date } = readResults('table-1', join(__dirname, '..', '..', RESULTS));
  const own = rows.filter(({ method }) => method === spec.family.toUpperCase());
  const sum = (of: 'megaflopsPerImage' | 'secondsPerImage') => own.reduce((all, { values }) => all + values[of], 0);
  const rate = (1e6 * sum('megaflopsPerImage')) / sum('secondsPerImage');
  // Weights as tensors and once more inside the compiled graphs.
  const weights = countParameters(spec) + (vae ? countParameters({ family: 'vae', config: vae }) : 0);
  return {
    seconds: (cost.count * operations) / rate,
    megabytes: PROCESS_MEGABYTES + Math.ceil((2 * 4 * weights) / 2 ** 20),
    basis: `${(operations / 1e9).toPrecision(2)} GFLOP an image; the rows of Table 1 ran at ${(rate / 1e9).toPrecision(2)} GFLOP/s (${date})`,
  };
}

/** What measuring images would take: reading, features, and the comparison of all pairs of the features that are kept. */
export function estimateEvaluation(
  images: number,
  features: keyof typeof SECONDS_OF_FEATURES,
  { dimension }: Pick<FeatureExtractor, 'dimension'>,
  rows: number,
): Forecast {
  const each = SECONDS_OF_FEATURES[features];
  const pairs = Math.min(images / 2, rows) ** 2;
  const roots = dimension ** 3 * SECONDS_PER_CUBE;
  return {
    seconds: images * (each + SECONDS_PER_FILE) + (pairs * dimension * SECONDS_PER_PAIR) / 64 + roots,
    megabytes:
      PROCESS_MEGABYTES + Math.ceil((2 * Math.min(images, rows) * 8 * dimension + 40 * dimension ** 2) / 2 ** 20),
    basis: `recorded: ${1000 * each} ms an image for ${features} features`,
  };
}

/** Seconds for the features of one image: single readings on two busy cores. */
const SECONDS_OF_FEATURES = { classifier: 0.8e-3, inception: 55e-3 };
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
    megabytes: PROCESS_MEGABYTES * together,
    basis: `recorded on ${recorded} with ${cores} cores of ${processor}, two notebooks at a time${seconds[profile] ? '' : ', times five for this profile'}`,
  };
}

/** What a study would do, without doing it: trainings and rows that are missing, and about how long they take. */
export function dryRunStudy(options: StudyOptions): { configuration: Record<string, unknown>; estimate: Forecast } {
  const { size: name, checkpoints = 'data/checkpoints', store = 'runs/study', tables, results = RESULTS } = options;
  const processes = options.processes ?? availableParallelism();
  const missing = name === 'full' ? TRAININGS.filter((each) => missingModels(each, checkpoints).length > 0) : [];
  const training = missing
    .flatMap((each) => missingModels(each, checkpoints).map((model) => recordedTraining(model, each.variant).seconds))
    .reduce((sum, seconds) => sum + seconds, 0);
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
      results: shippedFolder(results, RESULTS),
      processes,
    },
    estimate: {
      seconds: training / processes + planned.reduce((sum, { seconds }) => sum + seconds, 0),
      megabytes: PROCESS_MEGABYTES * processes,
      basis: 'times of the shipped study, on one core of its machine each',
    },
  };
}
