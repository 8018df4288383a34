import { InvalidInputError, MissingDependencyError } from '../runtime/errors';
import { type KernelModules, kernelModules } from './engine/kernel-modules';
import { solveFloat32 } from './engine/kernel-solver';
import { solveFloat64 } from './engine/oracle';
import { Workspace } from './engine/workspace';
import { resolveSettings, type SinkhornOptions } from './options';
import { type NumberArray, type PointProblem, prepareProblem, type TransportProblem } from './problem';
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

/** A batch of point problems of equal size: `x` [batch, n, dimension], `y` [batch, m, dimension], weights [batch, n] and [batch, m]. */
export interface BatchProblem extends Omit<PointProblem, 'sourceMask' | 'targetMask'> {
  batch: number;
  /** [batch, n] and [batch, m]; 0 gives a point no mass. */
  sourceMask?: Uint8Array;
  targetMask?: Uint8Array;
}

/**
 * Solves `batch` problems of equal size in one memory; a relative epsilon is relative to each problem's own cost.
 * @throws InvalidInputError when the arrays do not divide evenly, and for everything that `sinkhorn` throws.
 */
export function sinkhornBatch(problems: BatchProblem, options: SinkhornOptions = {}): SinkhornResult[] {
  const { batch, x, y, dimension, metric } = problems;
  for (const [name, array] of Object.entries({ x, y })) {
    if (!Number.isInteger(batch) || batch < 1 || array.length % (batch * dimension) !== 0) {
      throw new InvalidInputError(`Batch of transport problems, ${name}`, {
        given: `${array.length} numbers with batch = ${batch}, dimension = ${dimension}`,
        expected: 'batch >= 1 clouds of equal size, row-major [batch, count, dimension]',
        remedy: 'Pad the smaller clouds and give the padding weight 0 or a mask.',
      });
    }
  }
  const modules = modulesFor(options);
  let space: Workspace | undefined;
  try {
    return Array.from({ length: batch }, (_, k) => {
      const prepared = prepareProblem({
        x: part(x, k, batch),
        y: part(y, k, batch),
        dimension,
        metric,
        sourceWeights: problems.sourceWeights && part(problems.sourceWeights, k, batch),
        targetWeights: problems.targetWeights && part(problems.targetWeights, k, batch),
        sourceMask: problems.sourceMask && part(problems.sourceMask, k, batch),
        targetMask: problems.targetMask && part(problems.targetMask, k, batch),
      });
      const settings = resolveSettings(options, prepared);
      if (!modules) return new SinkhornResult(prepared, settings, solveFloat64(prepared, settings));
      space ??= new Workspace(prepared, modules, settings.threads);
      return new SinkhornResult(prepared, settings, solveFloat32(prepared, settings, modules, space));
    });
  } finally {
    space?.release();
  }
}

function part<A extends NumberArray | Uint8Array>(array: A, k: number, batch: number): A {
  const size = array.length / batch;
  return array.subarray(k * size, (k + 1) * size) as A;
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
