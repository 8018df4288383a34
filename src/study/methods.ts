import type { FineTune } from '../recipes/variants';
import type { RefinementOptions } from '../refinement/options';
import type { RunOptions } from './run-configuration';

/** A row of a table: how images are made, but for the seeds of training and sampling. */
export interface Method {
  name: string;
  options: RunOptions;
  /** What it is compared with; default the model without refinement. */
  baseline?: string;
}

/**
 * The refinement as it is switched on; tables report other trainings than those on which it was chosen: AR's on the training of seed 0,
 * among the points of `data/results/ablation-AR.json`, MAR's on three trainings, among `CHOICE_METHODS`.
 */
export const REFINEMENT: Record<'AR' | 'MAR', RefinementOptions> = {
  AR: { method: 'optimal-transport', epsilon: 0.0125, tolerance: 0.01 },
  MAR: { method: 'optimal-transport', epsilon: 0.1, refinedSteps: 'late' },
};

/** Denoising steps that take the time of the refinement. */
export const EQUAL_TIME_STEPS = 28;

/** Guidance that was best on the training of seed 0, per model. */
export const GUIDANCE = { AR: 2, MAR: 3 } as const;

/** Denoising steps with which guided sampling, which does everything twice, takes the operations of the refined model. */
export const GUIDED_STEPS = { AR: 12, MAR: 10 } as const;

const without = (model: 'AR' | 'MAR' | 'CDM', more: RunOptions = {}): RunOptions => ({ model, ...more });
const refined = (model: 'AR' | 'MAR', changes: Partial<RefinementOptions> = {}, more: RunOptions = {}): RunOptions => ({
  model,
  refinement: { ...REFINEMENT[model], ...changes } as RefinementOptions,
  ...more,
});
const rival = (model: 'AR' | 'MAR', options: RefinementOptions): RunOptions => ({ model, refinement: options });

/** The rows of the paper's Table 1. */
export const PAPER_METHODS: readonly Method[] = [
  { name: 'CDM', options: without('CDM') },
  { name: 'AR', options: without('AR') },
  { name: 'AR + OT', options: refined('AR') },
  { name: 'MAR', options: without('MAR') },
  { name: 'MAR + OT', options: refined('MAR') },
];

/** Everything that stands beside the refinement at comparable cost, with the same buffer where it needs one. */
export const RIVAL_METHODS: readonly Method[] = [...rivalsOf('AR'), ...rivalsOf('MAR')];

function rivalsOf(model: 'AR' | 'MAR'): Method[] {
  return [
    { name: `${model}, guidance ${GUIDANCE[model]}`, options: without(model, { guidance: GUIDANCE[model] }) },
    {
      name: `${model} + OT, guidance ${GUIDANCE[model]}`,
      options: refined(model, {}, { guidance: GUIDANCE[model] }),
      baseline: `${model}, guidance ${GUIDANCE[model]}`,
    },
    {
      name: `${model}, guidance ${GUIDANCE[model]} at equal operations`,
      options: rival(model, { method: 'guidance', scale: GUIDANCE[model], steps: GUIDED_STEPS[model] }),
    },
    { name: `${model} + nearest neighbour`, options: rival(model, { method: 'nearest-neighbour' }) },
    { name: `${model} + coordinate moments`, options: rival(model, { method: 'coordinate-moments' }) },
    { name: `${model} + Gaussian moments`, options: rival(model, { method: 'gaussian-moments' }) },
    { name: `${model} + EMA smoothing`, options: rival(model, { method: 'ema-smoothing' }) },
    { name: `${model} + shrinkage`, options: rival(model, { method: 'shrink' }) },
    { name: `${model} + projection on I*`, options: rival(model, { method: 'predictive-projection' }) },
    { name: `${model} + residual MLP`, options: rival(model, { method: 'residual-mlp' }) },
    { name: `${model} + more steps`, options: rival(model, { method: 'more-steps', steps: EQUAL_TIME_STEPS }) },
  ];
}

/** What the gain is: the same refinement with buffers that hold something else, and with its parts taken away. */
export const CONTROL_METHODS: readonly Method[] = [...controlsOf('AR'), ...controlsOf('MAR')];

function controlsOf(model: 'AR' | 'MAR'): Method[] {
  return [
    { name: `${model} + OT, held-out buffer`, options: refined(model, {}, { law: { split: 'control' } }) },
    { name: `${model} + OT, variance not restored`, options: refined(model, { projection: 'plain' }) },
    { name: `${model} + OT, debiased`, options: refined(model, { projection: 'debiased' }) },
    { name: `${model} + OT, adaptive`, options: refined(model, { adaptive: true }) },
    { name: `${model} + OT, wrong class`, options: refined(model, {}, { law: { source: 'wrong-class' } }) },
    { name: `${model} + OT, shuffled`, options: refined(model, {}, { law: { source: 'shuffled' } }) },
    { name: `${model} + OT, own images`, options: refined(model, {}, { law: { source: 'own' } }) },
  ];
}

/** Forms of MAR's refinement of which one is chosen; all have the sampling seeds of one another. */
export const CHOICE_METHODS: readonly Method[] = [
  { name: 'MAR (choice)', options: without('MAR'), baseline: 'MAR (choice)' },
  ...(
    [
      ['defaults', {}],
      ['standardised cost', { cost: 'standardised' }],
      ['epsilon 0.1', { epsilon: 0.1 }],
      ['eta 1', { eta: 1 }],
      ['eta 1, geodesic', { eta: 1, projection: 'geodesic' }],
      ['late steps', { refinedSteps: 'late' }],
      ['late steps, epsilon 0.1', { refinedSteps: 'late', epsilon: 0.1 }],
      ['late steps, epsilon 0.2', { refinedSteps: 'late', epsilon: 0.2 }],
      ['unit image', { unit: 'image' }],
      ['unit image, late steps', { unit: 'image', refinedSteps: 'late' }],
      ['unit image, late steps, epsilon 0.1', { unit: 'image', refinedSteps: 'late', epsilon: 0.1 }],
    ] as const satisfies readonly (readonly [string, Partial<RefinementOptions>])[]
  ).map(
    ([name, options]): Method => ({
      name: `MAR + OT (choice), ${name}`,
      options: rival('MAR', { method: 'optimal-transport', ...options } as RefinementOptions),
      baseline: 'MAR (choice)',
    }),
  ),
];

const TUNED: readonly Exclude<FineTune, 'none'>[] = ['continued', 'own-history', 'coupled'];

/** The causal AR model trained a little further: plainly, on its own histories (scheduled sampling), with the refinement inside. */
export const FINE_TUNED_METHODS: readonly Method[] = TUNED.flatMap((fineTune): Method[] => [
  { name: `AR ${fineTune}`, options: without('AR', { training: { fineTune } }), baseline: 'AR continued' },
  {
    name: `AR ${fineTune} + OT`,
    options: refined('AR', {}, { training: { fineTune } }),
    baseline: `AR ${fineTune}`,
  },
]);

/** What a method is compared with: the same model without refinement and rival, unless it says otherwise. */
export function baselineOf({ name, options, baseline }: Method): string {
  return baseline ?? options.model ?? name;
}
