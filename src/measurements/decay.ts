import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { arModel } from '../models/ar/ar-model';
import { type CausalArConfig, initCausalAr } from '../models/ar/causal-ar';
import { loadTrainedModels } from '../recipes/trained-models';
import type { Parameters } from '../runtime/parameters';
import { foldIn, key } from '../runtime/random';
import { CHECKPOINTS } from '../training/trained-model';
import { type ConditionReport, measureConditions } from './condition-measures';
import { collectConditions, staticConditions } from './trained-conditions';

/** Marks the control whose condition never changes. */
const STATIC = 'static';
/** Marks the control with random weights, which claims nothing. */
const UNTRAINED = 'untrained';

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
 * AR, and two controls: the same AR with random weights (what decays without any learning), and the static condition of CDM
 * (which must not decay). All on the same held-out images.
 * @throws MissingDependencyError when the checkpoints are not there.
 */
export async function measureTrained(options: MeasureTrainedOptions = {}): Promise<ConditionReport[]> {
  const { perClass = 20, seed = 0, resamples = 60, checkpoints = CHECKPOINTS } = options;
  const { models, latents, dispose } = await loadTrainedModels({ checkpoints, referencePerClass: 20 });
  const untrained: Parameters = new Map();
  try {
    const real = latents('reference', perClass);
    const source = foldIn(key(seed), 'trained conditions');
    const reports: ConditionReport[] = [];
    for (const name of ['mar', 'ar'] as const) {
      const own = foldIn(source, name);
      const collected = await collectConditions(models[name], real, { source: own });
      reports.push(measureConditions(collected, { source: own, resamples }));
    }
    const config = models.ar.spec.config as CausalArConfig;
    for (const [name, weight] of initCausalAr(config, foldIn(source, 'untrained'))) untrained.set(name, weight);
    const blank = { ...arModel(untrained, config), name: `AR, ${UNTRAINED}` };
    const collected = await collectConditions(blank, real, { source });
    const { scoreNorms: _, ...withoutScores } = collected; // its denoiser's last layer is zero
    reports.push(measureConditions(withoutScores, { source, resamples }));
    const embedding = models.cdm.parameters.get('class_emb.weight') as tf.Tensor2D;
    const control = staticConditions(`CDM (${STATIC})`, embedding, real.labels, models.ar.steps);
    reports.push(measureConditions(control, { source: foldIn(source, 'cdm'), origin: 0, resamples }));
    return reports;
  } finally {
    for (const weight of untrained.values()) weight.dispose();
    dispose();
  }
}

/** One row per model: fitted decays with their 95 % intervals, and how far the assumptions hold. */
export function decayTable(reports: readonly ConditionReport[]): Record<string, string | number>[] {
  return reports.map(({ name, samples, exchange, influence, score, gaussianity, markov }) => ({
    model: name,
    images: samples,
    'beta, first token exchanged': interval(exchange),
    'beta, correlation': interval(influence),
    'beta, gradient norm': interval(score),
    'gradient norm, first / last': score
      ? `${score.values[0].toFixed(2)} / ${score.values[score.values.length - 1].toFixed(2)}`
      : '-',
    'Markov: partial R2 (p)': markov[0] ? test(markov[0]) : '-',
    'Gaussian: kurtosis ratio (p)': gaussianity[1] ? test(gaussianity[1]) : '-',
  }));
}

/**
 * Summary lines, two questions per trained network. Theorem 2's own quantity is the gradient norm: it decays when it fits
 * M beta^i + m with the whole interval of beta below 1 and ends lower than it began. The influence of the first token is ours. The
 * static control must keep its influence.
 */
export function decaySummary(reports: readonly ConditionReport[]) {
  return reports
    .filter(({ name }) => !name.includes(UNTRAINED))
    .flatMap((report) => [...gradientRow(report), ...influenceRow(report)]);
}

function gradientRow({ name, samples, steps, score }: ConditionReport) {
  if (!score) return [];
  const { low, high } = score.beta;
  const [first, last] = [score.values[0], score.values[steps - 1]];
  const error = Math.hypot(score.errors[0], score.errors[steps - 1]);
  const falls = first - last > 2 * error;
  const holds = falls && high < 1;
  const fails = !falls && (low >= 1 || last - first > 2 * error);
  return [
    {
      claim: `Theorem 2, the gradient norm of the trained denoiser decays: ${name}`,
      ours: `${first.toFixed(2)} at step 0, ${last.toFixed(2)} at step ${steps - 1}; beta ${score.beta.value.toFixed(3)}`,
      error: `+- ${error.toFixed(2)} on the difference; beta 95 % [${low.toFixed(3)}, ${high.toFixed(3)}], ${samples} images`,
      paper: 'at most M beta^i + m, beta < 1',
      verdict: verdictOf(holds, fails),
      note: `A norm that does not fall meets the bound with M = 0 only: then the theorem says nothing. R2 of the fit ${score.fit.goodness.toFixed(2)}.`,
    },
  ];
}

function influenceRow({ name, samples, steps, exchange }: ConditionReport) {
  if (!exchange) return [];
  const { value, low, high } = exchange.beta;
  const still = name.includes(STATIC);
  const holds = still ? low <= 1 + 1e-6 && high >= 1 - 1e-6 : high < 1;
  const fails = still ? high < 1 - 1e-6 : low >= 1;
  const last = exchange.values[exchange.values.length - 1];
  return [
    {
      claim: still ? `Theorem 2, static control: ${name}` : `Influence of the first token decays (ours): ${name}`,
      ours: `beta ${value.toFixed(3)}`,
      error: `95 % [${low.toFixed(3)}, ${high.toFixed(3)}], ${samples} images`,
      paper: still ? 'no decay' : 'beta < 1',
      verdict: verdictOf(holds, fails),
      note:
        `Change of the condition when the ${still ? 'class' : 'first token'} is exchanged, over ${steps} steps: from ${exchange.values[0].toFixed(2)} to ` +
        `${last.toFixed(2)} of an unrelated image's, fitted floor ${exchange.fit.floor.toFixed(2)}, R2 ${exchange.fit.goodness.toFixed(2)}.`,
    },
  ];
}

function verdictOf(holds: boolean, fails: boolean) {
  return holds ? ('holds' as const) : fails ? ('fails' as const) : ('undecided' as const);
}

function interval(measured: { beta: { value: number; low: number; high: number } } | undefined): string {
  if (!measured) return '-';
  const { value, low, high } = measured.beta;
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}

function test({ effect, probability }: ConditionReport['markov'][number]): string {
  return `${effect.value.toFixed(3)} (${probability < 1e-3 ? probability.toExponential(0) : probability.toFixed(3)})`;
}
