import { InvalidInputError } from '../runtime/errors';
import { couple } from './couple';
import { objection } from './guards';
import { givenKnown } from './known-residual';
import {
  type OptimalTransportOptions,
  type OptimalTransportSettings,
  optimalTransportOptions,
} from './optimal-transport-options';
import {
  checkGroup,
  type Group,
  type Iteration,
  lawVariance,
  meanSquaredDistance,
  type Refiner,
  rescaled,
  totalVariance,
} from './refiner';

export { type OptimalTransportOptions, optimalTransportOptions } from './optimal-transport-options';

/** Variance below which all conditions of a group are one point (as at the first step of a class): nothing to couple. */
const ONE_POINT = 1e-10;

/**
 * Algorithm 1 on one group: couples the conditions with samples of the ideal law, projects barycentrically and takes a
 * step of the gradient flow, K times; an iteration to which a guard objects is not taken, and ends it.
 */
export function optimalTransportRefiner(given: OptimalTransportOptions = {}): Refiner {
  const options = optimalTransportOptions(given);
  return options.maskResidual ? givenKnown(flow(options)) : flow(options);
}

function flow(options: OptimalTransportSettings): Refiner {
  return (group) => {
    checkGroup(group);
    const { targets, width } = group;
    const targetVariance = lawVariance(targets, width);
    let conditions = group.conditions;
    const iterations: Iteration[] = [];
    for (let k = 0; k < options.iterations; k++) {
      const variance = totalVariance(conditions, width);
      if (variance <= ONE_POINT * targetVariance) {
        return { conditions, iterations, kept: 'all conditions are one point' };
      }
      const annealing = options.epsilonAnnealing ** (options.iterations - 1 - k);
      const coupled = couple({ ...group, conditions }, options, annealing);
      if (!coupled) return { conditions, iterations, kept: 'no direction of the conditions predicts their tokens' };
      const { next, rho } = step({ ...group, conditions }, coupled.goal, options, k, targetVariance);
      const iteration: Iteration = {
        displacement: meanSquaredDistance(conditions, next, width),
        spread: totalVariance(next, width) / targetVariance,
        solver: coupled.coupling.status,
        solverIterations: coupled.coupling.iterations,
        rho,
      };
      const before = { spread: variance / targetVariance, first: iterations[0] };
      const kept = objection({ ...group, conditions }, next, iteration, before, options);
      if (kept) return { conditions, iterations, kept };
      group.observe?.({ iteration: k, before: conditions, after: next, coupling: coupled.coupling });
      conditions = next;
      iterations.push(iteration);
    }
    return { conditions, iterations };
  };
}

/** One step towards the goal, and the factor by which theory lets W2 to the ideal law shrink in it (at lambda = 0). */
function step(
  { conditions, width, inverse }: Group,
  goal: Float32Array,
  options: OptimalTransportSettings,
  k: number,
  targetVariance: number,
): { next: Float32Array; rho: number } {
  const { lambda, scheme } = options;
  const eta = options.etaSchedule === 'inverse' ? options.eta / (k + 1) : options.eta;
  const prior = lambda > 0 ? requireInverse(inverse)(conditions) : goal; // without weight: any cloud will do
  // Both schemes are weighted means of goal, prior and where the row is.
  const inertia = 1 / (2 * eta);
  const whole = 1 + lambda + inertia;
  const weights =
    scheme === 'proximal'
      ? { goal: 1 / whole, prior: lambda / whole, own: inertia / whole }
      : { goal: 2 * eta, prior: 2 * eta * lambda, own: 1 - 2 * eta * (1 + lambda) };
  let next = goal; // where nothing else has weight
  if (weights.goal !== 1 || weights.own !== 0) {
    next = conditions.map((own, i) => weights.goal * goal[i] + weights.prior * prior[i] + weights.own * own);
  }
  if (options.projection === 'geodesic') {
    const [from, to] = [totalVariance(conditions, width), targetVariance].map(Math.sqrt);
    next = rescaled(next, width, (weights.own * from + (1 - weights.own) * to) ** 2);
  }
  return { next, rho: scheme === 'proximal' ? 1 / (1 + 2 * eta) : Math.abs(1 - 2 * eta) };
}

function requireInverse(inverse: Group['inverse']): NonNullable<Group['inverse']> {
  if (inverse) return inverse;
  throw new InvalidInputError('Refinement, lambda', {
    given: 'lambda > 0 without an inverse process',
    expected: 'an inverse process, which lambda weighs',
    remedy: "Pass `inverse` (in a configuration: inverse: 'ridge' or 'mlp'), or set lambda to 0.",
  });
}
