import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../src/diffusion/noise';
import { foldIn, key } from '../../src/runtime/random';
import type { TrainingTask } from '../../src/training/loop';

/** A regression small enough to run hundreds of steps a second: a two-layer network learns a linear map from noisy data. */
export function toyTask(seed = 0, { poison }: { poison?: number } = {}): TrainingTask {
  const source = key(seed);
  return {
    name: 'toy',
    identity: { seed },
    initial: () =>
      new Map<string, tf.Tensor>([
        ['a.weight', tf.tidy(() => normalTensor(foldIn(source, 'a'), [16, 4]).mul(0.3))],
        ['a.bias', tf.zeros([16])],
        ['b.weight', tf.tidy(() => normalTensor(foldIn(source, 'b'), [2, 16]).mul(0.3))],
        ['unused', tf.ones([3])],
      ]),
    loss: (parameters, { x, y }) => {
      const hidden = tf.matMul(x as tf.Tensor2D, parameters.get('a.weight') as tf.Tensor2D, false, true);
      const active = hidden.add(parameters.get('a.bias')!).sigmoid() as tf.Tensor2D;
      const out = tf.matMul(active, parameters.get('b.weight') as tf.Tensor2D, false, true);
      return out.sub(y).square().mean() as tf.Scalar;
    },
    batch: (step) =>
      tf.tidy(() => {
        const x = normalTensor(foldIn(foldIn(source, 'x'), step), [8, 4]);
        const y = x.slice([0, 0], [8, 2]).add(x.slice([0, 2], [8, 2]));
        return { x: step === poison ? x.div(0) : x.clone(), y };
      }),
    batchSize: 8,
  };
}

export const TOY_OPTIONS = { schedule: { base: 0.01, warmup: 5 }, clipNorm: 1, emaRate: 0.9 };
