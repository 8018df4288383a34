import { Matrix, SingularValueDecomposition } from 'ml-matrix';
import { InvalidInputError } from '../runtime/errors';

/**
 * Condition vectors as a model (or a theory) produced them: `samples` independent images, `steps` autoregressive steps,
 * `width` numbers each, row-major `[samples, steps, width]`. All measurements on trained networks use this type.
 */
export interface Trajectories {
  data: Float64Array | Float32Array;
  samples: number;
  steps: number;
  width: number;
}

/** Checks the shape and that every number is finite. @throws InvalidInputError otherwise. */
export function validateTrajectories(what: string, { data, samples, steps, width }: Trajectories, least = 8): void {
  if (data.length === samples * steps * width && samples >= least && steps >= 1 && width >= 1) {
    if (data.every(Number.isFinite)) return;
  }
  throw new InvalidInputError(what, {
    given: `${data.length} numbers for [${samples}, ${steps}, ${width}]${data.every(Number.isFinite) ? '' : ', some not finite'}`,
    expected: `samples * steps * width finite numbers with at least ${least} samples`,
    remedy: 'Collect conditions of more images, and look at the model if they are not finite.',
  });
}

/** The conditions of one step as a matrix [samples, width], centred over the samples. */
export function centredStep(trajectories: Trajectories, step: number, units?: ArrayLike<number>): Matrix {
  const { data, samples, steps, width } = trajectories;
  const rows = units ? units.length : samples;
  const out = Matrix.zeros(rows, width);
  const mean = new Float64Array(width);
  for (let r = 0; r < rows; r++) {
    const at = ((units ? units[r] : r) * steps + step) * width;
    for (let k = 0; k < width; k++) mean[k] += data[at + k] / rows;
  }
  for (let r = 0; r < rows; r++) {
    const at = ((units ? units[r] : r) * steps + step) * width;
    for (let k = 0; k < width; k++) out.set(r, k, data[at + k] - mean[k]);
  }
  return out;
}

/**
 * Projects every condition on the `components` leading principal directions of all steps together (each step centred).
 * @returns the shorter trajectories, and the share of the variance they keep.
 */
export function principalTrajectories(
  trajectories: Trajectories,
  components: number,
): { trajectories: Trajectories; share: number } {
  const { samples, steps, width } = trajectories;
  const kept = Math.min(components, width);
  const centred = Array.from({ length: steps }, (_, step) => centredStep(trajectories, step));
  const covariance = Matrix.zeros(width, width);
  for (const block of centred) covariance.add(block.transpose().mmul(block));
  const svd = new SingularValueDecomposition(covariance, { autoTranspose: true });
  const directions = svd.leftSingularVectors.subMatrix(0, width - 1, 0, kept - 1);
  const total = svd.diagonal.reduce((sum, value) => sum + value, 0);
  const share = total > 0 ? svd.diagonal.slice(0, kept).reduce((sum, value) => sum + value, 0) / total : 1;
  const data = new Float64Array(samples * steps * kept);
  for (let step = 0; step < steps; step++) {
    const scores = centred[step].mmul(directions);
    for (let s = 0; s < samples; s++) {
      for (let k = 0; k < kept; k++) data[(s * steps + step) * kept + k] = scores.get(s, k);
    }
  }
  return { trajectories: { data, samples, steps, width: kept }, share };
}
