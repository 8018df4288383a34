import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { foldIn, key } from '../runtime/random';
import { CHECKPOINTS, loadTrainedModel } from '../training/trained-model';
import { type ConditionReport, measureConditions } from './condition-measures';
import { openLaboratory } from './laboratory';
import { collectConditions, staticConditions } from './trained-conditions';

/** Options of `measureTrained`. */
export interface MeasureTrainedOptions {
  /** Held-out images per class; default 20. */
  perClass?: number;
  /** Default 0. */
  seed?: number;
  resamples?: number;
  /** Folder of the weights; default the shipped ones. */
  checkpoints?: string;
}

/** Whether MAR, causal AR and CDM are there to be measured. */
export function trainedModelsPresent(checkpoints = CHECKPOINTS): boolean {
  return ['vae', 'classifier', 'mar', 'ar', 'cdm'].every((name) =>
    existsSync(join(checkpoints, `${name}.safetensors`)),
  );
}

/**
 * The decay of a condition's influence, its redundancy and the paper's assumptions, measured on trained networks: MAR, causal
 * AR, and the static condition of CDM as the control, all on the same held-out images.
 * @throws MissingDependencyError when the checkpoints are not there.
 */
export async function measureTrained(options: MeasureTrainedOptions = {}): Promise<ConditionReport[]> {
  const { perClass = 20, seed = 0, resamples = 60, checkpoints = CHECKPOINTS } = options;
  const { models, latents } = await openLaboratory({ checkpoints, referencePerClass: 20 });
  const real = latents('reference', perClass);
  const source = foldIn(key(seed), 'trained conditions');
  const reports: ConditionReport[] = [];
  for (const name of ['mar', 'ar'] as const) {
    const { parameters } = loadTrainedModel(name, checkpoints);
    const own = foldIn(source, name);
    const collected = await collectConditions(models[name], parameters, real, { source: own });
    reports.push(measureConditions(collected, { source: own, resamples }));
    for (const weight of parameters.values()) weight.dispose();
  }
  const { parameters } = loadTrainedModel('cdm', checkpoints);
  const embedding = parameters.get('class_emb.weight') as tf.Tensor2D;
  const control = staticConditions('CDM (static)', embedding, real.labels, models.ar.steps);
  reports.push(measureConditions(control, { source: foldIn(source, 'cdm'), origin: 0, resamples }));
  for (const weight of parameters.values()) weight.dispose();
  return reports;
}
