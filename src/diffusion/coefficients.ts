import * as tf from '@tensorflow/tfjs';
import type { Diffusion } from './gaussian-diffusion';

/** A step index of a process: one number for all rows, or one per row, int32 `[rows]`. */
export type StepIndex = number | tf.Tensor1D;

const COLUMNS = [
  'logBetas',
  'sqrtAlphaBar',
  'sqrtOneMinusAlphaBar',
  'sqrtReciprocalAlphaBar',
  'sqrtReciprocalMinusOne',
  'posteriorLogVarianceClipped',
  'posteriorMeanOfStart',
  'posteriorMeanOfNoised',
] as const;

export type Coefficient = (typeof COLUMNS)[number];

const packed = new WeakMap<Diffusion, Float32Array>();

/**
 * Reads table entries as float32 tensors that broadcast against `[rows, channels]`: a scalar for one step, `[rows, 1]` for
 * one step per row. The tables are made in float64 and rounded once, as in the reference.
 */
export function coefficientsAt(diffusion: Diffusion, step: StepIndex): (name: Coefficient) => tf.Tensor {
  if (typeof step === 'number') return (name) => tf.scalar(diffusion.tables[name][step]);
  const rows = tf.gather(tf.tensor2d(packedTable(diffusion), [diffusion.steps, COLUMNS.length]), step) as tf.Tensor2D;
  return (name) => rows.slice([0, COLUMNS.indexOf(name)], [-1, 1]);
}

function packedTable(diffusion: Diffusion): Float32Array {
  let table = packed.get(diffusion);
  if (!table) {
    table = new Float32Array(diffusion.steps * COLUMNS.length);
    for (let t = 0; t < diffusion.steps; t++) {
      COLUMNS.forEach((name, column) => {
        (table as Float32Array)[t * COLUMNS.length + column] = diffusion.tables[name][t];
      });
    }
    packed.set(diffusion, table);
  }
  return table;
}
