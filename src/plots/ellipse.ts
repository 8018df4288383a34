import { InvalidInputError } from '../runtime/errors';

/**
 * The contour of a Gaussian law in the plane at `radius` standard deviations, as a closed curve of `points` + 1 points.
 * @throws InvalidInputError when the law is not two-dimensional.
 */
export function gaussianEllipse(
  { mean, covariance }: { mean: ArrayLike<number>; covariance: ArrayLike<number> },
  radius = 2,
  points = 72,
): { x: number[]; y: number[] } {
  if (mean.length !== 2 || covariance.length !== 4) {
    throw new InvalidInputError('Ellipse of a Gaussian', {
      given: `a mean of ${mean.length} numbers`,
      expected: 'a law in the plane: mean [2], covariance [2, 2]',
      remedy: 'Project the law on two directions first.',
    });
  }
  // Lower Cholesky factor of the covariance maps the circle to the ellipse.
  const a = Math.sqrt(Math.max(0, covariance[0]));
  const b = a > 0 ? covariance[1] / a : 0;
  const c = Math.sqrt(Math.max(0, covariance[3] - b * b));
  const angles = Array.from({ length: points + 1 }, (_, i) => (2 * Math.PI * i) / points);
  return {
    x: angles.map((angle) => mean[0] + radius * a * Math.cos(angle)),
    y: angles.map((angle) => mean[1] + radius * (b * Math.cos(angle) + c * Math.sin(angle))),
  };
}

/** Layout that gives both axes the same scale, for pictures of the plane. */
export const EQUAL_AXES = { yaxis: { scaleanchor: 'x' as const, scaleratio: 1 } };
