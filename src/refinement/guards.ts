import { type Group, type Iteration, lawMean, rowMean } from './refiner';

/** Bounds of the guards; see `OptimalTransportOptions`. */
export interface GuardBounds {
  minimumSpread: number;
  maximumSpread: number;
}

/** An iteration that moves this many times as far as the first one (squared) is on its way out. */
const DIVERGENCE = 4;

/**
 * Why an iteration must not be taken, or undefined where it may:
 * - *not finite*: a number is NaN or infinite;
 * - *spread*: the total variance would leave [minimumSpread, maximumSpread] times the target's, and get worse by it;
 * - *class lost*: the mean of the group would be nearer to another class's ideal mean than to its own, and was not before;
 * - *divergence*: the squared displacement is more than 4 times that of the first iteration.
 */
export function objection(
  group: Group,
  next: Float32Array,
  iteration: Iteration,
  before: { spread: number; first?: Iteration },
  { minimumSpread, maximumSpread }: GuardBounds,
): string | undefined {
  for (let i = 0; i < next.length; i++) if (!Number.isFinite(next[i])) return 'the step would not be finite';
  const { spread, displacement } = iteration;
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

function losesClass({ conditions, targets, width, otherMeans }: Group, next: Float32Array): boolean {
  if (!otherMeans?.length) return false;
  const own = lawMean(targets, width);
  const foreign = (rows: Float32Array) => {
    const mean = rowMean(rows, width);
    const distance = (to: Float64Array) => mean.reduce((sum, value, k) => sum + (value - to[k]) ** 2, 0);
    return Math.min(...otherMeans.map(distance)) < distance(own);
  };
  return foreign(next) && !foreign(conditions);
}
