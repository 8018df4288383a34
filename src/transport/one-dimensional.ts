import { InvalidInputError } from '../runtime/errors';
import { type NumberArray, type Numbers, shown } from './numbers';
import { pointsOf, prepareProblem, total } from './problem';

/**
 * W_p^p between two weighted point sets on the line, for the cost |x - y|^p, p >= 1: the monotone coupling of quantiles.
 * Weights default to uniform and are normalised to one.
 * @throws InvalidInputError for wrong input or p < 1.
 */
export function transportOnLine(
  source: Numbers,
  target: Numbers,
  power = 2,
  sourceWeights?: Numbers,
  targetWeights?: Numbers,
): number {
  if (!(Number.isFinite(power) && power >= 1)) {
    throw new InvalidInputError('Transport on the line, power', {
      given: shown(power),
      expected: 'a finite number >= 1',
      remedy: 'For concave costs the monotone coupling is not optimal: use exactTransport.',
    });
  }
  const [x, y] = [pointsOf('x', source, 1), pointsOf('y', target, 1)];
  const { n, m, a, b } = prepareProblem({ x, y, dimension: 1, sourceWeights, targetWeights });
  const totalA = total(a);
  const totalB = total(b);
  const fromOrder = sortedIndices(x);
  const toOrder = sortedIndices(y);
  let i = 0;
  let j = 0;
  let leftA = a[fromOrder[0]] / totalA;
  let leftB = b[toOrder[0]] / totalB;
  let cost = 0;
  while (i < n && j < m) {
    const moved = Math.min(leftA, leftB);
    cost += moved * Math.abs(x[fromOrder[i]] - y[toOrder[j]]) ** power;
    leftA -= moved;
    leftB -= moved;
    if (leftA <= leftB) leftA = ++i < n ? a[fromOrder[i]] / totalA : 0;
    else leftB = ++j < m ? b[toOrder[j]] / totalB : 0;
  }
  return cost;
}

function sortedIndices(values: NumberArray): number[] {
  return Array.from(values, (_, index) => index).sort((p, q) => values[p] - values[q]);
}
