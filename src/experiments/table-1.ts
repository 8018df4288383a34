import type * as tf from '@tensorflow/tfjs';
import { estimate, type PairedDifference, pairedDifference } from '../metrics/confidence';
import type { Parameters } from '../models/parameters';
import { conditionRefinement, type RefinementReport, requireRefined } from '../refinement/condition-refinement';
import type { Refiner } from '../refinement/refiner';
import { foldIn, key } from '../runtime/random';
import { evaluate, type Quality, type Reference } from './evaluation';
import type { IdealLaw } from './ideal-law';
import type { ImageModel } from './image-model';

/** One way to make images: a model, with or without a change of its conditions. */
export interface Method {
  name: string;
  model: ImageModel;
  guidance?: number;
  /** Leave out to sample the model as it is. */
  refinement?: { refiner: Refiner; law: IdealLaw; usesInverse?: boolean };
}

/** What all methods share. */
export interface Table1Setting {
  /** Latents to images in [-1, 1]. */
  decode(latents: tf.Tensor4D): tf.Tensor4D;
  classifier: Parameters;
  reference: Reference;
  classes: number;
  /** Images per sampling seed; a multiple of the classes. */
  images: number;
  seeds: readonly number[];
  onProgress?: (done: number, total: number, what: string) => void;
}

/** Quality of one method under one sampling seed. */
export interface Run extends Quality {
  method: string;
  seed: number;
  secondsPerImage: number;
  /** Mean over refined groups of the conditions' spread relative to the ideal law's; absent without refinement. */
  spread?: number;
}

/** Generates and judges images with every method under every seed; methods share seeds, so that differences are paired. */
export async function runTable1(methods: readonly Method[], setting: Table1Setting): Promise<Run[]> {
  const runs: Run[] = [];
  for (const seed of setting.seeds) {
    for (const method of methods) {
      setting.onProgress?.(runs.length, methods.length * setting.seeds.length, `${method.name}, seed ${seed}`);
      runs.push(await runOnce(method, seed, setting));
    }
  }
  return runs;
}

async function runOnce(method: Method, seed: number, setting: Table1Setting): Promise<Run> {
  const { decode, classifier, reference, classes, images: count } = setting;
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const started = performance.now();
  const { images, report } = await makeImages(method, seed, labels, decode);
  await images.data();
  const secondsPerImage = (performance.now() - started) / 1000 / count;
  const quality = evaluate(classifier, reference, images, labels);
  images.dispose();
  const spreads = report?.groups.flatMap(({ iterations }) => iterations.slice(-1).map(({ spread }) => spread));
  const spread = spreads?.length ? spreads.reduce((sum, x) => sum + x, 0) / spreads.length : undefined;
  return { method: method.name, seed, ...quality, secondsPerImage, ...(spread === undefined ? {} : { spread }) };
}

/** Images `[count, size, size, 3]` of a method under a seed, with what the refinement did. */
export async function makeImages(
  { model, guidance, refinement }: Method,
  seed: number,
  labels: Int32Array,
  decode: Table1Setting['decode'],
): Promise<{ images: tf.Tensor4D; report?: RefinementReport }> {
  const plugged = refinement && plug(model, refinement);
  const latents = await model.generate({ labels, key: foldIn(key(seed), 'table 1'), guidance, hook: plugged?.hook });
  if (plugged) requireRefined(plugged.report);
  const images = decode(latents);
  latents.dispose();
  return { images, report: plugged?.report };
}

/**
 * The first `shown` images of a seed, out of a whole run: refinement acts on groups, so that fewer images would be others.
 */
export async function firstImages(
  method: Method,
  seed: number,
  labels: Int32Array,
  decode: Table1Setting['decode'],
  shown: number,
): Promise<tf.Tensor4D> {
  const { images } = await makeImages(method, seed, labels, decode);
  const first = images.slice([0, 0, 0, 0], [shown, -1, -1, -1]);
  images.dispose();
  return first;
}

function plug(model: ImageModel, { refiner, law, usesInverse }: NonNullable<Method['refinement']>) {
  return conditionRefinement({
    refiner,
    ideal: law.ideal,
    fingerprint: model.fingerprint,
    inverse: usesInverse ? { process: law.inverse } : undefined,
  });
}

export const MEASURES = ['fid', 'inceptionScore', 'precision', 'recall', 'classAccuracy', 'secondsPerImage'] as const;
export type Measure = (typeof MEASURES)[number];

/** One row per method: mean and standard error over seeds of every measure. */
export function summarise(runs: readonly Run[]): Record<string, string | number>[] {
  return methodsOf(runs).map((method) => {
    const own = runs.filter((run) => run.method === method);
    const cells = MEASURES.flatMap((measure) => {
      const { mean, standardError } = estimate(own.map((run) => run[measure]));
      return [
        [measure, mean],
        [`${measure} error`, standardError],
      ];
    });
    return { method, seeds: own.length, ...Object.fromEntries(cells) };
  });
}

/** The paired difference `method - baseline` of a measure over the shared seeds. */
export function compare(runs: readonly Run[], baseline: string, method: string, measure: Measure): PairedDifference {
  const of = (name: string) =>
    runs
      .filter((run) => run.method === name)
      .sort((a, b) => a.seed - b.seed)
      .map((run) => run[measure]);
  return pairedDifference(of(baseline), of(method));
}

function methodsOf(runs: readonly Run[]): string[] {
  return [...new Set(runs.map((run) => run.method))];
}
