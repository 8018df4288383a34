import { z } from 'zod';
import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { conditionRefinement, type RefinementReport, type RefinementSettings } from './condition-refinement';
import { GROUPINGS, type IdealConditions } from './ideal-conditions';
import { inverseOfBuffer } from './inverse-of-buffer';
import { optimalTransportRefiner } from './optimal-transport';
import {
  type OptimalTransportOptions,
  type OptimalTransportSettings,
  optimalTransportOptions,
  optimalTransportSchema,
} from './optimal-transport-options';
import { makeRival, RIVAL_TABLE, type Rival, type RivalMaterials, type RivalOptions, rivalOptions } from './rivals';
import { type StepChoice, stepPredicate } from './steps';
import { type TransportUnit, UNITS } from './units';

/** What every refinement has, whatever its method. */
export interface PlugOptions {
  /** The buffer that it wants: how conditions are grouped, rows kept per group, and what becomes of old rows. */
  buffer?: {
    /** Default `class-position-step`. */
    grouping?: IdealConditions['grouping'];
    /** Default 100. */
    capacity?: number;
    /** Default `reservoir`. */
    upkeep?: IdealConditions['upkeep'];
  };
  /** T^-1: `none`, `ridge` or `mlp`; default `ridge` when lambda > 0, else `none`. */
  inverse?: 'none' | 'ridge' | 'mlp';
  /** One map for all tokens (`global`, default), or with each group's own means (`group`), see `InverseOptions`. */
  inverseScope?: 'global' | 'group';
  /** DDIM steps of the sampled prior, at least 2; default 4. */
  priorSteps?: number;
  /** `iteration` (default) or `step`, see `RefinementSettings`. */
  priorReuse?: 'iteration' | 'step';
  /** Which AR steps are refined, see `StepChoice`; default `all`. */
  refinedSteps?: StepChoice;
  /** What is a point of the transport: `token` (default) or `image`, see `TransportUnit`. */
  unit?: TransportUnit;
  /** Default 8. */
  minimumRows?: number;
  /** Default false, see `RefinementSettings`. */
  adaptive?: boolean;
}

/** A whole refinement as plain JSON: a method with its options, and how it is plugged in. What is left out has its default. */
export type RefinementOptions = PlugOptions &
  (({ method: 'optimal-transport' } & OptimalTransportOptions) | RivalOptions);

/** The same with every default filled in. It is JSON (infinite numbers are `"infinite"`), and parses to itself. */
export interface RefinementConfiguration extends Required<Omit<PlugOptions, 'buffer'>> {
  buffer: Required<NonNullable<PlugOptions['buffer']>>;
  method: string;
  [option: string]: unknown;
}

const share = z.number().min(0).max(1);
const plugSchema = z.strictObject({
  buffer: z
    .strictObject({
      grouping: z.enum(GROUPINGS).default('class-position-step'),
      capacity: z.number().int().min(1).default(100),
      upkeep: z
        .union([z.literal('reservoir'), z.strictObject({ halfLife: z.number().positive() })])
        .default('reservoir'),
    })
    .prefault({}),
  inverse: z.enum(['none', 'ridge', 'mlp']).optional(),
  inverseScope: z.enum(['global', 'group']).default('global'),
  priorSteps: z.number().int().min(2).max(1000).default(4), // the reverse process cannot be strided in one step
  priorReuse: z.enum(['iteration', 'step']).default('iteration'),
  refinedSteps: z
    .union([
      z.enum(['all', 'early', 'late']),
      z.strictObject({ every: z.number().int().min(1) }),
      z.strictObject({ from: share, to: share }),
      z.array(z.number().int().min(0)),
    ])
    .default('all'),
  unit: z.enum(UNITS).default('token'),
  minimumRows: z.number().int().min(1).default(8),
  adaptive: z.boolean().default(false),
});
const PLUG_FIELDS = Object.keys(plugSchema.shape);

/**
 * Checks a refinement given as JSON, or by the name of its method, and fills in all defaults.
 * @throws InvalidInputError naming an unknown method or field (with the nearest), a wrong value, or lambda without an inverse.
 */
export function refinementConfiguration(given: RefinementOptions | string): RefinementConfiguration {
  const { method, ...fields } = (typeof given === 'string' ? { method: given } : given) as Record<string, unknown>;
  const methods = ['optimal-transport', ...RIVAL_TABLE.map((row) => row.method as string)];
  if (!methods.includes(String(method))) throw unknown('method', String(method), methods);
  const part = (ofPlug: boolean) =>
    Object.fromEntries(Object.entries(fields).filter(([name]) => PLUG_FIELDS.includes(name) === ofPlug));
  const plug = parseOptions('a refinement', plugSchema, part(true));
  const options =
    method === 'optimal-transport'
      ? transportJson(part(false))
      : rivalOptions({ method, ...part(false) } as RivalOptions);
  const lambda = method === 'optimal-transport' ? Number((options as { lambda: number }).lambda) : 0;
  const inverse = plug.inverse ?? (lambda > 0 ? 'ridge' : 'none');
  if (lambda > 0 && inverse === 'none') {
    throw new InvalidInputError('Options of a refinement, inverse', {
      given: `inverse 'none' with lambda = ${lambda}`,
      expected: 'an inverse process, which lambda weighs',
      remedy: "Set inverse to 'ridge' or 'mlp', or lambda to 0.",
    });
  }
  if (plug.unit === 'image') requireJoint(String(method), (options as { cost?: string }).cost);
  return { ...options, method: String(method), ...plug, inverse } as RefinementConfiguration;
}

/** Methods and costs that work on conditions of any width; the others know single tokens, or follow them from step to step. */
const JOINT = ['optimal-transport', 'nearest-neighbour', 'coordinate-moments', 'shrink', 'none'];
const JOINT_COSTS = ['condition', 'standardised', 'latent'];

function requireJoint(method: string, cost = 'condition'): void {
  if (JOINT.includes(method) && JOINT_COSTS.includes(cost)) return;
  throw new InvalidInputError('Options of a refinement, unit', {
    given: `unit 'image' with ${JOINT.includes(method) ? `cost '${cost}'` : `method '${method}'`}`,
    expected: `one of the methods ${JOINT.join(', ')}, with one of the costs ${JOINT_COSTS.join(', ')}`,
    remedy: "Change the method or the cost, or set unit to 'token'.",
  });
}

/** Options of the method alone, infinite numbers as text. */
function transportJson(given: Record<string, unknown>): Record<string, unknown> {
  const known = [...Object.keys(optimalTransportSchema.shape), ...PLUG_FIELDS];
  const strange = Object.keys(given).find((name) => !known.includes(name));
  if (strange) throw unknown('field', strange, known);
  const settings: OptimalTransportSettings = optimalTransportOptions(given as OptimalTransportOptions);
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, value === Infinity ? 'infinite' : value]),
  );
}

function unknown(what: string, given: string, known: readonly string[]): InvalidInputError {
  const near = closest(given, known);
  return new InvalidInputError(`Options of a refinement, ${what}`, {
    given: JSON.stringify(given),
    expected: `one of ${known.join(', ')}`,
    remedy: near ? `Did you mean "${near}"?` : `Correct the ${what}.`,
  });
}

/** A refinement ready to be plugged in. */
export interface PluggedRefinement {
  configuration: RefinementConfiguration;
  /** The refiner, with all that it is given; absent for a rival that acts elsewhere than on conditions, or `none`. */
  settings?: RefinementSettings;
  /** What a rival changes beside conditions (guidance, denoising steps, weights); its `dispose` frees a network. */
  rival?: Rival;
  /** A fresh hook and report for one generation; absent without settings. */
  plug?(more?: Pick<RefinementSettings, 'measure' | 'observe'>): ReturnType<typeof conditionRefinement>;
}

/**
 * Makes a refinement from its JSON and a buffer of ideal conditions, from which T^-1 is fitted where it is wanted.
 * @throws InvalidInputError for wrong options, a buffer of another model or of another grouping than the configuration says.
 */
export async function makeRefinement(
  given: RefinementOptions | string,
  ideal: IdealConditions,
  fingerprint: string,
  materials: Omit<RivalMaterials, 'ideal'> = {},
): Promise<PluggedRefinement> {
  const configuration = refinementConfiguration(given);
  const { method, inverse, inverseScope, priorSteps, priorReuse, refinedSteps, unit, minimumRows, adaptive, buffer } =
    configuration;
  if (buffer.grouping !== ideal.grouping) {
    throw new InvalidInputError('Refinement, grouping of the buffer', {
      given: `a buffer grouped by ${ideal.grouping}`,
      expected: `${buffer.grouping}, as the configuration says`,
      remedy:
        'Collect the ideal conditions with that grouping, or state the grouping of the buffer in the configuration.',
    });
  }
  const rival =
    method === 'optimal-transport' ? undefined : await makeRival(ownOptions(configuration), { ...materials, ideal });
  const refiner = rival ? rival.refiner : optimalTransportRefiner(ownOptions(configuration));
  if (!refiner) return { configuration, rival };
  const settings: RefinementSettings = {
    refiner,
    ideal,
    fingerprint,
    ...(inverse === 'none'
      ? {}
      : { inverse: { process: inverseOfBuffer(ideal, { kind: inverse, scope: inverseScope }), priorSteps } }),
    priorSteps,
    priorReuse,
    steps: stepPredicate(refinedSteps),
    unit,
    minimumRows,
    adaptive,
  };
  return { configuration, settings, rival, plug: (more) => conditionRefinement({ ...settings, ...more }) };
}

/** The options of the method (a rival's with its name), without how it is plugged in. */
function ownOptions({ method, ...fields }: RefinementConfiguration): OptimalTransportOptions & RivalOptions {
  const own = Object.entries(fields).filter(([name]) => !PLUG_FIELDS.includes(name));
  return Object.fromEntries(
    method === 'optimal-transport' ? own : [['method', method], ...own],
  ) as unknown as OptimalTransportOptions & RivalOptions;
}

export type { RefinementReport };
