import { GROUPINGS } from '../refinement/grouping';
import { descriptionOf } from '../runtime/options';
import type { Json } from '../sweep/configuration';
import type { SweepFile } from '../sweep/plan';
import { runSchema } from './run-configuration';

/** A knob of Algorithm 1: where it is in a configuration, and what an ablation tries. */
export interface RefinementKnob {
  /** Name on the command line. */
  name: string;
  /** That of the option, and what is tried with it. */
  description: string;
  /** Dotted name in the configuration of the experiment `refinement`. */
  at: string;
  /** Tried one at a time, beside the value of the base. */
  values?: Json[];
  /** What shows only together with another knob. */
  points?: Record<string, Json>[];
}

const refinement = (name: string) => `refinement.${name}`;
const [iterations, eta, lambda] = ['iterations', 'eta', 'lambda'].map(refinement);

/** What an ablation tries; the base is what the options' defaults fill in. */
const TRIED: readonly (Omit<RefinementKnob, 'description'> & { note?: string })[] = [
  {
    name: 'iterations',
    note: 'with the step size that reaches about as far',
    at: iterations,
    values: [2, 4],
    points: [
      { [iterations]: 4, [eta]: 0.5 },
      { [iterations]: 8, [eta]: 0.25 },
    ],
  },
  {
    name: 'epsilon',
    at: refinement('epsilon'),
    values: [0.0125, 0.025, 0.1, 0.2, 0.5],
  },
  {
    name: 'lambda',
    at: lambda,
    values: [0.1, 0.3, 1],
  },
  {
    name: 'inverse',
    note: 'at lambda = 0.3',
    at: refinement('inverse'),
    points: [{ [lambda]: 0.3, [refinement('inverse')]: 'mlp' }],
  },
  {
    name: 'eta',
    at: eta,
    values: [0.125, 0.25, 0.5, 1, 2],
  },
  {
    name: 'etaSchedule',
    note: 'at K = 4 and eta = 0.5',
    at: refinement('etaSchedule'),
    points: [{ [iterations]: 4, [eta]: 0.5, [refinement('etaSchedule')]: 'inverse' }],
  },
  {
    name: 'sinkhornIterations',
    at: refinement('sinkhornIterations'),
    values: [2, 10, 50],
  },
  {
    name: 'tolerance',
    at: refinement('tolerance'),
    values: [1e-1, 1e-2, 1e-5],
  },
  {
    name: 'bufferSize',
    note: 'above 100 with more images behind them',
    at: refinement('buffer.capacity'),
    values: [10, 25, 50],
    points: [{ 'law.perClass': 400, [refinement('buffer.capacity')]: 400 }],
  },
  {
    name: 'bufferGroups',
    at: refinement('buffer.grouping'),
    values: GROUPINGS.filter((grouping) => grouping !== 'class-position-step'),
  },
  {
    name: 'cost',
    at: refinement('cost'),
    values: ['standardised', 'whitened', 'predictive', 'latent'],
  },
  {
    name: 'marginalPenalty',
    at: refinement('marginalPenalty'),
    values: [0.1, 1, 10],
  },
  {
    name: 'projection',
    at: refinement('projection'),
    values: ['plain', 'debiased', 'self-debiased'],
    points: [{ [refinement('projection')]: 'geodesic', [eta]: 0.5 }],
  },
  {
    name: 'adaptive',
    at: refinement('adaptive'),
    values: [true],
  },
  {
    name: 'visibleTokens',
    note: 'or, over all steps, weigh them in the cost',
    at: refinement('maskResidual'),
    values: [true],
    points: [{ [refinement('maskWeight')]: 1, [refinement('buffer.grouping')]: 'class-position' }],
  },
  {
    name: 'unit',
    at: refinement('unit'),
    values: ['image'],
  },
  {
    name: 'steps',
    at: refinement('refinedSteps'),
    values: ['early', 'late', { every: 2 }, { from: 0.75, to: 1 }],
  },
  {
    name: 'priorSteps',
    note: 'at lambda = 0.3',
    at: refinement('priorSteps'),
    points: [2, 8].map((steps) => ({ [lambda]: 0.3, [refinement('priorSteps')]: steps })),
  },
  {
    name: 'guidance',
    note: 'for the refined and the unrefined model alike',
    at: 'guidance',
    values: [1.5, 2, 3],
  },
];

/** The knobs that the paper's section 3 leaves open. */
export const REFINEMENT_KNOBS: readonly RefinementKnob[] = TRIED.map(({ note, ...knob }) => {
  const meaning = descriptionOf(runSchema, knob.at);
  return { ...knob, description: note ? `${meaning}; ${note}` : meaning };
});

/** What an ablation is asked for. */
export interface AblationOptions {
  model: 'AR' | 'MAR';
  /** Default all of `REFINEMENT_KNOBS`. */
  knobs?: readonly string[];
  /** Sampling seeds 0 .. seeds - 1; default 5. */
  seeds?: number;
  /** Images per row, a multiple of the ten classes; default 500. */
  images?: number;
}

/** The sweep of an ablation: each knob alone and what shows only together; every point beside the base and beside itself without refinement. */
export function ablationSweep({ model, knobs, seeds = 5, images = 500 }: AblationOptions): SweepFile {
  const chosen = REFINEMENT_KNOBS.filter(({ name }) => knobs?.includes(name) ?? true);
  return {
    experiment: 'refinement',
    base: { model, images, measure: false, refinement: { method: 'optimal-transport' } },
    // The law of the buffer does nothing without refinement: one control for all of its sizes.
    control: { refinement: { method: 'none' }, law: {} },
    points: chosen.flatMap(({ points = [] }) => points),
    oneAtATime: Object.fromEntries(chosen.flatMap(({ at, values }) => (values ? [[at, values]] : []))),
    seeds: Array.from({ length: seeds }, (_, seed) => seed),
  };
}
