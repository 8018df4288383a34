import { barycentricProjection, type SinkhornOptions, type SinkhornResult, sinkhorn } from '../transport';
import { costPoints } from './cost-space';
import type { OptimalTransportSettings } from './optimal-transport-options';
import { type Group, lawVariance, rescaled } from './refiner';

/** Where a coupling sends each condition. */
export interface Coupled {
  /** `[count, width]` */
  goal: Float32Array;
  coupling: SinkhornResult;
}

/**
 * Couples the conditions of a group with its targets and projects barycentrically; undefined when the space of the cost is empty.
 * @param annealing factor of epsilon in this iteration.
 */
export function couple(group: Group, options: OptimalTransportSettings, annealing: number): Coupled | undefined {
  const { conditions, targets, width } = group;
  const points = costPoints(group, options);
  if (!points) return undefined;
  const timed = group.timed ?? ((_, run) => run());
  return timed('coupling', () => {
    const solver = solverOptions(options, points.meanCost, annealing);
    const coupling = sinkhorn(points, solver);
    const average = new Float32Array(barycentricProjection(coupling, targets, width));
    if (options.projection === 'plain' || options.projection === 'geodesic') return { goal: average, coupling };
    if (options.projection === 'restored') {
      return { goal: rescaled(average, width, lawVariance(targets, width)), coupling };
    }
    const { x, dimension } = points;
    const self = options.projection === 'debiased' ? withoutSelf(x, dimension) : { x, y: x, dimension };
    const own = barycentricProjection(sinkhorn(self, solver), conditions, width);
    return { goal: average.map((value, i) => value + conditions[i] - own[i]), coupling };
  });
}

function solverOptions(options: OptimalTransportSettings, meanCost: number, annealing: number): SinkhornOptions {
  const scale = meanCost > 0 ? meanCost : 1; // all points equal: any positive epsilon gives the same plan
  return {
    epsilon: options.epsilon * annealing * scale,
    maxIterations: options.sinkhornIterations,
    tolerance: options.tolerance,
    ...(options.marginalPenalty === Infinity ? {} : { unbalanced: { penalty: options.marginalPenalty * scale } }),
  };
}

/** The cloud against itself, a point's match with itself forbidden by a cost far above all others. */
function withoutSelf(x: Float32Array, dimension: number) {
  const count = x.length / dimension;
  const cost = new Float64Array(count * count);
  let largest = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      let sum = 0;
      for (let k = 0; k < dimension; k++) sum += (x[i * dimension + k] - x[j * dimension + k]) ** 2;
      cost[i * count + j] = sum;
      if (sum > largest) largest = sum;
    }
  }
  for (let i = 0; i < count; i++) cost[i * (count + 1)] = 4 * largest;
  return { cost, rows: count, columns: count };
}
