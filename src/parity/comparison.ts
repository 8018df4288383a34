import type * as tf from '@tensorflow/tfjs';

/** One number checked against the reference. */
export interface ParityRow {
  case: string;
  tensor: string;
  /** Worst error in the measure that the tolerance is stated in; infinite when shapes differ or a value is not a number. */
  error: number;
  tolerance: number;
  holds: boolean;
}

/** Tolerances from the reference's README for float32, and our own where it gives none. */
export const TOLERANCE = {
  /** float64 tables, relative. */
  table: 1e-12,
  /** Layers, forward passes, conditions, the autoencoder; of the largest value. */
  forward: 1e-5,
  /** Sinusoids: a last-digit difference in a frequency moves an entry by up to 6e-5 at t near 1000. */
  sinusoid: 6e-5,
  /** Loss and mean squared error, relative. */
  loss: 1e-5,
  /** Variational term per row, relative; ten times that near zero. */
  bound: 1e-4,
  /** Gradients, of the largest value of the tensor. */
  gradient: 1e-4,
  /** Sampling, of the largest value; processes of 100 steps or more lose more digits. */
  sampling: 2e-5,
  longSampling: 1e-4,
  /** Parameters after AdamW steps: rms difference over rms change. */
  update: 0.01,
  /** Moving averages, of the largest value. */
  average: 4e-7,
  /** Transport and metrics in float64, relative; stored float32 values. */
  double: 1e-9,
  stored32: 1e-6,
  /** Transport by the float32 kernels, stopped at a marginal error of 1e-6 of the mass: values, relative; entries of plans, of the largest. */
  single: 1e-5,
  singleEntries: 1e-4,
  /** The same where convergence is slow and ends after 2000 iterations. */
  singleSlow: 1e-3,
  singleSlowEntries: 3e-2,
  exact: 0,
} as const;

/** Values to compare: a tensor or plain numbers. */
export type Values = tf.Tensor | ArrayLike<number> | number;

/** Collects the rows of one case. */
export class Comparison {
  readonly rows: ParityRow[] = [];

  constructor(readonly name: string) {}

  /** Largest difference over the largest expected value. */
  largest(tensor: string, actual: Values, expected: Values, tolerance: number): void {
    const [a, b] = [plain(actual), plain(expected)];
    let difference = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
    let scale = 0;
    for (let i = 0; i < b.length; i++) {
      difference = worse(difference, Math.abs(a[i] - b[i]));
      scale = Math.max(scale, Math.abs(b[i]));
    }
    this.add(tensor, difference / (scale || 1), tolerance);
  }

  /** Largest relative difference of single entries; entries below `floor` are measured against it. */
  entries(tensor: string, actual: Values, expected: Values, tolerance: number, floor = 0): void {
    const [a, b] = [plain(actual), plain(expected)];
    let worst = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
    for (let i = 0; i < b.length; i++) {
      if (a[i] !== b[i]) worst = worse(worst, Math.abs(a[i] - b[i]) / Math.max(Math.abs(b[i]), floor));
    }
    this.add(tensor, worst, tolerance);
  }

  /** Number of unequal values. */
  equal(tensor: string, actual: ArrayLike<unknown>, expected: ArrayLike<unknown>): void {
    let unequal = Math.abs(actual.length - expected.length);
    for (let i = 0; i < Math.min(actual.length, expected.length); i++) if (actual[i] !== expected[i]) unequal++;
    this.add(tensor, unequal, TOLERANCE.exact);
  }

  /** An error measured by the caller. */
  add(tensor: string, error: number, tolerance: number): void {
    this.rows.push({ case: this.name, tensor, error, tolerance, holds: error <= tolerance });
  }
}

function worse(worst: number, next: number): number {
  return Number.isNaN(next) ? Number.POSITIVE_INFINITY : Math.max(worst, next);
}

function plain(values: Values): ArrayLike<number> {
  if (typeof values === 'number') return [values];
  return 'dataSync' in values ? values.dataSync() : values;
}
