import type { OptimalTransportSettings } from './options';
import type { Group, Iteration } from './refiner';
import { rescaled, rowMean, totalVariance } from './rows';

/**
 * One step of the gradient flow towards the goal, and the factor by which theory lets W2 to the ideal law shrink in it (at lambda = 0).
 * With b the goal and r the inverse process, `proximal` is c <- (b + lambda r + c / (2 eta)) / (1 + lambda + 1 / (2 eta)), `euler` is
 * c <- c - 2 eta ((c - b) + lambda (c - r)): both are weighted means of the three.
 * @param k number of the iteration, from 0
 */
export function step(
  { conditions, law, context }: Group,
  goal: Float32Array,
  { lambda, scheme, projection, ...options }: OptimalTransportSettings,
  k: number,
): { next: Float32Array; rho: number } {
  const eta = options.etaSchedule === 'inverse' ? options.eta / (k + 1) : options.eta;
  const prior = lambda > 0 ? context.inverse(conditions) : goal; // without weight: any cloud will do
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
  if (projection === 'geodesic') {
    const [from, to] = [totalVariance(conditions, law.width), law.variance].map(Math.sqrt);
    next = rescaled(next, law.width, (weights.own * from + (1 - weights.own) * to) ** 2);
  }
  return { next, rho: scheme === 'proximal' ? 1 / (1 + 2 * eta) : Math.abs(1 - 2 * eta) };
}

/** An iteration that moves this many times as far as the first one (squared) diverges. */
const DIVERGENCE = 4;

/**
 * Why an iteration must not be taken, or undefined where it may:
 * - *not finite*: a number is NaN or infinite;
 * - *spread*: the total variance would leave [minimumSpread, maximumSpread] times the target's, and get worse by it;
 * - *divergence*: the squared displacement is more than 4 times that of the first iteration;
 * - *class lost*: the mean of the group would be nearer to another class's ideal mean than to its own, and was not before.
 */
export function rejectionReason(
  group: Group,
  next: Float32Array,
  { spread, displacement }: Iteration,
  before: { spread: number; first?: Iteration },
  { minimumSpread, maximumSpread }: OptimalTransportSettings,
): string | undefined {
  for (let i = 0; i < next.length; i++) if (!Number.isFinite(next[i])) return 'the step would not be finite';
  if (spread < minimumSpread && spread < before.spread) {
    return `the spread would fall to ${spread.toPrecision(3)} of the target's`;
  }
  if (spread > maximumSpread && spread > before.spread) {
    return `the spread would rise to ${spread.toPrecision(3)} of the target's`;
  }
  if (before.first && displacement > DIVERGENCE * before.first.displacement) {
    const times = displacement / before.first.displacement;
    return `diverging: a step ${times.toPrecision(3)} times as far (squared) as the first`;
  }
  return losesClass(group, next) ? "the group's mean would move to another class" : undefined;
}

function losesClass({ conditions, law, context: { otherMeans } }: Group, next: Float32Array): boolean {
  if (otherMeans.length === 0) return false;
  const foreign = (rows: Float32Array) => {
    const mean = rowMean(rows, law.width);
    const distance = (to: Float64Array) => mean.reduce((sum, value, k) => sum + (value - to[k]) ** 2, 0);
    return Math.min(...otherMeans.map(distance)) < distance(law.mean);
  };
  return foreign(next) && !foreign(conditions);
}
