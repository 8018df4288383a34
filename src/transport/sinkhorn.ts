import { resolveSettings, type SinkhornOptions } from './options';
import { solveFloat64 } from './oracle';
import { prepareProblem, type TransportProblem } from './problem';
import { SinkhornResult } from './result';

/**
 * Entropic optimal transport by Sinkhorn's algorithm (Cuturi 2013): the plan P that minimises
 * <P, C> + epsilon KL(P | a b^T) with marginals a [n] and b [m].
 *
 * ```ts
 * const result = sinkhorn({ x, y, dimension: 16 }, { epsilon: { value: 0.05, relativeTo: 'mean' } });
 * result.status; result.cost; barycentricProjection(result, y);
 * ```
 * Never returns NaN: check `status`, and `remedy` when it is not `converged`.
 */
export function sinkhorn(problem: TransportProblem, options: SinkhornOptions = {}): SinkhornResult {
  const prepared = prepareProblem(problem);
  const settings = resolveSettings(options, prepared);
  return new SinkhornResult(prepared, settings, solveFloat64(prepared, settings));
}
