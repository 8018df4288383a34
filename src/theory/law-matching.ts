import { Matrix } from 'ml-matrix';
import { gaussianMap, gaussianOfPoints } from '../transport/core';
import { predictiveSubspace } from './predictive-subspace';
import { centredStep, type Trajectories } from './trajectories';

/** What is left of the inconsistency of a set of conditions when their law has gone part of the way to that of c*. */
export interface MatchedLaw {
  /** 0: the conditions as they are; 1: their law (to second order) is that of the ideal parts. */
  fraction: number;
  /** Mean energy outside I*. */
  outside: number;
  /** Mean squared distance of each condition to its own c*. */
  toOwnIdeal: number;
}

/**
 * Moves the conditions of one step along the optimal map from law(c) to law(c*), both taken as Gaussian, and compares what the
 * law sees with what each single condition has gained: matching laws cannot know which c* belongs to which c.
 */
export function matchLaws(
  conditions: Trajectories,
  tokens: Trajectories,
  step: number,
  fractions: readonly number[],
  share = 0.99,
): MatchedLaw[] {
  const c = centredStep(conditions, step);
  const x = centredStep(tokens, step);
  const joint = { condition: c.transpose().mmul(c), cross: c.transpose().mmul(x), token: x.transpose().mmul(x) };
  const { projection } = predictiveSubspace(joint, { share });
  const ideal = c.mmul(projection.transpose());
  const law = (points: Matrix) => gaussianOfPoints(points.to1DArray(), points.columns);
  const map = gaussianMap(law(c), law(ideal));
  const moved = c.mmul(Matrix.from1DArray(c.columns, c.columns, Array.from(map.matrix)).transpose());
  const energy = (points: Matrix) => points.norm('frobenius') ** 2 / c.rows;
  return fractions.map((fraction) => {
    const points = Matrix.mul(c, 1 - fraction).add(Matrix.mul(moved, fraction));
    return {
      fraction,
      outside: energy(Matrix.sub(points, points.mmul(projection.transpose()))),
      toOwnIdeal: energy(Matrix.sub(points, ideal)),
    };
  });
}
