import { z } from 'zod';
import { parseOptions } from '../runtime/options';
import { barycentricProjection } from '../transport/barycentric';
import { sinkhorn } from '../transport/sinkhorn';
import {
  checkGroup,
  type Group,
  type Iteration,
  meanSquaredDistance,
  type Refiner,
  rowMean,
  totalVariance,
} from './refiner';

/** Knobs of Algorithm 1; the defaults in effect are what `optimalTransportOptions()` returns. */
export interface OptimalTransportOptions {
  /** K >= 1 iterations; default 1. */
  iterations?: number;
  /** Step size eta > 0 of the gradient flow: the cloud moves by alpha = 2 eta / (1 + 2 eta). Default Infinity (alpha = 1). */
  eta?: number;
  /** `constant` (default) or `inverse`: eta / (k + 1). */
  etaSchedule?: 'constant' | 'inverse';
  /** Weight lambda >= 0 of the inverse process; default 0 (none). Needs an inverse process when > 0. */
  lambda?: number;
  /** Epsilon > 0 of Sinkhorn, relative to the mean cost; default 0.05. */
  epsilon?: number;
  /** Most Sinkhorn iterations; default 200. */
  sinkhornIterations?: number;
  /** Relative marginal error at which Sinkhorn stops; default 1e-3: conditions need no more. */
  tolerance?: number;
  /**
   * `restored` (default) rescales the projected cloud to the target's total variance; `plain` leaves the shrinkage of
   * the entropic average; `debiased` subtracts the cloud's own entropic average, a point's match with itself left out.
   */
  projection?: 'restored' | 'plain' | 'debiased';
  /** Space of the cost: `condition` (default), or `standardised` by the targets' standard deviation per coordinate. */
  cost?: 'condition' | 'standardised';
  /** Refinement stops where the spread would fall below this share of the target's variance; default 0.25. */
  minimumSpread?: number;
  /** Refinement stops where the spread would rise above this multiple of the target's variance; default 4. */
  maximumSpread?: number;
}

const schema = z.object({
  iterations: z.number().int().min(1).max(1000).default(1),
  eta: z.number().positive().or(z.literal(Infinity)).default(Infinity),
  etaSchedule: z.enum(['constant', 'inverse']).default('constant'),
  lambda: z.number().min(0).finite().default(0),
  epsilon: z.number().positive().finite().default(0.05),
  sinkhornIterations: z.number().int().min(1).default(200),
  tolerance: z.number().positive().default(1e-3),
  projection: z.enum(['restored', 'plain', 'debiased']).default('restored'),
  cost: z.enum(['condition', 'standardised']).default('condition'),
  minimumSpread: z.number().min(0).default(0.25),
  maximumSpread: z.number().positive().default(4),
});

/** The options in effect. @throws InvalidInputError naming the wrong field. */
export function optimalTransportOptions(options: OptimalTransportOptions = {}): Required<OptimalTransportOptions> {
  return parseOptions('the optimal-transport refinement', schema, options) as Required<OptimalTransportOptions>;
}

/** Variance below which all conditions of a group are one point (as at the first step of a class): nothing to couple. */
const ONE_POINT = 1e-10;

/**
 * Algorithm 1 on one group: couples the conditions with samples of the ideal law, projects barycentrically and takes the
 * exact proximal step c <- (b + lambda r + c / (2 eta)) / (1 + lambda + 1 / (2 eta)), K times.
 */
export function optimalTransportRefiner(given: OptimalTransportOptions = {}): Refiner {
  const options = optimalTransportOptions(given);
  return (group) => {
    checkGroup(group);
    const { targets, width } = group;
    const targetVariance = totalVariance(targets, width);
    let conditions = group.conditions;
    const iterations: Iteration[] = [];
    for (let k = 0; k < options.iterations; k++) {
      if (totalVariance(conditions, width) <= ONE_POINT * targetVariance) {
        return { conditions, iterations, kept: 'all conditions are one point' };
      }
      const { next, iteration } = step({ ...group, conditions }, options, k, targetVariance);
      if (!(iteration.spread >= options.minimumSpread && iteration.spread <= options.maximumSpread)) {
        const way = iteration.spread < options.minimumSpread ? 'fall' : 'rise';
        const kept = `the spread would ${way} to ${iteration.spread.toPrecision(3)} of the target's`;
        return { conditions, iterations, kept };
      }
      conditions = next;
      iterations.push(iteration);
    }
    return { conditions, iterations };
  };
}

function step(group: Group, options: Required<OptimalTransportOptions>, k: number, targetVariance: number) {
  const { conditions, width } = group;
  const { goal, transportCost, solver } = project(group, options, targetVariance);
  const eta = options.etaSchedule === 'inverse' ? options.eta / (k + 1) : options.eta;
  const inertia = eta === Infinity ? 0 : 1 / (2 * eta);
  const pull = options.lambda > 0 && group.inverse ? options.lambda : 0;
  const prior = pull > 0 ? group.inverse?.(conditions) : undefined;
  const next = new Float32Array(conditions.length);
  for (let i = 0; i < next.length; i++) {
    next[i] = (goal[i] + (prior ? pull * prior[i] : 0) + inertia * conditions[i]) / (1 + pull + inertia);
  }
  const iteration: Iteration = {
    transportCost,
    displacement: meanSquaredDistance(conditions, next, width),
    spread: totalVariance(next, width) / targetVariance,
    solver,
  };
  return { next, iteration };
}

/** Where the coupling sends each condition: `[count, width]`. */
function project(group: Group, options: Required<OptimalTransportOptions>, targetVariance: number) {
  const { conditions, targets, width } = group;
  const scale = options.cost === 'standardised' ? inverseDeviation(targets, width) : undefined;
  const x = scaled(conditions, scale, width);
  const solver = {
    epsilon: { value: options.epsilon, relativeTo: 'mean' as const },
    maxIterations: options.sinkhornIterations,
    tolerance: options.tolerance,
  };
  const result = sinkhorn({ x, y: scaled(targets, scale, width), dimension: width }, solver);
  const goal = Float32Array.from(barycentricProjection(result, targets, width));
  const found = { transportCost: result.cost, solver: result.status };
  if (options.projection === 'plain') return { goal, ...found };
  if (options.projection === 'restored') {
    const mean = rowMean(goal, width);
    const factor = Math.sqrt(targetVariance / Math.max(totalVariance(goal, width), Number.MIN_VALUE));
    return { goal: goal.map((value, i) => mean[i % width] + factor * (value - mean[i % width])), ...found };
  }
  const self = sinkhorn(withoutSelf(x, width), solver);
  const own = barycentricProjection(self, conditions, width);
  return { goal: goal.map((value, i) => value + conditions[i] - own[i]), ...found };
}

/** The cloud against itself, a point's match with itself forbidden by a cost far above all others. */
function withoutSelf(x: Float32Array, width: number) {
  const count = x.length / width;
  const cost = new Float64Array(count * count);
  let largest = 0;
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (x[i * width + k] - x[j * width + k]) ** 2;
      cost[i * count + j] = sum;
      if (sum > largest) largest = sum;
    }
  }
  for (let i = 0; i < count; i++) cost[i * (count + 1)] = 4 * largest;
  return { cost, rows: count, columns: count };
}

function inverseDeviation(rows: Float32Array, width: number): Float64Array {
  const mean = rowMean(rows, width);
  const variance = new Float64Array(width);
  for (let i = 0; i < rows.length; i++) variance[i % width] += ((rows[i] - mean[i % width]) ** 2 * width) / rows.length;
  const floor = variance.reduce((sum, v) => sum + v, 0) * 1e-6; // a constant coordinate says nothing and must not explode
  return variance.map((v) => 1 / Math.sqrt(v + floor));
}

function scaled(rows: Float32Array, scale: Float64Array | undefined, width: number): Float32Array {
  return scale ? rows.map((value, i) => value * scale[i % width]) : rows;
}
