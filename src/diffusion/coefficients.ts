import * as tf from '@tensorflow/tfjs';
import { COEFFICIENTS, type Coefficient, type Diffusion } from './gaussian-diffusion';

/** A step index of a process: one number for all rows, or one per row, int32 `[rows]`. */
export type StepIndex = number | tf.Tensor1D;

/**
 * Reads table entries as float32 tensors that broadcast against `[rows, channels]`: a scalar for one step, `[rows, 1]` for
 * one step per row. The tables are made in float64 and rounded once, as in the reference.
 */
export function coefficientsAt(diffusion: Diffusion, step: StepIndex): (name: Coefficient) => tf.Tensor {
  if (typeof step === 'number') return (name) => tf.scalar(diffusion.tables[name][step]);
  const rows = tf.gather(
    tf.tensor2d(diffusion.coefficients, [diffusion.steps, COEFFICIENTS.length]),
    step,
  ) as tf.Tensor2D;
  return (name) => rows.slice([0, COEFFICIENTS.indexOf(name)], [-1, 1]);
}
