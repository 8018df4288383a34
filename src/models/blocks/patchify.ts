import type * as tf from '@tensorflow/tfjs';

/**
 * Latents `[batch, height, width, channels]` to tokens `[batch, tokens, channels * patch^2]` in raster order; within a token
 * channels come first, then patch row, then patch column.
 */
export function patchify(latents: tf.Tensor4D, patch: number): tf.Tensor3D {
  const [batch, height, width, channels] = latents.shape;
  if (patch === 1) return latents.reshape([batch, height * width, channels]);
  const [rows, columns] = [height / patch, width / patch];
  return latents
    .reshape([batch * rows, patch, columns, patch * channels])
    .transpose([0, 2, 1, 3])
    .reshape([batch * rows * columns, patch * patch, channels])
    .transpose([0, 2, 1])
    .reshape([batch, rows * columns, channels * patch * patch]);
}

/** Tokens back to latents `[batch, side * patch, side * patch, channels]`. */
export function unpatchify(tokens: tf.Tensor3D, patch: number): tf.Tensor4D {
  const [batch, count, width] = tokens.shape;
  const side = Math.sqrt(count);
  const channels = width / (patch * patch);
  if (patch === 1) return tokens.reshape([batch, side, side, channels]);
  return tokens
    .reshape([batch * count, channels, patch * patch])
    .transpose([0, 2, 1])
    .reshape([batch * side, side, patch, patch * channels])
    .transpose([0, 2, 1, 3])
    .reshape([batch, side * patch, side * patch, channels]);
}
