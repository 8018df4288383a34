import type { CausalArConfig } from '../models/ar/causal-ar';
import type { MarConfig } from '../models/mar/mar';
import { optimalTransportRefiner } from '../refinement/optimal-transport';
import { InvalidInputError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import type { Key } from '../runtime/random';
import { preparedStep } from '../training/prepared-step';
import { refinedCausalAr, refinedMar } from '../training/refined-model';
import { type RefinedTask, refinedTask } from '../training/refined-task';
import type { LatentSet } from '../training/tasks';
import type { Budget } from './profiles';
import { trainingCoupling } from './training-coupling';
import type { FineTune } from './variants';

/** A fine-tune's share of the training's steps, and its learning rate's of the training's. */
const SHARE = { steps: 1 / 6, rate: 1 / 3 };

/** What each kind changes of the training; `continued` nothing: the control at equal budget. */
const KINDS: Record<Exclude<FineTune, 'none'>, { ownHistory: number; coupled: boolean }> = {
  continued: { ownHistory: 0, coupled: false },
  'own-history': { ownHistory: 0.25, coupled: false },
  coupled: { ownHistory: 0, coupled: true },
  'coupled-own-history': { ownHistory: 0.25, coupled: true },
};

/** The budget of a fine-tune of a model that was trained with `budget`. */
export function fineTuneBudget(budget: Budget): Budget {
  const steps = Math.max(4, Math.round(budget.steps * SHARE.steps));
  return { ...budget, steps, rate: budget.rate * SHARE.rate, warmup: Math.ceil(steps / 20) };
}

/** A fine-tune ready for the training loop. */
export interface FineTunePlan extends Pick<RefinedTask, 'task' | 'dispose'> {
  makeStep: ReturnType<typeof preparedStep>;
  /** For the provenance. */
  options: Record<string, unknown>;
}

/**
 * Goes on training a token model: on its own histories, with the optimal-transport refinement between transformer and denoiser (plan
 * and targets held constant, the gradient passes through the displaced conditions), or both.
 * @param start weights to go on from; copied
 * @throws InvalidInputError for a model whose condition is static.
 */
export function fineTunePlan(
  model: string,
  config: unknown,
  kind: Exclude<FineTune, 'none'>,
  latents: LatentSet,
  start: Parameters,
  { batch, key }: { batch: number; key: Key },
): FineTunePlan {
  if (model !== 'ar' && model !== 'mar') {
    throw new InvalidInputError('Fine-tune', {
      given: `model ${model}`,
      expected: 'ar or mar',
      remedy: 'Name a model that has conditions to refine.',
    });
  }
  const refined = model === 'ar' ? refinedCausalAr(config as CausalArConfig) : refinedMar(config as MarConfig);
  const { ownHistory, coupled } = KINDS[kind];
  const refinement = { method: 'optimal-transport' };
  const coupling = coupled
    ? trainingCoupling(optimalTransportRefiner(), { width: refined.width, refinement })
    : undefined;
  const { task, preparation, dispose } = refinedTask(latents, refined, start, {
    batchSize: batch,
    key,
    ownHistory,
    coupling,
  });
  return { task, dispose, makeStep: preparedStep(preparation), options: { fineTune: kind, ownHistory, coupled } };
}
