import type * as tf from '@tensorflow/tfjs';

export type Fn = (...x: tf.Tensor[]) => tf.Tensor;
/** One call of kernels, compared with eager. */
export interface Case {
  name: string;
  /** Shapes of the differentiable float32 arguments. */
  shapes: number[][];
  fn: Fn;
  /** Range of the arguments; by default [-2, 2]. */
  range?: [number, number];
  /** No gradient with respect to the arguments. */
  forwardOnly?: boolean;
}
