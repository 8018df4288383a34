import * as tf from '@tensorflow/tfjs';
import { InvalidInputError } from '../../runtime/errors';
import type { Parameters } from '../../runtime/parameters';

/**
 * A weight by name.
 * @throws InvalidInputError naming the missing weight.
 */
export function weight<T extends tf.Tensor = tf.Tensor>(parameters: Parameters, name: string): T {
  const found = parameters.get(name);
  if (found) return found as T;
  throw new InvalidInputError('Weights', {
    given: `${parameters.size} weights without "${name}"`,
    expected: 'every weight of the configured model',
    remedy: 'Compare the names with the shape table of the configuration (cer inspect lists those of a file).',
  });
}

/** x W^T + b over the last axis, `[..., in]` to `[..., out]`; `name` has `.weight` `[out, in]` and `.bias` `[out]`. */
export function linear<T extends tf.Tensor>(parameters: Parameters, name: string, x: T): T {
  const matrix = weight<tf.Tensor2D>(parameters, `${name}.weight`);
  const bias = weight<tf.Tensor1D>(parameters, `${name}.bias`);
  // Two dimensions only: the gradient of a product with a broadcast batch dimension is not reduced by TensorFlow.js.
  const rows = x.reshape([-1, matrix.shape[1]]);
  return tf
    .matMul(rows, matrix, false, true)
    .add(bias)
    .reshape([...x.shape.slice(0, -1), matrix.shape[0]]) as T;
}

/** (x - mean) / sqrt(variance + epsilon) over the last axis, without weights; the variance divides by n. */
export function normalise<T extends tf.Tensor>(x: T, epsilon = 1e-6): T {
  return standardise(x, (values) => values.mean(-1, true), epsilon);
}

/**
 * Subtracts a mean and divides by the standard deviation about it.
 * @param mean averages over what is normalised together and broadcasts back against `x`.
 */
export function standardise<T extends tf.Tensor>(x: T, mean: (values: tf.Tensor) => tf.Tensor, epsilon: number): T {
  // A gradient of its own: a third of the operations that automatic differentiation would record.
  return tf.customGrad((given, save) => {
    const input = given as tf.Tensor;
    const centred = input.sub(mean(input));
    const inverse = mean(centred.square()).add(epsilon).rsqrt();
    const value = centred.mul(inverse);
    (save as tf.GradSaveFunc)([value, inverse]);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [y, scale] = saved;
        return dy
          .sub(mean(dy))
          .sub(y.mul(mean(dy.mul(y))))
          .mul(scale);
      },
    };
  })(x) as T;
}

/** Layer norm over the last axis with `.weight` and `.bias`; epsilon 1e-6 throughout, as in the reference. */
export function layerNorm<T extends tf.Tensor>(parameters: Parameters, name: string, x: T, epsilon = 1e-6): T {
  return normalise(x, epsilon)
    .mul(weight(parameters, `${name}.weight`))
    .add(weight(parameters, `${name}.bias`));
}

/** x sigmoid(x). */
export function silu<T extends tf.Tensor>(x: T): T {
  return activation(x, (input) => {
    const gate = input.sigmoid();
    const value = input.mul(gate);
    return { value, saved: [gate, value], slope: ([s, y]) => s.add(y.mul(tf.sub(1, s))) };
  });
}

/** x Phi(x), the exact form with erf. */
export function gelu<T extends tf.Tensor>(x: T): T {
  return activation(x, (input) => {
    // In u = x / sqrt 2, so that the only factors are numbers on the way in and out, which a compiled product takes over.
    const u = input.mul(Math.SQRT1_2);
    const twice = u.erf().add(1); // 2 Phi(x)
    const value = u.mul(twice).mul(Math.SQRT1_2);
    // 2 (Phi(x) + x phi(x)), the constant 2 / sqrt pi in the exponent
    const slope = ([v, phi]: tf.Tensor[]) =>
      phi.add(
        tf
          .sub(Math.log(2 / Math.sqrt(Math.PI)), v.mul(v))
          .exp()
          .mul(v),
      );
    return { value, saved: [u, twice], slope, factor: 0.5 };
  });
}

/**
 * An elementwise function with its derivative written out: fewer passes over memory than automatic differentiation makes. The derivative
 * is `factor` times `slope`.
 */
function activation<T extends tf.Tensor>(
  x: T,
  parts: (x: tf.Tensor) => {
    value: tf.Tensor;
    saved: tf.Tensor[];
    slope: (saved: tf.Tensor[]) => tf.Tensor;
    factor?: number;
  },
): T {
  return tf.customGrad((given, save) => {
    const { value, saved, slope, factor } = parts(given as tf.Tensor);
    (save as tf.GradSaveFunc)(saved);
    const gradFunc = (dy: tf.Tensor, kept: tf.Tensor[]) => (factor ? dy.mul(factor) : dy).mul(slope(kept));
    return { value, gradFunc };
  })(x) as T;
}

/**
 * Rows of `x` `[n, width]` at distinct `indices` (int32 `[k]`).
 * @param inverse int32 `[n]`: for each row of `x` its place in the result, k where it is not taken. With it the gradient is a
 *   gather too, which every backend has; without it there is no gradient.
 */
export function takeRows(x: tf.Tensor2D, indices: tf.Tensor1D, inverse?: tf.Tensor1D): tf.Tensor2D {
  if (!inverse) return tf.gather(x, indices);
  return tf.customGrad((given, save) => {
    (save as tf.GradSaveFunc)([inverse]); // kept for the backward pass, wherever it was made
    return {
      value: tf.gather(given as tf.Tensor2D, indices),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        tf.gather(tf.concat([dy, tf.zeros([1, dy.shape[1] as number])], 0), saved[0] as tf.Tensor1D),
    };
  })(x) as tf.Tensor2D;
}

/** Where the rows of a shorter list belong in a longer one; see `fillRows`. All int32. */
export interface Placement {
  /** `[k]`: place in the longer list of each row of the shorter. */
  kept: tf.Tensor1D;
  /** `[n - k]`: places that are filled. */
  filled: tf.Tensor1D;
  /** `[n]`: for each place its row in the shorter list, k where it is filled. */
  source: tf.Tensor1D;
}

/** Spreads `rows` `[k, width]` over n places and puts `fill` `[1, width]` everywhere else: `[n, width]`. */
export function fillRows(rows: tf.Tensor2D, fill: tf.Tensor2D, { kept, filled, source }: Placement): tf.Tensor2D {
  return tf.customGrad((a, b, save) => {
    (save as tf.GradSaveFunc)([kept, filled]);
    return {
      value: tf.gather(tf.concat([a as tf.Tensor2D, b as tf.Tensor2D], 0), source),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => [
        tf.gather(dy, saved[0] as tf.Tensor1D),
        tf.gather(dy, saved[1] as tf.Tensor1D).sum(0, true),
      ],
    };
  })(rows, fill) as tf.Tensor2D;
}

/** Rows of a table `[count, width]` for labels `[n]` (int32); a product with indicator rows, so that it has a gradient. */
export function embed(table: tf.Tensor2D, labels: tf.Tensor1D): tf.Tensor2D {
  const indicator = labels
    .expandDims(1)
    .equal(tf.range(0, table.shape[0], 1, 'int32'))
    .cast('float32') as tf.Tensor2D;
  return tf.matMul(indicator, table);
}
