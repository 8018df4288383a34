import { Matrix } from 'ml-matrix';
import { InvalidInputError } from '../../runtime/errors';
import { predictiveSubspace } from '../../theory/predictive-subspace';
import { type ConditionMoments, checkGroup, type Refiner, rowMean } from '../refiner';
import { changed } from './changed';

/** Options of `predictiveProjection`. */
export interface PredictiveProjectionOptions {
  /** Share of the linear predictive information about the token that I* keeps, in (0, 1]. */
  share: number;
  /** What is left of the redundant part, in [0, 1]: 0 is the projection, 1 changes nothing. */
  keep: number;
}

/**
 * Projection on the operational I* of Lemma 6: c <- m + P (c - m) + keep (I - P) (c - m), with m the mean of the ideal law of the
 * group and P the projection on the leading canonical directions of a condition with its token within groups
 * (`predictiveSubspace`). What a class and position have in common is in m and stays.
 * @throws InvalidInputError for a group without moments of conditions and tokens.
 */
export function predictiveProjection({ share, keep }: PredictiveProjectionOptions): Refiner {
  let known: { of: ConditionMoments; map: Matrix } | undefined;
  return (group) => {
    checkGroup(group);
    const moments = group.moments?.();
    if (!moments || moments.cross.length === 0) {
      throw new InvalidInputError('Projection on the predictive subspace', {
        given: 'a group without covariances of conditions and tokens',
        expected: '`moments` with a cross-covariance',
        remedy: 'Fill the buffer with the real tokens beside the conditions, and refine through `conditionRefinement`.',
      });
    }
    if (known?.of !== moments) known = { of: moments, map: projection(moments, share, keep) };
    const { map } = known;
    const { conditions, targets, width } = group;
    const mean = rowMean(targets, width);
    return changed(group, (_, i) => {
      const row = i - (i % width);
      let sum = mean[i % width];
      for (let k = 0; k < width; k++) sum += map.get(i % width, k) * (conditions[row + k] - mean[k]);
      return sum;
    });
  };
}

function projection({ rows, width, channels, condition, cross, token }: ConditionMoments, share: number, keep: number) {
  const joint = {
    condition: Matrix.from1DArray(width, width, condition),
    cross: Matrix.from1DArray(width, channels, cross),
    token: Matrix.from1DArray(channels, channels, token),
  };
  const found = predictiveSubspace(joint, { share, samples: rows }).projection;
  return found.mul(1 - keep).add(Matrix.eye(width, width, keep));
}
