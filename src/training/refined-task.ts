import * as tf from '@tensorflow/tfjs';
import { z } from 'zod';
import { type Compiled, compile } from '../compile';
import { keyedNoise } from '../diffusion/noise';
import { diffusionHead, HEAD_IN_MODEL } from '../models/blocks/diffusion-loss';
import { patchify } from '../models/blocks/patchify';
import { fingerprint } from '../models/files/fingerprint';
import { type Head, sampleTokens } from '../models/token-sampler';
import { describedObject, parseOptions } from '../runtime/options';
import type { Parameters } from '../runtime/parameters';
import { foldIn, type Key } from '../runtime/random';
import type { TrainingTask } from './loop';
import type { Preparation } from './prepared-step';
import type { RefinedModel } from './refined-model';
import type { Batch, StepState } from './step';
import { type LatentSet, tokenTask } from './tasks';

const fineTuneSchema = describedObject({
  ownHistory: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe("share of history tokens that are the model's own samples; 0 is teacher forcing"),
  ramp: z.number().int().min(0).default(0).describe('updates over which that share grows linearly from 0'),
  ownSteps: z.number().int().min(1).max(1000).default(8).describe('DDIM steps of those samples'),
  // With coupling and targets held constant a proximal step of size eta passes 1 / (1 + 2 eta) = 1 - alpha.
  passThrough: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('part of a moved condition that lets the gradient pass; at 1 the displacement is the constant'),
});

/** Options of a fine-tune. */
export type FineTuneOptions = z.input<typeof fineTuneSchema>;

/** The options in effect. @throws InvalidInputError naming the wrong field. */
export function fineTuneOptions(given: FineTuneOptions = {}): z.output<typeof fineTuneSchema> {
  return parseOptions('the fine-tune', fineTuneSchema, given);
}

/** Conditions of a batch with their origins; rows without a class (dropped labels) are left out. */
export interface BatchConditions {
  /** `[rows, width]` */
  conditions: Float32Array;
  classes: Int32Array;
  positions: Int32Array;
}

/** What moves the conditions of a training batch, such as a refinement with its own buffer. */
export interface Coupling {
  /** Moved conditions `[rows, width]`. */
  move(rows: BatchConditions): Float32Array;
  /** Learns the ideal law from conditions under real histories; called after `move`, so that no row meets itself. */
  learn(rows: BatchConditions, key: Key): void;
  exportState(): StepState['tensors'];
  importState(tensors: StepState['tensors']): void;
  /** As plain JSON, for the identity of the training. */
  identity: unknown;
}

/** A fine-tune as the loop sees it: `train(task, { ..., makeStep: preparedStep(preparation) })`. */
export interface RefinedTask {
  task: TrainingTask;
  preparation: Preparation;
  /** Frees compiled parts. */
  dispose(): void;
}

/**
 * Goes on training a model with the refinement between transformer and denoiser (`coupling`), on its own histories
 * (`ownHistory`, scheduled sampling), or both. Neither: plain training, the control at equal budget.
 * @param initial weights to start from; copied
 */
export function refinedTask(
  latents: LatentSet,
  model: RefinedModel,
  initial: Parameters,
  { batchSize, key, coupling, ...rest }: FineTuneOptions & { batchSize: number; key: Key; coupling?: Coupling },
): RefinedTask {
  const options = fineTuneOptions(rest);
  const plain = tokenTask(latents, model, batchSize, key);
  const start = fingerprint(initial);
  const parts = compiledParts(model);
  const preparation: Preparation = {
    async prepare(batch, parameters, step) {
      const own = foldIn(foldIn(key, 'own history'), step);
      const share = options.ownHistory * (options.ramp > 0 ? Math.min(1, (step + 1) / options.ramp) : 1);
      const more: Batch = {};
      if (options.ownHistory > 0) {
        more.history = ownHistory(model, parts, parameters, batch, { share, steps: options.ownSteps, key: own });
      }
      if (coupling) {
        const real = parts.conditions(parameters, batch);
        const seen = more.history ? parts.conditions(parameters, { ...batch, ...more }) : real;
        Object.assign(more, moveConditions(model, coupling, batch, seen, options.passThrough));
        coupling.learn(rowsOf(model, batch, real).rows, foldIn(foldIn(key, 'buffer'), step));
      }
      return more;
    },
    exportState: () => coupling?.exportState() ?? new Map(),
    importState: (tensors) => coupling?.importState(tensors),
  };
  return {
    task: {
      ...plain,
      identity: { ...plain.identity, start, fineTune: options, coupling: coupling?.identity ?? null },
      initial: () => new Map([...initial].map(([name, x]) => [name, x.clone()])),
    },
    preparation,
    dispose: parts.dispose,
  };
}

interface Parts {
  conditions(parameters: Parameters, batch: Batch): Float32Array;
  head(parameters: Parameters): Head;
  dispose(): void;
}

/** Conditions and head as native graphs with the weights as inputs, since they change with every step. */
function compiledParts(model: RefinedModel): Parts {
  const split = (inputs: Batch) => {
    const parameters: Parameters = new Map();
    const batch: Batch = {};
    for (const [name, x] of Object.entries(inputs)) {
      if (name.startsWith('weights.')) parameters.set(name.slice('weights.'.length), x);
      else batch[name] = x;
    }
    return { parameters, batch };
  };
  const weights = (parameters: Parameters, wanted: (name: string) => boolean) =>
    Object.fromEntries([...parameters].filter(([name]) => wanted(name)).map(([name, x]) => [`weights.${name}`, x]));
  const conditions: Compiled<Batch, tf.Tensor> = compile(
    (inputs) => {
      const { parameters, batch } = split(inputs);
      return model.conditions(parameters, batch);
    },
    { name: `conditions of ${model.name}`, maxTraces: 256 },
  );
  const head: Compiled<Batch, tf.Tensor> = compile(
    (inputs) => {
      const { parameters, batch } = split(inputs);
      const { noised, steps, rows } = batch as { noised: tf.Tensor2D; steps: tf.Tensor1D; rows: tf.Tensor2D };
      return diffusionHead(parameters, noised, steps, rows, HEAD_IN_MODEL);
    },
    { name: `head of ${model.name}`, maxTraces: 256 },
  );
  const needed = ['latents', 'labels', 'labelKept', 'history', 'kept', 'filled', 'source', 'wanted', 'wantedSource'];
  return {
    conditions: (parameters, batch) =>
      tf.tidy(() => {
        const inputs = Object.fromEntries(Object.entries(batch).filter(([name]) => needed.includes(name)));
        const all = { ...weights(parameters, (name) => !name.startsWith(HEAD_IN_MODEL)), ...inputs };
        return conditions(all).dataSync() as Float32Array;
      }),
    head: (parameters) => {
      const own = weights(parameters, (name) => name.startsWith(HEAD_IN_MODEL));
      return (noised, steps, rows) => head({ ...own, noised, steps, rows }) as tf.Tensor2D;
    },
    dispose: () => {
      conditions.dispose();
      head.dispose();
    },
  };
}

/** The real tokens, a share of them replaced by samples of the model's own, `[batch, tokens, channels]`. */
function ownHistory(
  model: RefinedModel,
  parts: Parts,
  parameters: Parameters,
  batch: Batch,
  { share, steps, key }: { share: number; steps: number; key: Key },
): tf.Tensor3D {
  const { patchSize } = model.config as { patchSize: number };
  const history = tf.tidy(() =>
    patchify(batch.latents as tf.Tensor4D, patchSize)
      .dataSync()
      .slice(),
  );
  const { tokens, from } = model.ownTokens(batch, share, foldIn(key, 'which'));
  if (tokens.length > 0) {
    const conditions = rowsAt(parts.conditions(parameters, from), tokens, model.width);
    const sampled = tf.tidy(() =>
      sampleTokens(
        parameters,
        tf.tensor2d(conditions, [tokens.length, model.width]),
        keyedNoise(foldIn(key, 'noise')),
        {
          respacing: `ddim${steps}`,
          method: 'ddim',
          head: parts.head(parameters),
        },
      ).dataSync(),
    );
    tokens.forEach((token, row) => {
      history.set(sampled.subarray(row * model.channels, (row + 1) * model.channels), token * model.channels);
    });
  }
  for (const [name, x] of Object.entries(from)) if (x !== batch[name]) x.dispose();
  return tf.tensor3d(history as Float32Array, [batch.labels.size, model.tokens, model.channels]);
}

/** The rows of a batch that have a class and a loss, and their numbers among `[batch, tokens]`. */
function rowsOf(model: RefinedModel, batch: Batch, conditions: Float32Array) {
  const kept = batch.labelKept?.dataSync();
  const labels = batch.labels.dataSync();
  const image = (token: number) => Math.floor(token / model.tokens);
  const tokens = model.predicted(batch).filter((token) => kept?.[image(token)] !== 0);
  const rows: BatchConditions = {
    conditions: rowsAt(conditions, tokens, model.width),
    classes: tokens.map((token) => labels[image(token)]),
    positions: tokens.map((token) => token % model.tokens),
  };
  return { tokens, rows };
}

/**
 * The denoiser's conditions as `passThrough * conditions + offset`: moved rows let the stated share of the gradient pass, all
 * others (no class, no loss, a group that was left alone) are as they were, gradient and all.
 */
function moveConditions(
  model: RefinedModel,
  coupling: Coupling,
  batch: Batch,
  conditions: Float32Array,
  share: number,
): Batch {
  const { width } = model;
  const { tokens, rows } = rowsOf(model, batch, conditions);
  const moved = coupling.move(rows);
  const offset = new Float32Array(conditions.length);
  const passThrough = new Float32Array(conditions.length / width).fill(1);
  tokens.forEach((token, row) => {
    const [from, to] = [row * width, (row + 1) * width];
    if (moved.subarray(from, to).every((x, k) => x === rows.conditions[from + k])) return;
    passThrough[token] = share;
    for (let k = 0; k < width; k++) offset[token * width + k] = moved[from + k] - share * rows.conditions[from + k];
  });
  const count = batch.labels.size;
  return {
    offset: tf.tensor3d(offset, [count, model.tokens, width]),
    passThrough: tf.tensor3d(passThrough, [count, model.tokens, 1]),
  };
}

function rowsAt(conditions: Float32Array, tokens: Int32Array, width: number): Float32Array {
  const rows = new Float32Array(tokens.length * width);
  tokens.forEach((token, row) => {
    rows.set(conditions.subarray(token * width, (token + 1) * width), row * width);
  });
  return rows;
}
