/**
 * The compiled update: forward and backward in one native graph, then clipping, AdamW and moving average in one pass over
 * flat memory. Same interface and results as `eagerStep`:
 *
 *     const step = trainStep(loss, initMar(config, key), { clipNorm: 3 });
 *     const { loss, gradientNorm } = await step.update(batch, learningRate);
 *     const weights = step.ema();                    // tensors, the caller disposes of them
 *     saveState(step.exportState());                 // importState resumes with the very same bits
 *
 * ONNX Runtime reads the weights from the memory of the update kernel and writes the gradients into it: a step is one native
 * call and one kernel call, or with `shards` one of each on every thread, each on its part of the batch. Nothing is written to weights or moments before loss and gradients are known to be finite.
 */
import * as tf from '@tensorflow/tfjs';
import { compileEnabled, dtypeOfData, type PlainArray } from '../compile/compile';
import { CompileError } from '../compile/errors';
import { encodeOnnx } from '../compile/onnx';
import { type TensorSpec, trace } from '../compile/trace';
import { InvalidInputError, NumericalError } from '../runtime/errors';
import type { Parameters } from '../runtime/parameters';
import { defaultThreads } from '../runtime/threads';
import { warmEmaRate } from './ema';
import { FlatParameters } from './flat-parameters';
import { decays } from './optimizer';
import type { PlainBatch } from './shards';
import { type Batch, eagerStep, type Loss, type StepOptions, type StepState, type TrainStep } from './step';
import { type LoadedLoss, StepTeam } from './step-team';

export interface CompiledStepOptions extends StepOptions {
  /** Name in error messages. Default: the loss function's own name. */
  name?: string;
  /** Threads: each takes a part of the batch where `shards` can cut it, else within an operator. Default `defaultThreads()`. */
  threads?: number;
  /** Leave the caller's thread free for `meanwhile` where there are helpers. Default: on a machine with more cores than threads. */
  spare?: boolean;
  /** How many different batch shapes are kept before a step is refused. Default 64. */
  maxTraces?: number;
  /** `plain` uses the update loops in TypeScript; for comparison. Default `simd`. */
  kernel?: 'simd' | 'plain';
}

/** The compiled step, or the eager one with `CER_COMPILE=off`. */
export function trainStep(loss: Loss, initial: Parameters, options: CompiledStepOptions = {}): TrainStep {
  return compileEnabled() ? compiledStep(loss, initial, options) : eagerStep(loss, initial, options);
}

/**
 * The update as a native graph.
 * @param initial weights to start from; copied, so the caller may dispose of them.
 * @throws CompileError at the first step when the loss cannot be traced.
 */
export function compiledStep(loss: Loss, initial: Parameters, options: CompiledStepOptions = {}): TrainStep {
  const { emaRate = 0.999, emaWarmup = true, threads = defaultThreads(), maxTraces = 64 } = options;
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.02, clipNorm } = options;
  const name = options.name ?? (loss.name || 'loss');
  const layout = new FlatParameters(
    [...initial].map(([key, x]) => ({ name: key, shape: x.shape, decays: decays(key, x.shape) })),
  );
  const team = new StepTeam(layout, options.shards ? threads : 1, threads, options.kernel, options.spare);
  const view = (array: keyof typeof team.at, key: string) => layout.view(team.memory, team.at[array], key);
  const entries = new Map<string, LoadedLoss>();
  let steps = 0;
  for (const [key, x] of initial) {
    const values = x.dataSync() as Float32Array;
    view('weights', key).set(values);
    view('average', key).set(values);
  }

  const build = (specs: Record<string, TensorSpec>, parts: number): LoadedLoss => {
    const { graph, outputs } = trace(
      (inputs) => lossAndGradients(loss, layout.names, inputs),
      {
        ...Object.fromEntries(
          layout.parameters.map(({ name: key, shape }) => [`weights.${key}`, { shape, dtype: 'float32' as const }]),
        ),
        ...Object.fromEntries(Object.entries(specs).map(([key, spec]) => [`batch.${key}`, spec])),
      },
      name,
    );
    return team.load(encodeOnnx(graph, outputs, name), parts);
  };
  const entryFor = (batch: PlainBatch, parts: number): LoadedLoss => {
    const specs = Object.fromEntries(
      Object.entries(batch).map(([key, { data, shape }]) => [key, { shape, dtype: dtypeOfData(data) }]),
    );
    const shapes = Object.entries(specs)
      .map(([key, { shape, dtype }]) => `${key}:${dtype}[${shape}]`)
      .join(' ');
    const known = entries.get(`${parts} ${shapes}`);
    if (known) return known;
    if (entries.size >= maxTraces) throw tooManyShapes(name, shapes, maxTraces);
    const entry = build(specs, parts);
    entries.set(`${parts} ${shapes}`, entry);
    return entry;
  };
  /** As many parts as there are threads, or fewer that are equal. */
  const cut = (batch: PlainBatch): PlainBatch[] => {
    for (let count = team.parts; count > 1; count--) {
      const parts = options.shards?.(batch, count);
      if (parts) return parts;
    }
    return [batch];
  };
  const evaluate = (batch: PlainBatch, meanwhile?: () => void) => {
    const parts = cut(batch);
    return team.evaluate(entryFor(parts[0], parts.length), parts, meanwhile);
  };

  return {
    async update(batch, learningRate, meanwhile) {
      const plainBatch = toPlain(batch);
      const { loss: value, gradientNorm } = evaluate(plainBatch, meanwhile);
      if (!Number.isFinite(value) || !Number.isFinite(gradientNorm)) {
        throw diagnose(value, plainBatch, layout.names, (array, key) => view(array, key));
      }
      // 1e-6 as in torch.nn.utils.clip_grad_norm_
      const clip = clipNorm === undefined ? 1 : Math.min(1, clipNorm / (gradientNorm + 1e-6));
      const numbers = {
        clip,
        beta1,
        beta2,
        epsilon,
        stepSize: learningRate / (1 - beta1 ** (steps + 1)),
        inverseRootCorrection: 1 / Math.sqrt(1 - beta2 ** (steps + 1)),
        emaRate: emaWarmup ? warmEmaRate(emaRate, steps) : emaRate,
      };
      team.update(1 - learningRate * weightDecay, numbers);
      steps++;
      return { loss: value, gradientNorm };
    },
    parameters: () => tensors('weights'),
    ema: () => tensors('average'),
    exportState(): StepState {
      const saved: StepState['tensors'] = new Map();
      for (const key of layout.names) {
        const shape = [...layout.shape(key)];
        saved.set(`weights.${key}`, { shape, data: view('weights', key).slice() });
        saved.set(`first.${key}`, { shape, data: view('first', key).slice() });
        saved.set(`second.${key}`, { shape, data: view('second', key).slice() });
        saved.set(`ema.${key}`, { shape, data: view('average', key).slice() });
      }
      return { step: steps, tensors: saved };
    },
    importState(state) {
      const parts = [
        ['weights', 'weights'],
        ['first', 'first'],
        ['second', 'second'],
        ['ema', 'average'],
      ] as const;
      const stored = layout.names.flatMap((key) =>
        parts.map(([kind, array]) => ({
          target: view(array, key),
          data: storedArray(state, `${kind}.${key}`, layout.shape(key)),
        })),
      );
      for (const { target, data } of stored) target.set(data);
      steps = state.step;
    },
    dispose() {
      team.dispose();
      entries.clear();
    },
  };

  function tensors(array: 'weights' | 'average'): Parameters {
    // A slice, since the cpu backend would keep the view and change with it.
    return new Map(
      layout.parameters.map(({ name: key, shape }) => [key, tf.tensor(view(array, key).slice(), [...shape])]),
    );
  }
}

/** The traced function: a loss and its gradient for each weight that it depends on. */
function lossAndGradients(
  loss: Loss,
  names: readonly string[],
  inputs: Record<string, tf.Tensor>,
): Record<string, tf.Tensor> {
  const batch: Batch = {};
  for (const [key, x] of Object.entries(inputs)) if (key.startsWith('batch.')) batch[key.slice(6)] = x;
  const weights = names.map((key) => inputs[`weights.${key}`]);
  // Through the engine: tf.valueAndGrads refuses weights that the loss does not use.
  const { value, grads } = tf
    .engine()
    .gradients(() => loss(new Map(weights.map((w, i) => [names[i], w])), batch) as tf.Tensor, weights, undefined, true);
  const outputs: Record<string, tf.Tensor> = { loss: value.reshape([]) };
  for (const [i, gradient] of grads.entries()) if (gradient) outputs[`gradient.${names[i]}`] = gradient;
  return outputs;
}

function toPlain(batch: Batch): PlainBatch {
  return Object.fromEntries(
    Object.entries(batch).map(([key, x]) => [key, { data: x.dataSync() as PlainArray['data'], shape: x.shape }]),
  );
}

function storedArray({ tensors }: StepState, key: string, shape: readonly number[]): Float32Array {
  const found = tensors.get(key);
  if (found && String(found.shape) === String(shape)) return found.data;
  throw new InvalidInputError('State of a training', {
    given: found ? `${key} of shape [${found.shape}]` : `no ${key}`,
    expected: `${key} of shape [${shape}]`,
    remedy: 'Resume with the checkpoint of this very model.',
  });
}

/** Says where a loss or gradient that is not finite came from. */
function diagnose(
  value: number,
  batch: PlainBatch,
  names: readonly string[],
  view: (array: 'weights' | 'gradients', key: string) => Float32Array,
): NumericalError {
  const bad = (data: ArrayLike<number>) => Array.prototype.some.call(data, (x: number) => !Number.isFinite(x));
  const cause =
    Object.keys(batch).find((key) => bad(batch[key].data)) ?? names.find((key) => bad(view('weights', key)));
  const gradient = names.find((key) => bad(view('gradients', key)));
  return new NumericalError(Number.isFinite(value) ? `Gradient of ${gradient ?? 'the loss'}` : 'Loss', {
    given: `${Number.isFinite(value) ? 'numbers that are not finite' : value}${
      cause ? `, with ${cause} not finite` : ', with all weights and inputs finite'
    }${gradient ? `; the first gradient that is not finite is that of ${gradient}` : ''}`,
    expected: 'finite numbers',
    remedy: cause
      ? 'Look at where this tensor comes from; weights and moments are as before the step.'
      : 'The computation itself overflows: lower the learning rate or clip the gradients; weights and moments are as before the step.',
  });
}

function tooManyShapes(name: string, shapes: string, limit: number): CompileError {
  return new CompileError(`Compiling ${name}`, {
    given: `a ${limit + 1}th combination of batch shapes, ${shapes}`,
    expected: `at most ${limit}`,
    remedy: 'Drop or pad the last, smaller batch of an epoch, or raise maxTraces.',
  });
}
