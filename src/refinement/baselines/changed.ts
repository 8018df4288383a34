import type { Group, Refined } from '../refiner';
import { meanSquaredDistance, totalVariance } from '../rows';

/** A group after one change of every number, with what a refinement reports of itself. */
export function changed({ conditions, law }: Group, change: (value: number, i: number) => number): Refined {
  const next = conditions.map(change);
  const displacement = meanSquaredDistance(next, conditions, law.width);
  return { conditions: next, iterations: [{ displacement, spread: totalVariance(next, law.width) / law.variance }] };
}
