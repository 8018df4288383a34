import type * as tf from '@tensorflow/tfjs';

/**
 * The weights of a model: PyTorch state-dict names and layouts, unchanged (a linear weight is `[out, in]`, a convolution
 * `[out, in, height, width]`). A model is a pure function over this map, so that loading, saving, EMA, AdamW and
 * compilation need no special case.
 */
export type Parameters = Map<string, tf.Tensor>;
