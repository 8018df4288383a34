/** Rivals of the optimal-transport refinement, each a plain JSON object, so that each can stand beside it at equal cost. */
import { z } from 'zod';
import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { type Key, key as keyOf } from '../runtime/random';
import { type FineTuneOptions, fineTuneSchema } from '../training/refined-task';
import { nearestRespacing } from './equal-time';
import type { IdealConditions } from './ideal-conditions';
import type { Refiner } from './refiner';
import { emaSmoothing } from './rivals/ema-smoothing';
import { coordinateMoments, gaussianMoments } from './rivals/moments';
import { nearestNeighbour } from './rivals/nearest-neighbour';
import { predictiveProjection } from './rivals/predictive-projection';
import { fitResidualMlp } from './rivals/residual-mlp';
import { shrink } from './rivals/shrink';

export { coordinateMoments, gaussianMoments, nearestNeighbour, shrink };

/** Options of each rival with their defaults. */
const SCHEMAS = {
  none: z.strictObject({}),
  /** `keep`: share of the deviation from the mean that stays. */
  shrink: z.strictObject({ keep: z.number().min(0).default(0.9) }),
  'ema-smoothing': z.strictObject({
    decay: z.number().min(0).lt(1).default(0.5),
    centre: z.enum(['ideal', 'none']).default('ideal'),
  }),
  'coordinate-moments': z.strictObject({}),
  /** `floor`: added to both covariances, relative to the mean variance. */
  'gaussian-moments': z.strictObject({ floor: z.number().positive().default(0.05) }),
  'nearest-neighbour': z.strictObject({}),
  'predictive-projection': z.strictObject({
    share: z.number().positive().max(1).default(0.99),
    keep: z.number().min(0).max(1).default(0),
  }),
  'residual-mlp': z.strictObject({
    noise: z.number().positive().default(0.05),
    hidden: z.number().int().min(1).default(128),
    steps: z.number().int().min(1).default(600),
    batch: z.number().int().min(1).default(256),
    rate: z.number().positive().default(2e-3),
  }),
  /** `scale`: of classifier-free guidance, growing linearly with the generated share; `steps`: of the reverse process, fewer since each costs twice. */
  guidance: z.strictObject({
    scale: z.number().min(0).default(1.5),
    steps: z.number().int().min(1).max(1000).optional(),
  }),
  /** `steps`: of the reverse process per token; left out, as many as the time of the refinement buys. */
  'more-steps': z.strictObject({ steps: z.number().int().min(1).max(1000).optional() }),
  'scheduled-sampling': fineTuneSchema
    .omit({ passThrough: true })
    .extend({ ownHistory: z.number().positive().max(1).default(0.25) }),
};

export type RivalMethod = keyof typeof SCHEMAS;

/** A rival as plain JSON: its method and its options; options left out have their defaults. */
export type RivalOptions = { [M in RivalMethod]: { method: M } & Named<z.input<(typeof SCHEMAS)[M]>> }[RivalMethod];

/** Without the index signature by which an empty schema forbids every field, those that a rival has beside its options included. */
type Named<Options> = { [Name in keyof Options as string extends Name ? never : Name]: Options[Name] };

/** What there is: one row per rival, in the order of a table. */
export interface RivalRow {
  method: RivalMethod;
  /** One line for a table. */
  description: string;
  /** Where it acts: on conditions between transformer and denoiser, on how tokens are sampled, or on the weights. */
  acts: 'conditions' | 'sampling' | 'training';
  /** What it is given besides the model. */
  needs: 'nothing' | 'ideal law' | 'ideal law with tokens' | 'measured times' | 'training data';
}

const row = (method: RivalMethod, acts: RivalRow['acts'], needs: RivalRow['needs'], description: string): RivalRow => ({
  method,
  description,
  acts,
  needs,
});

export const RIVAL_TABLE: readonly RivalRow[] = [
  row('none', 'conditions', 'nothing', 'conditions as the transformer made them'),
  row('shrink', 'conditions', 'nothing', "towards the cloud's own mean by a fixed share"),
  row('ema-smoothing', 'conditions', 'ideal law', "moving average of an image's conditions along the AR steps"),
  row('coordinate-moments', 'conditions', 'ideal law', 'mean and variance of each coordinate of the ideal law'),
  row(
    'gaussian-moments',
    'conditions',
    'ideal law',
    'mean and covariance of the ideal law (optimal map between Gaussians)',
  ),
  row('nearest-neighbour', 'conditions', 'ideal law', 'the nearest condition of the buffer: pure retrieval'),
  row(
    'predictive-projection',
    'conditions',
    'ideal law with tokens',
    'projection on I*, the directions that predict the token',
  ),
  row('residual-mlp', 'conditions', 'ideal law', 'a small network trained to take noise off ideal conditions'),
  row('guidance', 'sampling', 'nothing', 'classifier-free guidance; its scale is to be tuned'),
  row('more-steps', 'sampling', 'measured times', 'more denoising steps in the time of the refinement'),
  row('scheduled-sampling', 'training', 'training data', 'fine-tune with own samples among the history'),
];

/**
 * The options in effect, with the method: what sweeps key rows by.
 * @throws InvalidInputError for an unknown method (naming the nearest) or a wrong field.
 */
export function rivalOptions(given: RivalOptions | RivalMethod): RivalOptions {
  const { method, ...options } = typeof given === 'string' ? { method: given } : given;
  const schema: z.ZodType | undefined = SCHEMAS[method];
  if (!schema) {
    const near = closest(String(method), Object.keys(SCHEMAS));
    throw new InvalidInputError('Rival', {
      given: `method ${JSON.stringify(method)}`,
      expected: `one of ${Object.keys(SCHEMAS).join(', ')}`,
      remedy: near ? `Did you mean "${near}"?` : 'Correct the method.',
    });
  }
  return { method, ...(parseOptions(`the rival ${method}`, schema, options) as object) } as RivalOptions;
}

/** What a rival changes of a generation. */
export interface Rival {
  /** Plug it in with `conditionRefinement`. */
  refiner?: Refiner;
  /** Scale of classifier-free guidance. */
  guidance?: number;
  /** Steps of the reverse process. */
  respacing?: string;
  /** The weights must come from this fine-tune (`refinedTask`, without a coupling). */
  fineTune?: FineTuneOptions;
  /** Share of the training noise that a residual network leaves on held-out rows: 1 = it learned nothing. */
  noiseLeft?: number;
  /** Frees the weights of a rival that has any. */
  dispose?(): void;
}

/** What rivals may need to be made. */
export interface RivalMaterials {
  /** For the residual network: the buffer that it is fitted to. */
  ideal?: IdealConditions;
  /** Of its weights and noise; default a fixed one. */
  key?: Key;
  /** For more steps: what `equalTimeSteps` found. */
  equalTime?: { steps: number };
}

/** Makes a rival from its JSON. @throws InvalidInputError for wrong options or missing materials. */
export async function makeRival(given: RivalOptions | RivalMethod, materials: RivalMaterials = {}): Promise<Rival> {
  const options = rivalOptions(given) as {
    [M in RivalMethod]: { method: M } & z.output<(typeof SCHEMAS)[M]>;
  }[RivalMethod];
  switch (options.method) {
    case 'none':
      return {};
    case 'shrink':
      return { refiner: shrink(options.keep) };
    case 'ema-smoothing':
      return { refiner: emaSmoothing(options) };
    case 'coordinate-moments':
      return { refiner: coordinateMoments };
    case 'gaussian-moments':
      return { refiner: (group) => gaussianMoments(group, options.floor) };
    case 'nearest-neighbour':
      return { refiner: nearestNeighbour };
    case 'predictive-projection':
      return { refiner: predictiveProjection(options) };
    case 'residual-mlp': {
      const ideal = required(materials.ideal, options.method, 'ideal', 'the buffer of ideal conditions');
      return fitResidualMlp(ideal, materials.key ?? keyOf(0), options);
    }
    case 'guidance':
      return { guidance: options.scale, ...(options.steps ? { respacing: nearestRespacing(options.steps) } : {}) };
    case 'more-steps': {
      const steps = options.steps ?? materials.equalTime?.steps;
      return {
        respacing: nearestRespacing(
          required(steps, options.method, 'equalTime', '`steps`, or what `equalTimeSteps` found'),
        ),
      };
    }
    case 'scheduled-sampling': {
      const { method, ...fineTune } = options;
      return { fineTune };
    }
  }
}

function required<T>(value: T | undefined, method: string, name: string, what: string): T {
  if (value !== undefined) return value;
  throw new InvalidInputError(`Rival ${method}`, {
    given: `no \`${name}\``,
    expected: what,
    remedy: `Pass \`${name}\` among the materials.`,
  });
}

/** Rivals that need nothing but the group, by the names of notebook 11. */
export const RIVALS: Readonly<Record<string, Refiner>> = {
  none: ({ conditions }) => ({ conditions, iterations: [], kept: 'no refinement asked for' }),
  'shrink to the mean': shrink(0.9),
  'coordinate moments': coordinateMoments,
  'Gaussian moments': gaussianMoments,
  'nearest neighbour': nearestNeighbour,
};
