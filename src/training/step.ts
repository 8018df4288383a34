import * as tf from '@tensorflow/tfjs';
import { NumericalError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { type Averages, emaParameters, initEma, updateEma, warmEmaRate } from './ema';
import { type AdamWOptions, type AdamWState, adamW, initAdamW } from './optimizer';
import type { Shards } from './shards';

/** Named input tensors of a loss: data, labels, noise, steps, masks - everything random comes in here. */
export type Batch = Record<string, tf.Tensor>;

/** A pure, differentiable loss: a scalar from weights and a batch; no random numbers and no reading of values inside. */
export type Loss = (parameters: Parameters, batch: Batch) => tf.Scalar;

/** Options of an update, fixed for a training; only the learning rate changes from step to step. */
export interface StepOptions extends Omit<AdamWOptions, 'learningRate'> {
  /** Rate of the moving average, in [0, 1). Default 0.999. */
  emaRate?: number;
  /** Warm up the moving average (for short trainings). Default true. */
  emaWarmup?: boolean;
  /** How to cut a batch for several threads; default: it is not cut. */
  shards?: Shards;
}

/** What one update reports: the loss before it and the global gradient norm before clipping. */
export interface StepReport {
  loss: number;
  gradientNorm: number;
}

/** Everything that an exact resume needs, as plain arrays: `weights`, `first`, `second` and `ema` per parameter name. */
export interface StepState {
  step: number;
  tensors: Map<string, { shape: number[]; data: Float32Array }>;
}

/**
 * Weights, moments and moving averages behind one update function. `eagerStep` is the plain implementation; a compiled one
 * has the same interface and must agree with it. A failed step leaves the old state whole.
 */
export interface TrainStep {
  /**
   * One update; the caller disposes of the batch.
   * @param meanwhile may be called once during the update: where that runs on other threads, what it does costs no time.
   * @throws NumericalError when loss or gradients are not finite.
   */
  update(batch: Batch, learningRate: number, meanwhile?: () => void): Promise<StepReport>;
  /** Current weights as tensors that the caller disposes of. */
  parameters(): Parameters;
  /** Moving averages as tensors that the caller disposes of. */
  ema(): Parameters;
  exportState(): StepState;
  importState(state: StepState): void;
  dispose(): void;
}

/**
 * The update in plain TensorFlow.js operations.
 * @param initial weights to start from; copied, so the caller may dispose of them
 */
export function eagerStep(loss: Loss, initial: Parameters, options: StepOptions = {}): TrainStep {
  const { emaRate = 0.999, emaWarmup = true } = options;
  let weights: Parameters = new Map([...initial].map(([name, x]) => [name, x.clone()]));
  let state: AdamWState = initAdamW(weights);
  let averages: Averages = initEma(weights);
  const disposeAll = (tensors: Iterable<tf.Tensor>) => {
    for (const x of tensors) x.dispose();
  };
  return {
    async update(batch, learningRate) {
      const { value, gradients } = valueAndGradients(loss, weights, batch);
      try {
        if (!Number.isFinite(value)) throw notFinite(value, weights, batch);
        const result = adamW(weights, gradients, state, { ...options, learningRate });
        const rate = emaWarmup ? warmEmaRate(emaRate, state.step) : emaRate;
        averages = updateEma(averages, result.parameters, rate);
        disposeAll(weights.values());
        weights = result.parameters;
        state = result.state;
        return { loss: value, gradientNorm: result.gradientNorm };
      } finally {
        disposeAll(gradients.values());
      }
    },
    parameters: () => new Map([...weights].map(([name, x]) => [name, x.clone()])),
    ema: () => emaParameters(averages, weights),
    exportState() {
      const tensors: StepState['tensors'] = new Map();
      for (const [name, x] of weights) {
        const shape = x.shape.slice();
        tensors.set(`weights.${name}`, { shape, data: x.dataSync().slice() as Float32Array });
        tensors.set(`first.${name}`, { shape, data: state.first.get(name)! });
        tensors.set(`second.${name}`, { shape, data: state.second.get(name)! });
        tensors.set(`ema.${name}`, { shape, data: averages.get(name)! });
      }
      return { step: state.step, tensors };
    },
    importState({ step, tensors }) {
      const names = [...weights.keys()];
      const part = (kind: string) => new Map(names.map((name) => [name, tensors.get(`${kind}.${name}`)!.data.slice()]));
      const stored = part('weights');
      const restored = new Map(names.map((name) => [name, tf.tensor(stored.get(name)!, weights.get(name)!.shape)]));
      disposeAll(weights.values());
      weights = restored;
      state = { step, first: part('first'), second: part('second') };
      averages = part('ema');
    },
    dispose: () => disposeAll(weights.values()),
  };
}

/** A loss and its gradient for each parameter (zeros where the loss does not use it). */
export function valueAndGradients(
  loss: Loss,
  parameters: Parameters,
  batch: Batch,
): { value: number; gradients: Parameters } {
  const names = [...parameters.keys()];
  const weights = [...parameters.values()];
  // Through the engine: tf.valueAndGrads refuses weights that the loss does not use.
  const { value, grads } = tf.engine().gradients(() => loss(parameters, batch), weights, undefined, true);
  const number = value.dataSync()[0];
  value.dispose();
  return {
    value: number,
    gradients: new Map(names.map((name, i) => [name, grads[i] ?? tf.zerosLike(parameters.get(name)!)])),
  };
}

/** Says where a non-finite loss came from: the first weight or input that is not finite, or the computation itself. */
function notFinite(value: number, parameters: Parameters, batch: Batch): NumericalError {
  const bad = [...parameters, ...Object.entries(batch)].find(([, x]) => x.dataSync().some((v) => !Number.isFinite(v)));
  return new NumericalError('Loss', {
    given: `${value}${bad ? `, with ${bad[0]} not finite` : ', with all weights and inputs finite'}`,
    expected: 'a finite number',
    remedy: bad
      ? 'Look at where this tensor comes from; the last checkpoint is whole.'
      : 'The computation itself overflows: lower the learning rate or clip the gradients; the last checkpoint is whole.',
  });
}
