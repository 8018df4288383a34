import * as tf from '@tensorflow/tfjs';
import { linear, weight } from './layers';
import type { Parameters } from './parameters';

/** How many residual blocks a head has. */
export function headDepth(parameters: Parameters, prefix: string): number {
  let depth = 0;
  while (parameters.has(`${prefix}res_blocks.${depth}.in_ln.weight`)) depth++;
  return depth;
}

/** Name of the modulations of all blocks in one matrix, where a head has been folded. */
const modulations = (prefix: string): string => `${prefix}modulations`;
export const isFolded = (parameters: Parameters, prefix: string): boolean =>
  parameters.has(`${modulations(prefix)}.weight`);

/**
 * A head with fewer operations for frozen weights, computing the same: the weight w and bias b of each block's layer norm go into
 * its modulation, `(w n + b)(1 + scale) + shift = n (w + w scale) + (b + b scale + shift)`, which stays linear in the modulation's input;
 * and all modulations, which depend on the same vector, become one product. `denoise` sees by the name that a head is folded.
 */
export function foldedHead(parameters: Parameters, prefix: string): Parameters {
  const depth = headDepth(parameters, prefix);
  const matrices: Float32Array[] = [];
  const vectors: Float32Array[] = [];
  const numbers = (name: string) => weight(parameters, `${prefix}${name}`).dataSync() as Float32Array;
  let width = 0;
  for (let block = 0; block <= depth; block++) {
    const last = block === depth;
    const name = last ? 'final_layer' : `res_blocks.${block}`;
    const matrix = numbers(`${name}.adaLN_modulation.1.weight`).slice();
    const vector = numbers(`${name}.adaLN_modulation.1.bias`).slice();
    width = matrix.length / vector.length;
    const [weights, biases] = last ? [] : ['weight', 'bias'].map((part) => numbers(`${name}.in_ln.${part}`));
    for (let row = 0; row < width; row++) {
      const w = weights?.[row] ?? 1;
      const b = biases?.[row] ?? 0;
      const scale = width + row;
      for (let column = 0; column < width; column++) {
        const entry = matrix[scale * width + column];
        matrix[row * width + column] += b * entry;
        matrix[scale * width + column] = w * entry;
      }
      vector[row] += b * (1 + vector[scale]);
      vector[scale] = w * (1 + vector[scale]);
    }
    matrices.push(matrix);
    vectors.push(vector);
  }
  const rows = vectors.reduce((sum, { length }) => sum + length, 0);
  return new Map([
    ...parameters,
    [`${modulations(prefix)}.weight`, tf.tensor2d(joined(matrices), [rows, width])],
    [`${modulations(prefix)}.bias`, tf.tensor1d(joined(vectors))],
  ]);
}

/** The modulations of a folded head for rows `[rows, width]`: shift, scale, gate of each block, then shift and scale of the final layer. */
export function foldedModulations(
  parameters: Parameters,
  active: tf.Tensor2D,
  prefix: string,
  depth: number,
): tf.Tensor[] {
  const joint = modulations(prefix);
  const count = 3 * depth + 2;
  // Few rows: one product, since calls cost more than copies. Many rows: a product each, since copies cost more than calls.
  if (active.shape[0] <= JOINT_ROWS) return tf.split(linear(parameters, joint, active), count, 1);
  const biases = tf.split(weight<tf.Tensor1D>(parameters, `${joint}.bias`), count);
  return tf
    .split(weight<tf.Tensor2D>(parameters, `${joint}.weight`), count, 0)
    .map((matrix, i) => tf.matMul(active, matrix, false, true).add(biases[i]));
}

const JOINT_ROWS = 64;

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
