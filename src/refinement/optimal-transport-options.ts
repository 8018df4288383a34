import { z } from 'zod';
import { InvalidInputError } from '../runtime/errors';
import { parseOptions } from '../runtime/options';
import { COST_SPACES, type CostSpace } from './cost-space';

/** Knobs of Algorithm 1; the defaults in effect are what `optimalTransportOptions()` returns. */
export interface OptimalTransportOptions {
  /** K >= 1 iterations; default 1. */
  iterations?: number;
  /**
   * Step size eta > 0 of the gradient flow: the cloud moves by alpha = 2 eta / (1 + 2 eta). Default Infinity (alpha = 1), in JSON
   * `"infinite"`.
   */
  eta?: number | 'infinite';
  /** `constant` (default) or `inverse`: eta / (k + 1). */
  etaSchedule?: 'constant' | 'inverse';
  /**
   * `proximal` (default) is the exact step c <- (b + lambda r + c / (2 eta)) / (1 + lambda + 1 / (2 eta)); `euler` the explicit
   * one, c <- c - 2 eta ((c - b) + lambda (c - r)), which contracts by |1 - 2 eta (1 + lambda)| and so needs eta (1 + lambda) < 1.
   */
  scheme?: 'proximal' | 'euler';
  /** Weight lambda >= 0 of the inverse process; default 0 (none). Needs an inverse process when > 0. */
  lambda?: number;
  /** Epsilon > 0 of Sinkhorn, relative to the mean cost (that of masks not counted); default 0.05. */
  epsilon?: number;
  /** Epsilon of iteration k is epsilon times this to the power K - 1 - k, so that the last one is epsilon; default 1, constant. */
  epsilonAnnealing?: number;
  /** Most Sinkhorn iterations; default 200. */
  sinkhornIterations?: number;
  /** Relative marginal error at which Sinkhorn stops; default 1e-3: conditions need no more. */
  tolerance?: number;
  /**
   * Unbalanced transport: weight of both marginals' KL divergence, relative to the mean cost, so that rows far from every
   * target, and targets far from every row, count for less. Default Infinity (balanced), in JSON `"infinite"`.
   */
  marginalPenalty?: number | 'infinite';
  /**
   * `restored` (default) rescales the projected cloud to the target's total variance; `plain` leaves the shrinkage of the
   * entropic average, which is what `restored` against `plain` at alpha = 1 isolates; `geodesic` leaves the average and rescales
   * the *result* of the step to the spread that the W2 geodesic has there (the same as `restored` at alpha = 1), since steps with
   * alpha < 1 average a row with an unrelated goal and shrink; `debiased` subtracts the cloud's own entropic average, a
   * point's match with itself left out; `self-debiased` the same with it, so that equal clouds stay as they are.
   */
  projection?: 'restored' | 'plain' | 'geodesic' | 'debiased' | 'self-debiased';
  /** Space of the cost, see `CostSpace`; default `condition`. */
  cost?: CostSpace;
  /** Share of the linear predictive information that the cost `predictive` keeps; default 0.99. */
  predictiveShare?: number;
  /** Mask kernel: weight tau >= 0 of the Hamming distance between what is known on both sides, see `CostOptions`; default 0. */
  maskWeight?: number;
  /** Couple and move only what the mask does not predict, see `givenKnown`; default false. */
  maskResidual?: boolean;
  /** Refinement stops where the spread would fall below this share of the target's variance; default 0.25. */
  minimumSpread?: number;
  /** Refinement stops where the spread would rise above this multiple of the target's variance; default 4. */
  maximumSpread?: number;
}

/** All options with their values in effect; `Infinity` is a number here. */
export type OptimalTransportSettings = Omit<Required<OptimalTransportOptions>, 'eta' | 'marginalPenalty'> & {
  eta: number;
  marginalPenalty: number;
};

const positiveOrInfinite = z
  .union([z.number().positive(), z.literal(Infinity), z.literal('infinite')])
  .transform((value) => (value === 'infinite' ? Infinity : value))
  .default(Infinity);

/** The one place where the knobs of Algorithm 1 are checked and given their defaults. */
export const optimalTransportSchema = z.strictObject({
  iterations: z.number().int().min(1).max(1000).default(1),
  eta: positiveOrInfinite,
  etaSchedule: z.enum(['constant', 'inverse']).default('constant'),
  scheme: z.enum(['proximal', 'euler']).default('proximal'),
  lambda: z.number().min(0).finite().default(0),
  epsilon: z.number().positive().finite().default(0.05),
  epsilonAnnealing: z.number().min(1).max(100).default(1),
  sinkhornIterations: z.number().int().min(1).default(200),
  tolerance: z.number().positive().default(1e-3),
  marginalPenalty: positiveOrInfinite,
  projection: z.enum(['restored', 'plain', 'geodesic', 'debiased', 'self-debiased']).default('restored'),
  cost: z.enum(COST_SPACES).default('condition'),
  predictiveShare: z.number().positive().max(1).default(0.99),
  maskWeight: z.number().min(0).finite().default(0),
  maskResidual: z.boolean().default(false),
  minimumSpread: z.number().min(0).default(0.25),
  maximumSpread: z.number().positive().default(4),
});

/**
 * The options in effect.
 * @throws InvalidInputError naming the wrong field, or an explicit step beyond its stability bound.
 */
export function optimalTransportOptions(options: OptimalTransportOptions = {}): OptimalTransportSettings {
  const settings: OptimalTransportSettings = parseOptions(
    'the optimal-transport refinement',
    optimalTransportSchema as unknown as z.ZodType<OptimalTransportSettings>,
    options,
  );
  const { scheme, eta, lambda } = settings;
  if (scheme === 'euler' && !(eta * (1 + lambda) < 1)) {
    throw new InvalidInputError("Options of the optimal-transport refinement, scheme 'euler'", {
      given: `eta = ${eta}, lambda = ${lambda}`,
      expected: 'eta (1 + lambda) < 1: beyond it the explicit step overshoots further each time',
      remedy: "Lower eta, for example to 0.25, or take the scheme 'proximal', which is stable for every eta.",
    });
  }
  return settings;
}
