import { InvalidInputError } from '../runtime/errors';
import type { SinkhornResult } from '../transport';
import { type IdealLaw, requireRows } from './law';

/** Parts of the cost of a refinement that are timed. */
export type TimedPart = 'coupling' | 'prior' | 'inverse' | 'adapting' | 'measuring';

/** Conditions of one group (same class, position, step ...), the law that they should follow, and where they come from. */
export interface Group {
  /** `[count, law.width]` conditions that the model made, row-major. */
  conditions: Float32Array;
  law: IdealLaw;
  context: GroupContext;
}

/** What a generation knows of a group. Methods throw an InvalidInputError where a group stands alone and does not know it. */
export interface GroupContext {
  /** The AR step, and for each row its image. */
  origin(): { step: number; samples: Int32Array };
  /** `[count, tokens]`, 1 where a token of the row's image is visible. */
  visibleTokens(): Uint8Array;
  /** The sampled prior: token latents `[count, channels]` by a short DDIM from given conditions. */
  prior(conditions: Float32Array): Float32Array;
  /** The paper's T^-1 of the sampled prior: `[count, width]` to `[count, width]`. */
  inverse(conditions: Float32Array): Float32Array;
  /** Means `[width]` of the other classes' laws, for the guard against a lost class. */
  otherMeans: readonly Float64Array[];
  /** Called after each iteration with what it did, for trajectories, plans and measured rates. */
  observe(at: Observation): void;
  /** Times a part of the work and returns its result. */
  timed<T>(part: TimedPart, run: () => T): T;
}

const STANDALONE: GroupContext = {
  origin: () => missing('the AR step and the images of its rows'),
  visibleTokens: () => missing('which tokens are visible'),
  prior: () => missing('the sampled prior'),
  inverse: () => missing('an inverse process, which lambda weighs'),
  otherMeans: [],
  observe: () => undefined,
  timed: (_, run) => run(),
};

function missing(expected: string): never {
  throw new InvalidInputError('Refinement of a group', {
    given: 'a group that does not have it',
    expected,
    remedy: 'Refine through `conditionRefinement`, pass it to `createGroup`, or leave the option out.',
  });
}

/** A group of conditions; what a generation would know is left out, or given. */
export function createGroup(conditions: Float32Array, law: IdealLaw, context: Partial<GroupContext> = {}): Group {
  return { conditions, law, context: { ...STANDALONE, ...context } };
}

/** One iteration as it happened. */
export interface Observation {
  /** Iteration k, from 0. */
  iteration: number;
  /** `[count, width]` before and after it. */
  before: Float32Array;
  after: Float32Array;
  /** The coupling, where there was one; `coupling.plan` is `[count, targets]`. */
  coupling?: SinkhornResult;
}

/** One iteration k of a refinement, measured on its group. */
export interface Iteration {
  /** Mean squared displacement of a condition in this iteration. */
  displacement: number;
  /** Total variance of the conditions after the iteration over that of the targets. */
  spread: number;
  /** How the solver ended, and after how many iterations; absent where none ran. */
  solver?: string;
  solverIterations?: number;
  /** Factor by which W2 to the ideal law shrinks in this iteration by theory (lambda = 0, exact transport); absent where none holds. */
  rho?: number;
}

/** Result for one group. */
export interface Refined {
  conditions: Float32Array;
  iterations: Iteration[];
  /** Why the group was left, wholly or in part, unchanged. */
  skipReason?: string;
}

/** Any way to change a group of conditions: the paper's, or a baseline method. Pure: never writes to its input. */
export type Refiner = (group: Group) => Refined;

/** @throws InvalidInputError or NumericalError unless the group's conditions are whole rows of finite numbers. */
export function checkGroup({ conditions, law }: Group): void {
  requireRows('conditions', conditions, law.width);
}
