import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import { linear, weight } from './layers';

/** How many residual blocks a head has. */
export function headDepth(parameters: Parameters, prefix: string): number {
  let depth = 0;
  while (parameters.has(`${prefix}res_blocks.${depth}.in_ln.weight`)) depth++;
  return depth;
}

/** The modulations of a folded head: shift, scale, gate of each block, then shift and scale of the final layer. */
const modulation = (prefix: string, i: number): string => `${prefix}modulations.${i}`;
export const isFolded = (parameters: Parameters, prefix: string): boolean =>
  parameters.has(`${modulation(prefix, 0)}.weight`);

/**
 * A head with fewer operations for frozen weights, computing the same: the weight w and bias b of each block's layer norm go into
 * its modulation, `(w n + b)(1 + scale) + shift = n (w + w scale) + (b + b scale + shift)`, which stays linear in the modulation's input;
 * and each modulation is a layer of its own, so that none has to be cut out of a larger result. `denoise` sees by the name that a head is folded.
 */
export function foldedHead(parameters: Parameters, prefix: string): Parameters {
  const depth = headDepth(parameters, prefix);
  const folded = new Map(parameters);
  const numbers = (name: string) => weight(parameters, `${prefix}${name}`).dataSync() as Float32Array;
  let count = 0;
  for (let block = 0; block <= depth; block++) {
    const last = block === depth;
    const name = last ? 'final_layer' : `res_blocks.${block}`;
    const matrix = numbers(`${name}.adaLN_modulation.1.weight`).slice();
    const vector = numbers(`${name}.adaLN_modulation.1.bias`).slice();
    const width = matrix.length / vector.length;
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
    for (let from = 0; from < vector.length; from += width, count++) {
      const name = modulation(prefix, count);
      const rows = matrix.subarray(from * width, (from + width) * width);
      folded.set(`${name}.weight`, tf.tensor2d(rows, [width, width]));
      folded.set(`${name}.bias`, tf.tensor1d(vector.slice(from, from + width)));
    }
  }
  return folded;
}

/** Shift, scale and gate of each block of a folded head for rows `[rows, width]`, then shift and scale of the final layer. */
export function foldedModulations(parameters: Parameters, active: tf.Tensor2D, prefix: string): tf.Tensor2D[] {
  const count = 3 * headDepth(parameters, prefix) + 2;
  return Array.from({ length: count }, (_, i) => linear(parameters, modulation(prefix, i), active));
}
