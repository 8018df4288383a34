import { Matrix } from 'ml-matrix';
import type { MethodOptions } from '../options';
import { checkGroup, type Refiner } from '../refiner';
import { changed } from './changed';

/**
 * Projection on the operational I* of Lemma 6: c <- m + P (c - m) + keep (I - P) (c - m), with m the mean of the ideal law of the
 * group and P the projection on the leading canonical directions of a condition with its token within groups
 * (`predictiveSubspace`). What a class and position have in common is in m and stays.
 * @throws InvalidInputError for a law without latents.
 */
export function predictiveProjection({ share, keep }: MethodOptions<'predictive-projection'>): Refiner {
  return (group) => {
    checkGroup(group);
    const { conditions, law } = group;
    const { width, mean } = law;
    const map = law.moments
      .subspace(share)
      .projection.clone()
      .mul(1 - keep)
      .add(Matrix.eye(width, width, keep));
    return changed(group, (_, i) => {
      const row = i - (i % width);
      let sum = mean[i % width];
      for (let k = 0; k < width; k++) sum += map.get(i % width, k) * (conditions[row + k] - mean[k]);
      return sum;
    });
  };
}
