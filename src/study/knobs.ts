import { GROUPINGS } from '../refinement/grouping';
import { descriptionOf } from '../runtime/options';
import type { Json } from '../sweep/configuration';
import type { SweepFile } from '../sweep/plan';
import { runSchema } from './run-configuration';

type Range = NonNullable<SweepFile['random']>['ranges'][string];

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
  /** Drawn from in a random search; left out where the knob means nothing alone. */
  range?: Range;
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
    range: { from: 1, to: 4, integer: true },
  },
  {
    name: 'epsilon',
    at: refinement('epsilon'),
    values: [0.0125, 0.025, 0.1, 0.2, 0.5],
    range: { from: 0.01, to: 0.5, scale: 'log' },
  },
  {
    name: 'lambda',
    at: lambda,
    values: [0.1, 0.3, 1],
    range: { values: [0, 0.1, 0.3, 1] },
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
    range: { values: [0.25, 0.5, 1, 2, 'infinite'] },
  },
  {
    name: 'etaSchedule',
    note: 'at K = 4 and eta = 0.5',
    at: refinement('etaSchedule'),
    points: [{ [iterations]: 4, [eta]: 0.5, [refinement('etaSchedule')]: 'inverse' }],
    range: { values: ['constant', 'inverse'] },
  },
  {
    name: 'sinkhornIterations',
    at: refinement('sinkhornIterations'),
    values: [2, 10, 50],
    range: { values: [5, 20, 200] },
  },
  {
    name: 'tolerance',
    at: refinement('tolerance'),
    values: [1e-1, 1e-2, 1e-5],
    range: { from: 1e-4, to: 1e-1, scale: 'log' },
  },
  {
    name: 'bufferSize',
    note: 'above 100 with more images behind them',
    at: refinement('buffer.capacity'),
    values: [10, 25, 50],
    points: [{ 'law.perClass': 400, [refinement('buffer.capacity')]: 400 }],
    range: { from: 10, to: 100, integer: true },
  },
  {
    name: 'bufferGroups',
    at: refinement('buffer.grouping'),
    values: GROUPINGS.filter((grouping) => grouping !== 'class-position-step'),
    range: { values: [...GROUPINGS] },
  },
  {
    name: 'cost',
    at: refinement('cost'),
    values: ['standardised', 'whitened', 'predictive', 'latent'],
    range: { values: ['condition', 'standardised', 'whitened', 'predictive', 'latent'] },
  },
  {
    name: 'marginalPenalty',
    at: refinement('marginalPenalty'),
    values: [0.1, 1, 10],
    range: { values: [0.1, 1, 10, 'infinite'] },
  },
  {
    name: 'projection',
    at: refinement('projection'),
    values: ['plain', 'debiased', 'self-debiased'],
    points: [{ [refinement('projection')]: 'geodesic', [eta]: 0.5 }],
    range: { values: ['restored', 'plain', 'debiased', 'self-debiased'] },
  },
  {
    name: 'adaptive',
    at: refinement('adaptive'),
    values: [true],
    range: { values: [false, true] },
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
    range: { values: ['all', 'early', 'late'] },
  },
  {
    name: 'priorSteps',
    note: 'at lambda = 0.3',
    at: refinement('priorSteps'),
    points: [2, 8].map((steps) => ({ [lambda]: 0.3, [refinement('priorSteps')]: steps })),
    range: { from: 2, to: 8, integer: true },
  },
  {
    name: 'guidance',
    note: 'for the refined and the unrefined model alike',
    at: 'guidance',
    values: [1.5, 2, 3],
    range: { values: [1, 1.5, 2] },
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
  /** Points of a random search over the same knobs; default none. */
  random?: number;
  /** Sampling seeds 0 .. seeds - 1; default 5. */
  seeds?: number;
  /** Images per row, a multiple of the ten classes; default 500. */
  images?: number;
}

/**
 * The sweep of an ablation: each knob alone, what shows only together, and a random search over all; every point beside the base and
 * beside itself without refinement.
 */
export function ablationSweep({ model, knobs, random = 0, seeds = 5, images = 500 }: AblationOptions): SweepFile {
  const chosen = REFINEMENT_KNOBS.filter(({ name }) => knobs?.includes(name) ?? true);
  const entries = <T>(of: (knob: RefinementKnob) => T | undefined): [string, T][] =>
    chosen.flatMap((knob): [string, T][] => {
      const found = of(knob);
      return found === undefined ? [] : [[knob.at, found]];
    });
  return {
    experiment: 'refinement',
    base: { model, images, measure: false, refinement: { method: 'optimal-transport' } },
    // The law of the buffer does nothing without refinement: one control for all of its sizes.
    control: { refinement: { method: 'none' }, law: {} },
    points: chosen.flatMap(({ points = [] }) => points),
    oneAtATime: Object.fromEntries(entries(({ values }) => values)),
    ...(random > 0 ? { random: { count: random, ranges: Object.fromEntries(entries(({ range }) => range)) } } : {}),
    seeds: Array.from({ length: seeds }, (_, seed) => seed),
  };
}
