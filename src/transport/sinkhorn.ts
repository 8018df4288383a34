import { MissingDependencyError } from '../runtime/errors';
import { type KernelModules, kernelModules } from './engine/kernel-modules';
import { solveFloat32 } from './engine/kernel-solver';
import { solveFloat64 } from './engine/oracle';
import { resolveSettings, type SinkhornOptions } from './options';
import { prepareProblem, type TransportProblem } from './problem';
import { SinkhornResult } from './result';

/** Tolerances below this are beyond the rounding of float32. */
const FLOAT32_TOLERANCE = 5e-7;

/**
 * Entropic optimal transport by Sinkhorn's algorithm (Cuturi 2013): the plan P that minimises
 * <P, C> + epsilon KL(P | a b^T) with marginals a [n] and b [m].
 *
 * ```ts
 * const result = sinkhorn({ x, y, dimension: 16 }, { epsilon: { value: 0.05, relativeTo: 'mean' } });
 * result.status; result.cost; barycentricProjection(result, y);
 * ```
 * Never returns NaN: look at `status`, and at `remedy` when it is not `converged`.
 * @throws InvalidInputError for wrong input or options; MissingDependencyError when `engine: 'float32'` has no kernels.
 */
export function sinkhorn(problem: TransportProblem, options: SinkhornOptions = {}): SinkhornResult {
  const prepared = prepareProblem(problem);
  const settings = resolveSettings(options, prepared);
  const modules = modulesFor(options);
  const solution = modules ? solveFloat32(prepared, settings, modules) : solveFloat64(prepared, settings);
  return new SinkhornResult(prepared, settings, solution);
}

function modulesFor({ engine = 'auto', tolerance = 1e-6 }: SinkhornOptions): KernelModules | undefined {
  if (engine === 'float64' || (engine === 'auto' && tolerance < FLOAT32_TOLERANCE)) return undefined;
  const modules = kernelModules();
  if (!modules && engine === 'float32') {
    throw new MissingDependencyError("Sinkhorn, engine 'float32'", {
      given: 'no compiled kernels',
      expected: 'src/transport/kernels/*.wasm',
      remedy: "Run `npm run build:kernels` (in a browser: await loadKernels), or use engine: 'auto'.",
    });
  }
  return modules;
}
