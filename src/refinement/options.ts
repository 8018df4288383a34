/** Every option of a refinement: `z.input` is what users write (JSON), `z.output` what the code gets, defaults filled in. */
import { z } from 'zod';
import { describedObject, oneOf, parseOptions } from '../runtime/options';
import { GROUPINGS } from './grouping';
import { INVERSE_KINDS } from './inverse-process';

const COST_SPACES = ['condition', 'standardised', 'whitened', 'predictive', 'latent'] as const;
export type CostSpace = (typeof COST_SPACES)[number];

/** What is a point of the transport: the condition of one token, or those of all tokens that an image gets in one AR step. */
const UNITS = ['token', 'image'] as const;
export type TransportUnit = (typeof UNITS)[number];

/** A positive number; infinity is the text "infinite" outside, since JSON has no number for it, and `Infinity` inside. */
const positiveOrInfinite = z
  .union([z.number().positive(), z.literal('infinite')], { error: 'expected a number > 0, or "infinite"' })
  .transform((value) => (value === 'infinite' ? Number.POSITIVE_INFINITY : value))
  .default(Number.POSITIVE_INFINITY);

const transportFields = {
  iterations: z.number().int().min(1).max(1000).default(1).describe('K, the iterations per token'),
  eta: positiveOrInfinite.describe(
    'step size of the gradient flow: the cloud moves by 2 eta / (1 + 2 eta); infinite goes all the way',
  ),
  etaSchedule: z.enum(['constant', 'inverse']).default('constant').describe('step size constant, or eta / k'),
  scheme: z
    .enum(['proximal', 'euler'])
    .default('proximal')
    .describe('the exact proximal step, or the explicit one, which needs eta (1 + lambda) < 1'),
  lambda: z.number().min(0).finite().default(0).describe('weight of the inverse process'),
  epsilon: z
    .number()
    .positive()
    .finite()
    .default(0.05)
    .describe('entropic regularisation, relative to the mean cost (that of masks not counted)'),
  epsilonAnnealing: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe('factor by which epsilon falls from one iteration to the next; the last one has epsilon'),
  sinkhornIterations: z.number().int().min(1).default(200).describe('most Sinkhorn iterations'),
  tolerance: z.number().positive().default(1e-3).describe('relative marginal error at which Sinkhorn stops'),
  marginalPenalty: positiveOrInfinite.describe(
    'unbalanced transport: weight of the marginals, relative to the mean cost; infinite is balanced',
  ),
  projection: z
    .enum(['restored', 'plain', 'geodesic', 'debiased', 'self-debiased'])
    .default('restored')
    .describe(
      "shrinkage of the entropic average: restored to the target's variance, left, made good after the step (geodesic), or subtracted as the cloud's own, without or with self-matches",
    ),
  cost: z
    .enum(COST_SPACES)
    .default('condition')
    .describe(
      'space of the cost: conditions, over their standard deviations, whitened, projected on I* (predictive), or the sampled prior against real latents',
    ),
  predictiveShare: z
    .number()
    .positive()
    .max(1)
    .default(0.99)
    .describe('share of the linear predictive information that the cost "predictive" keeps'),
  maskWeight: z
    .number()
    .min(0)
    .finite()
    .default(0)
    .describe('adds this times the mean cost times the share of tokens that are visible on one side only'),
  maskResidual: z.boolean().default(false).describe('couple and move only what the visible tokens do not predict'),
  minimumSpread: z
    .number()
    .min(0)
    .default(0.25)
    .describe("refinement stops where the variance would fall below this share of the target's"),
  maximumSpread: z
    .number()
    .positive()
    .default(4)
    .describe("refinement stops where the variance would rise above this multiple of the target's"),
};

const share = z.number().min(0).max(1);

/** What every method has: its buffer, and where and when it acts. */
const hookFields = {
  buffer: describedObject({
    grouping: z.enum(GROUPINGS).default('class-position-step').describe('which conditions share an ideal law'),
    capacity: z.number().int().min(1).default(100).describe('m, rows of the buffer per group'),
    replacement: z
      .union([z.literal('reservoir'), z.strictObject({ halfLife: z.number().positive() })])
      .default('reservoir')
      .describe('which rows a full group evicts: a uniform sample of all rows, or with a half-life in rows'),
  }).prefault({}),
  inverse: z
    .enum(INVERSE_KINDS)
    .default('ridge')
    .describe('T^-1, which lambda weighs: ridge regression or a small network'),
  // the reverse process cannot be strided in one step
  priorSteps: z.number().int().min(2).max(1000).default(4).describe('DDIM steps of the sampled prior'),
  refinedSteps: z
    .union([
      z.enum(['all', 'early', 'late']),
      z.strictObject({ every: z.number().int().min(1) }),
      z.strictObject({ from: share, to: share }),
      z.array(z.number().int().min(0)),
    ])
    .default('all')
    .describe(
      'which AR steps are refined: all, the first or last half, every n-th, those in [from, to) as shares, or a list',
    ),
  unit: z
    .enum(UNITS)
    .default('token')
    .describe('what is a point of the transport: a token, or all that an image gets in a step (for AR the same)'),
  minimumRows: z.number().int().min(1).default(8).describe('smaller groups are left unchanged'),
  adaptive: z.boolean().default(false).describe('only the share of each step that drift above the floor warrants'),
};

const method = <M extends string, F extends z.ZodRawShape>(name: M, description: string, fields: F) =>
  describedObject({ method: z.literal(name), ...fields, ...hookFields }).describe(description);

const METHODS = [
  method('optimal-transport', 'Algorithm 1: entropic transport to the ideal law', transportFields),
  method('none', 'conditions as the transformer made them', {}),
  method('shrink', "towards the cloud's own mean by a fixed share", {
    keep: z.number().min(0).default(0.9).describe('share of the deviation from the mean that stays'),
  }),
  method('ema-smoothing', "moving average of an image's conditions along the AR steps", {
    decay: z.number().min(0).lt(1).default(0.5).describe('weight of the past; 0 changes nothing'),
    centre: z
      .enum(['ideal', 'none'])
      .default('ideal')
      .describe("what is smoothed: the deviation from the ideal law's mean, or the bare condition"),
  }),
  method('coordinate-moments', 'mean and variance of each coordinate of the ideal law', {}),
  method('gaussian-moments', 'mean and covariance of the ideal law (optimal map between Gaussians)', {
    floor: z.number().positive().default(0.05).describe('added to both covariances, relative to the mean variance'),
  }),
  method('nearest-neighbour', 'the nearest condition of the buffer: pure retrieval', {}),
  method('predictive-projection', 'projection on I*, the directions that predict the token', {
    share: z.number().positive().max(1).default(0.99).describe('share of the linear predictive information of I*'),
    keep: share.default(0).describe('what is left of the redundant part; 1 changes nothing'),
  }),
  method('residual-mlp', 'a small network trained to take noise off ideal conditions', {
    noise: z.number().positive().default(0.05).describe("variance of the training noise over the group's"),
    hidden: z.number().int().min(1).default(128).describe('width of the two hidden layers'),
    steps: z.number().int().min(1).default(600).describe('updates'),
    batch: z.number().int().min(1).default(256).describe('rows per update'),
    rate: z.number().positive().default(2e-3).describe('learning rate'),
  }),
  method('guidance', 'classifier-free guidance; its scale is to be tuned', {
    scale: z.number().min(0).default(1.5).describe('scale, growing linearly with the generated share'),
    steps: z.number().int().min(1).max(1000).optional().describe('reverse steps per token; default those of the model'),
  }),
  method('more-steps', 'more denoising steps', {
    steps: z.number().int().min(1).max(1000).describe('reverse steps per token'),
  }),
] as const;

/** Names of all methods, in the order of a table. */
export const METHOD_NAMES = METHODS.map(({ shape }) => shape.method.value);
export type RefinementMethod = (typeof METHOD_NAMES)[number];

/** Methods and costs that work on conditions of any width; the others know single tokens, or follow them from step to step. */
const JOINT: readonly string[] = ['optimal-transport', 'nearest-neighbour', 'coordinate-moments', 'shrink', 'none'];
const JOINT_COSTS: readonly string[] = ['condition', 'standardised', 'latent'];

function stableStep(
  { scheme, eta, lambda }: { scheme: string; eta: number; lambda: number },
  context: z.RefinementCtx,
): void {
  if (scheme === 'proximal' || eta * (1 + lambda) < 1) return;
  const message =
    "eta (1 + lambda) < 1 with the scheme 'euler': beyond it the step overshoots further each time; 'proximal' is stable for every eta";
  context.addIssue({ code: 'custom', path: ['eta'], message });
}

/** A whole refinement: a method with its options, and those that every method has. */
export const refinementSchema = z
  .discriminatedUnion('method', METHODS, { error: oneOf('method', METHOD_NAMES) })
  .superRefine((options, context) => {
    const { method, unit } = options;
    const cost = method === 'optimal-transport' ? options.cost : 'condition';
    if (unit === 'image' && !(JOINT.includes(method) && JOINT_COSTS.includes(cost))) {
      const found = JOINT.includes(method) ? `cost '${cost}'` : `method '${method}'`;
      const message = `'token' with ${found}; 'image' needs one of the methods ${JOINT.join(', ')}, with one of the costs ${JOINT_COSTS.join(', ')}`;
      context.addIssue({ code: 'custom', path: ['unit'], message });
    }
    if (options.method === 'optimal-transport') stableStep(options, context);
  });

/** A refinement as plain JSON; what is left out has its default. */
export type RefinementOptions = z.input<typeof refinementSchema>;

/** The same with every default filled in. */
export type RefinementConfiguration = z.output<typeof refinementSchema>;

/** The options of one method. */
export type MethodOptions<M extends RefinementMethod> = Omit<
  Extract<RefinementConfiguration, { method: M }>,
  'method' | keyof typeof hookFields
>;

/** Which AR steps are refined. */
export type StepChoice = RefinementConfiguration['refinedSteps'];

/**
 * Checks a refinement given as JSON, or by the name of its method, and fills in all defaults.
 * @throws InvalidInputError naming an unknown method or field (with the nearest) or a wrong value.
 */
export function refinementConfiguration(given: RefinementOptions | RefinementMethod): RefinementConfiguration {
  return parseOptions('a refinement', refinementSchema, typeof given === 'string' ? { method: given } : given);
}

const transportSchema = describedObject(transportFields).superRefine(stableStep);

/** Options of Algorithm 1 alone, as users write them, and with every default filled in. */
export type OptimalTransportOptions = z.input<typeof transportSchema>;
export type OptimalTransportSettings = z.output<typeof transportSchema>;

/**
 * The options of Algorithm 1 in effect.
 * @throws InvalidInputError naming the wrong field, or an explicit step beyond its stability bound.
 */
export function optimalTransportOptions(options: OptimalTransportOptions = {}): OptimalTransportSettings {
  return parseOptions('the optimal-transport refinement', transportSchema, options);
}

/** One row per option of Algorithm 1 and of its hook: name, default as users write it, and meaning. */
export function refinementOptionTable(): { option: string; default: string; meaning: string }[] {
  const defaults = refinementConfiguration('optimal-transport');
  const rows = (fields: z.ZodRawShape, values: object, prefix = ''): ReturnType<typeof refinementOptionTable> =>
    Object.entries(fields).flatMap(([name, field]) => {
      const value: unknown = values[name as keyof typeof values];
      const written = value === Number.POSITIVE_INFINITY ? 'infinite' : String(value);
      return [{ option: `${prefix}${name}`, default: written, meaning: (field as z.ZodType).description ?? '' }];
    });
  const { buffer, ...own } = hookFields;
  return [
    ...rows(transportFields, defaults),
    ...rows(buffer.unwrap().shape, defaults.buffer, 'buffer.'),
    ...rows(own, defaults),
  ];
}
