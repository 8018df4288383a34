import * as tf from '@tensorflow/tfjs';
import { proceduralDataset } from '../data/procedural';
import { extractFeatures, scoreImages } from '../evaluation/image-quality';
import { densityCoverage } from '../metrics/density-coverage';
import type { Features } from '../metrics/features';
import { memorisation } from '../metrics/retrieval';
import type { ImageModel } from '../models/image-model';
import { loadTrainedModels, type TrainedModels } from '../recipes/trained-models';
import { type RefinementReport, requireRefined } from '../refinement/condition-refinement';
import { driftProbe, type ProbeSide } from '../refinement/drift';
import type { IdealConditions } from '../refinement/ideal-conditions';
import { type Latents, learnIdealLaw } from '../refinement/learn-ideal-law';
import { makeRefinement, type Refinement } from '../refinement/refinement';
import { foldIn, key, permutation } from '../runtime/random';
import type { MeasuredRun } from './measures';
import type { RunConfiguration } from './run-configuration';
import { runOperations } from './run-operations';

/** Images of a run with what was done to make them. The caller disposes of the images. */
export interface GeneratedRun {
  images: tf.Tensor4D;
  labels: Int32Array;
  seconds: number;
  /** Floating-point operations per image. */
  operations: number;
  report?: RefinementReport;
  before?: ProbeSide;
  after?: ProbeSide;
}

/** Images per class of the reference split, and of the training images that near-copies are looked for among. */
const REFERENCE = 300;
const HELD = 150;
/** Laws, refinements and features that are kept: a few megabytes each. */
const KEPT = 48;

/**
 * Makes and measures runs, one after another; loads models, laws and features once. The same configuration and seed give the same numbers (but for times).
 */
export class Runner {
  private readonly loaded = new Map<string, Promise<TrainedModels>>();
  private readonly kept = new Map<string, Promise<unknown>>();

  /** Generates the images of a run. */
  async generate(configuration: RunConfiguration, seed: number): Promise<GeneratedRun> {
    const { images: count, guidance, measure } = configuration;
    const trained = await this.trained(configuration);
    const model = modelOf(trained, configuration);
    const refinement = await this.refinement(configuration);
    const { hook, report } = refinement?.createHook() ?? {};
    const how = { guidance: refinement?.baseline.guidance ?? guidance, respacing: refinement?.baseline.respacing };
    const labels = Int32Array.from({ length: count }, (_, i) => i % trained.classes.length);
    const probe =
      measure && model.teacherForced
        ? driftProbe(await this.held(configuration), await this.law(configuration), hook)
        : undefined;
    const request = { labels, key: foldIn(key(seed), 'run'), ...how, hook: probe?.hook ?? hook };
    const started = performance.now();
    const latents = await model.generate(request);
    const images = trained.decode(latents);
    await images.data();
    const seconds = (performance.now() - started - (probe?.milliseconds() ?? 0)) / 1000;
    latents.dispose();
    if (report) requireRefined(report);
    const sampled = { images: count, ...how, priorSteps: configuration.refinement.priorSteps, report };
    const operations = runOperations(model, trained.vae, sampled);
    return { images, labels, seconds, operations, report, before: probe?.before, after: probe?.after };
  }

  /** Generates and judges. */
  async run(configuration: RunConfiguration, seed: number): Promise<MeasuredRun> {
    const trained = await this.trained(configuration);
    const { images, labels, seconds, operations, report, before, after } = await this.generate(configuration, seed);
    const described = extractFeatures(trained.classifier, images);
    images.dispose();
    const quality = scoreImages(trained.reference, described, labels);
    const { density, coverage } = densityCoverage(trained.reference.features, described.features);
    const { training, unseen } = await this.bank(configuration);
    const memory = memorisation(described.features, unseen, training);
    const rows = (of: (group: RefinementReport['groups'][number]) => boolean) =>
      (report?.groups ?? []).reduce((sum, group) => sum + (of(group) ? group.rows * group.tokens : 0), 0);
    return {
      ...quality,
      density,
      coverage,
      secondsPerImage: seconds / labels.length,
      refinementShare: (report?.milliseconds.refiner ?? 0) / 1000 / seconds,
      megaflopsPerImage: operations / 1e6,
      conditionError: after?.drift()?.excess ?? null,
      conditionErrorBefore: before?.drift()?.excess ?? null,
      conditionFloor: before?.drift()?.floor ?? null,
      spread: after?.drift()?.spread ?? null,
      bufferDistance: after?.bufferDistance() ?? null,
      bufferDistanceBefore: before?.bufferDistance() ?? null,
      trainingDistance: memory.ratio,
      nearCopies: memory.nearCopies,
      refinedRows: report
        ? rows((group) => group.iterations.length > 0) /
          Math.max(
            1,
            rows(() => true),
          )
        : 0,
    };
  }

  /** Models, autoencoder and reference of a training; the last two trainings are kept, those before them freed. */
  trained({ checkpoints, training }: RunConfiguration): Promise<TrainedModels> {
    const name = JSON.stringify([checkpoints, training]);
    const found = this.loaded.get(name) ?? loadTrainedModels({ checkpoints, training, referencePerClass: REFERENCE });
    this.loaded.delete(name);
    this.loaded.set(name, found);
    if (this.loaded.size > 2) this.free([...this.loaded.keys()][0]);
    return found;
  }

  /** Frees all models; runs made afterwards load them again. */
  async dispose(): Promise<void> {
    this.kept.clear();
    await Promise.all([...this.loaded.keys()].map((name) => this.free(name)));
  }

  private async free(name: string): Promise<void> {
    const models = this.loaded.get(name);
    this.loaded.delete(name);
    await models?.then(({ dispose }) => dispose()).catch(() => undefined); // what failed to load has nothing to free
  }

  /** The buffer of a run. */
  law(configuration: RunConfiguration): Promise<IdealConditions> {
    const { model: name, training, checkpoints, law, refinement } = configuration;
    return this.once(['law', name, training, checkpoints, law, refinement.buffer], async () => {
      const trained = await this.trained(configuration);
      const model = modelOf(trained, configuration);
      const classes = trained.classes.length;
      const latents =
        law.source === 'own'
          ? await ownLatents(model, classes, law.perClass)
          : trained.latents(law.split, law.perClass);
      const random = permutation(foldIn(key(1), 'shuffled'), latents.labels.length);
      const fileUnder = {
        real: undefined,
        own: undefined,
        'wrong-class': (label: number) => (label + 1) % classes,
        shuffled: (_: number, image: number) => latents.labels[random[image]],
      }[law.source];
      return learnIdealLaw(model, latents, key(1), { ...refinement.buffer, fileUnder });
    });
  }

  /** The law of images that nothing else has seen: what conditions are measured against. */
  private async held(configuration: RunConfiguration): Promise<IdealConditions> {
    const { model: name, training, checkpoints } = configuration;
    return this.once(['held', name, training, checkpoints], async () => {
      const trained = await this.trained(configuration);
      const latents = lastOfEachClass(trained.latents('control', 2 * HELD), HELD);
      return learnIdealLaw(modelOf(trained, configuration), latents, key(2), { capacity: HELD });
    });
  }

  /** Features of the buffer's training images and of unseen ones, both through the autoencoder. */
  private bank(configuration: RunConfiguration): Promise<{ training: Features; unseen: Features }> {
    const { checkpoints, training, law } = configuration;
    return this.once(['bank', checkpoints, training.resolution, law.perClass], async () => {
      const trained = await this.trained(configuration);
      const features = (split: 'train' | 'control', perClass: number) => {
        const pixels = trained.pixels(proceduralDataset({ split, perClass, size: training.resolution }));
        const rebuilt = trained.reconstruct(pixels);
        const described = extractFeatures(trained.classifier, rebuilt).features;
        tf.dispose([pixels, rebuilt]);
        return described;
      };
      return { training: features('train', law.perClass), unseen: features('control', 100) };
    });
  }

  private async refinement(configuration: RunConfiguration): Promise<Refinement | undefined> {
    const { model: name, training, checkpoints, law, refinement } = configuration;
    if (refinement.method === 'none') return undefined;
    return this.once(['refinement', name, training, checkpoints, law, refinement], async () => {
      const { fingerprint } = modelOf(await this.trained(configuration), configuration);
      return makeRefinement(refinement, await this.law(configuration), fingerprint);
    });
  }

  /** Made when first asked for; the last few are kept. */
  private once<T>(what: unknown, make: () => Promise<T>): Promise<T> {
    const name = JSON.stringify(what);
    const found = (this.kept.get(name) as Promise<T> | undefined) ?? make();
    this.kept.delete(name);
    this.kept.set(name, found);
    if (this.kept.size > KEPT) this.kept.delete([...this.kept.keys()][0]);
    return found;
  }
}

/** The model of a run. */
export function modelOf(trained: TrainedModels, { model }: Pick<RunConfiguration, 'model'>): ImageModel {
  return trained.models[model === 'AR' ? 'ar' : model === 'MAR' ? 'mar' : 'cdm'];
}

/** Images that the model makes itself, as if they were real. */
async function ownLatents(model: ImageModel, classes: number, perClass: number): Promise<Latents> {
  const labels = Int32Array.from({ length: classes * perClass }, (_, i) => i % classes);
  const latents = await model.generate({ labels, key: foldIn(key(1), 'own images of the buffer') });
  const values = (await latents.data()) as Float32Array;
  latents.dispose();
  return { values, labels };
}

/** The last `count` images of each class; data sets are sorted by class. */
function lastOfEachClass({ values, labels }: Latents, count: number): Latents {
  const each = values.length / labels.length;
  const kept = Array.from(labels.keys()).filter((i) => i + count >= labels.length || labels[i + count] !== labels[i]);
  const part = new Float32Array(kept.length * each);
  kept.forEach((image, i) => {
    part.set(values.subarray(image * each, (image + 1) * each), i * each);
  });
  return { values: part, labels: Int32Array.from(kept, (i) => labels[i]) };
}
