import { couple } from './couple';
import { type OptimalTransportOptions, type OptimalTransportSettings, optimalTransportOptions } from './options';
import { checkGroup, type Iteration, type Refiner } from './refiner';
import { meanSquaredDistance, totalVariance } from './rows';
import { rejectionReason, step } from './step';
import { givenVisible } from './visible-residual';

export { type OptimalTransportOptions, optimalTransportOptions } from './options';

/** Variance below which all conditions of a group are one point (as at the first step of a class): nothing to couple. */
const ONE_POINT = 1e-10;

/** Algorithm 1 as a refiner, from options as users write them. @throws InvalidInputError naming a wrong field. */
export function optimalTransportRefiner(options: OptimalTransportOptions = {}): Refiner {
  return optimalTransport(optimalTransportOptions(options));
}

/**
 * Algorithm 1 on one group: couples the conditions with samples of the ideal law, projects barycentrically and takes a
 * step of the gradient flow, K times; an iteration that a guard rejects is not taken, and ends it.
 */
export function optimalTransport(options: OptimalTransportSettings): Refiner {
  const refine: Refiner = (group) => {
    checkGroup(group);
    const { law, context } = group;
    let { conditions } = group;
    const iterations: Iteration[] = [];
    for (let k = 0; k < options.iterations; k++) {
      const variance = totalVariance(conditions, law.width);
      const skip = (skipReason: string) => ({ conditions, iterations, skipReason });
      if (variance <= ONE_POINT * law.variance) return skip('all conditions are one point');
      const now = { conditions, law, context };
      const coupled = couple(now, options, options.epsilonAnnealing ** (options.iterations - 1 - k));
      if (!coupled) return skip('no direction of the conditions predicts their tokens');
      const { next, rho } = step(now, coupled.goal, options, k);
      const iteration: Iteration = {
        displacement: meanSquaredDistance(conditions, next, law.width),
        spread: totalVariance(next, law.width) / law.variance,
        solver: coupled.coupling.status,
        solverIterations: coupled.coupling.iterations,
        rho,
      };
      const before = { spread: variance / law.variance, first: iterations[0] };
      const rejected = rejectionReason(now, next, iteration, before, options);
      if (rejected) return skip(rejected);
      context.observe({ iteration: k, before: conditions, after: next, coupling: coupled.coupling });
      conditions = next;
      iterations.push(iteration);
    }
    return { conditions, iterations };
  };
  return options.maskResidual ? givenVisible(refine) : refine;
}
