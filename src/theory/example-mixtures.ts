import { Matrix } from 'ml-matrix';
import { foldIn, type Key, normal } from '../runtime/random';
import { type ComponentInput, type GaussianMixture, gaussianMixture } from './gaussian-mixture';

/**
 * The planar example of the notebooks: three classes, one of two separate clouds, one narrow, one broad that overlaps
 * the others, so that x determines the class in some places and not in others.
 */
export function planarExample(): GaussianMixture {
  return gaussianMixture([
    {
      weight: 0.2,
      mean: [-2, 1.2],
      covariance: [
        [0.35, 0.12],
        [0.12, 0.25],
      ],
      label: 0,
    },
    {
      weight: 0.15,
      mean: [-0.6, -2],
      covariance: [
        [0.2, -0.05],
        [-0.05, 0.3],
      ],
      label: 0,
    },
    {
      weight: 0.3,
      mean: [1.6, 0.9],
      covariance: [
        [0.22, -0.14],
        [-0.14, 0.3],
      ],
      label: 1,
    },
    {
      weight: 0.35,
      mean: [0.4, -0.2],
      covariance: [
        [1.6, 0.5],
        [0.5, 1.1],
      ],
      label: 2,
    },
  ]);
}

/** A random mixture with full covariances: means ~ N(0, 2 I), eigenvalues of order one. */
export function randomMixture(
  source: Key,
  { dimension, classes, perClass = 1 }: { dimension: number; classes: number; perClass?: number },
): GaussianMixture {
  const inputs: ComponentInput[] = [];
  for (let k = 0; k < classes * perClass; k++) {
    const part = foldIn(source, k);
    const z = normal(foldIn(part, 'mean'), dimension);
    const factor = new Matrix(
      Array.from({ length: dimension }, (_, i) => [...normal(foldIn(foldIn(part, 'factor'), i), dimension)]),
    );
    const covariance = factor.mmul(factor.transpose()).mul(0.5 / dimension);
    inputs.push({
      weight: 1 + (k % 3),
      mean: Array.from(z, (value) => Math.SQRT2 * value),
      covariance: Matrix.add(covariance, Matrix.eye(dimension, dimension, 0.2)).to2DArray(),
      label: k % classes,
    });
  }
  return gaussianMixture(inputs);
}
