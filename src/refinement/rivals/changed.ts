import { type Group, type Refined, totalVariance } from '../refiner';

/** A group after one change of every number, with what a refinement reports of itself. */
export function changed({ conditions, targets, width }: Group, change: (value: number, i: number) => number): Refined {
  const next = conditions.map(change);
  let displacement = 0;
  for (let i = 0; i < next.length; i++) displacement += (next[i] - conditions[i]) ** 2;
  displacement *= width / next.length;
  const spread = totalVariance(next, width) / totalVariance(targets, width);
  return { conditions: next, iterations: [{ displacement, spread }] };
}
