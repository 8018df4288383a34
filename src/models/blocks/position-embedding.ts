import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';

/** Root mean square of the values: as large as the projected tokens that they are added to. */
const AMPLITUDE = 0.5;
/** Radians per token of the slowest and the fastest wave: neighbours stay alike, and the ends of a short grid differ. */
const FREQUENCIES = { lowest: 0.25, highest: 2 };

/** Sines and cosines of row and column, `[side * side, width]` in raster order; `width` must be a multiple of 4. */
export function sineCosinePositions(side: number, width: number): Float32Array {
  const waves = width / 4;
  const values = new Float32Array(side * side * width);
  for (let place = 0; place < side * side; place++) {
    const [row, column] = [Math.floor(place / side), place % side];
    for (let k = 0; k < waves; k++) {
      const frequency = FREQUENCIES.lowest + ((FREQUENCIES.highest - FREQUENCIES.lowest) * k) / waves;
      const angles = [column * frequency, row * frequency];
      const four = angles.flatMap((angle) => [Math.sin(angle), Math.cos(angle)]);
      four.forEach((value, i) => {
        values[place * width + i * waves + k] = AMPLITUDE * Math.SQRT2 * value;
      });
    }
  }
  return values;
}

/**
 * Adds sines and cosines to the learned position embeddings of fresh weights (ours; the reference starts them from noise alone).
 * A small model otherwise spends most of a short training on finding out which tokens are neighbours. Places in front of the
 * `side * side` tokens (MAR's class buffer) and the denoiser's own embedding stay as they are. Replaces tensors in the map.
 */
export function startFromPositions(parameters: Parameters, side: number): Parameters {
  for (const [name, start] of parameters) {
    if (!/(^|coder_)pos_embed_learned$/.test(name)) continue;
    const [, places, width] = start.shape as [number, number, number];
    const values = start.dataSync().slice() as Float32Array;
    const first = (places - side * side) * width;
    sineCosinePositions(side, width).forEach((value, i) => {
      values[first + i] += value;
    });
    parameters.set(name, tf.tensor(values, start.shape));
    start.dispose();
  }
  return parameters;
}
