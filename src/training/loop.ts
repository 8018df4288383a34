import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { checksum } from '../io/checksum';
import { lockFolder } from '../io/folder-lock';
import { FileFormatError, NumericalError } from '../runtime/errors';
import { pause } from '../runtime/interrupt';
import type { Parameters } from '../runtime/parameters';
import { type Checkpoint, type Identity, loadCheckpoint, requireSameIdentity, saveCheckpoint } from './checkpoint';
import { learningRateAt, type RateSchedule } from './schedule';
import type { Shards } from './shards';
import { type Batch, eagerStep, type Loss, type StepOptions, type TrainStep } from './step';

/** What is trained: weights to start from, a loss, and batches as a function of the step alone. */
export interface TrainingTask {
  name: string;
  /** Model and data, as plain JSON: what a resumed run must have in common with the first. */
  identity: Identity;
  initial(): Parameters;
  loss: Loss;
  /** Tensors of step 0, 1, ...; the loop disposes of them. */
  batch(step: number): Batch;
  /** How to cut a batch for several threads; default: it is not cut. */
  shards?: Shards;
  /** Images a batch, for the speed shown. */
  batchSize: number;
}

/** How long and how fast. */
export interface TrainingOptions extends StepOptions {
  steps: number;
  /** Learning rate in units of steps. */
  schedule: RateSchedule;
  /** Folder for `checkpoint.safetensors` and `log.jsonl`. Default: nothing is written. */
  out?: string;
  /** Go on from the checkpoint in `out` when there is one. Default false: start anew. */
  resume?: boolean;
  /** Steps between checkpoints. Default 250. */
  checkpointEvery?: number;
  /** Steps between log lines and progress reports. Default 10. */
  logEvery?: number;
  /** Stop after the current step, with a checkpoint. */
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Makes the update; default `eagerStep`. */
  makeStep?: (loss: Loss, initial: Parameters, options: StepOptions) => TrainStep;
}

/** One line of the log: means since the line before. */
export interface Progress {
  /** Steps done. */
  step: number;
  steps: number;
  loss: number;
  gradientNorm: number;
  learningRate: number;
  imagesPerSecond: number;
  etaSeconds: number;
  /** Resident memory of the process in bytes, and the number of tensors alive. */
  memory: number;
  tensors: number;
}

/** What a training leaves: weights and averages (the caller disposes of them), and its history. */
export interface TrainingResult {
  parameters: Parameters;
  ema: Parameters;
  /** Losses of all steps from the first, those of earlier runs included. */
  losses: Float64Array;
  /** Step at which this run went on. */
  firstStep: number;
  stepsDone: number;
  seconds: number;
  finished: boolean;
}

/**
 * Trains a task step by step. Stopped at any moment it loses at most the steps since the last checkpoint, and a resumed run
 * gives the same losses and weights as one that was never stopped.
 * @throws InvalidInputError while another process trains in `out`; NumericalError at a loss or gradient that is not finite: the last checkpoint stays as it is.
 */
export async function train(task: TrainingTask, options: TrainingOptions): Promise<TrainingResult> {
  if (options.out === undefined) return run(task, options);
  mkdirSync(options.out, { recursive: true });
  const unlock = lockFolder(options.out);
  try {
    return await run(task, options);
  } finally {
    unlock();
  }
}

async function run(task: TrainingTask, options: TrainingOptions): Promise<TrainingResult> {
  const { steps, schedule, out, checkpointEvery = 250, logEvery = 10, onProgress, makeStep = eagerStep } = options;
  const { emaRate, emaWarmup, beta1, beta2, epsilon, weightDecay, clipNorm } = options;
  const stepOptions: StepOptions = { emaRate, emaWarmup, beta1, beta2, epsilon, weightDecay, clipNorm };
  const identity = { ...task.identity, task: task.name, batch: task.batchSize, schedule, ...stepOptions };
  const initial = task.initial();
  const update = makeStep(task.loss, initial, { ...stepOptions, shards: task.shards });
  for (const x of initial.values()) x.dispose();
  const files = out ? openFolder(out, options.resume ?? false) : undefined;
  const found = files && options.resume ? loadCheckpoint(files.checkpoint) : undefined;
  if (files && found) {
    requireSameIdentity(files.checkpoint, found.identity, JSON.parse(JSON.stringify(identity)));
    update.importState(found.state);
    trimLog(files.log, found);
  }
  const firstStep = found?.state.step ?? 0;
  const earlier = found?.seconds ?? 0;
  const begin = performance.now();
  const secondsNow = () => earlier + (performance.now() - begin) / 1000;
  const losses = new Float64Array(Math.max(steps, firstStep));
  if (found) losses.set(found.losses);
  let window = { from: firstStep, loss: 0, gradientNorm: 0, time: begin };
  let step = firstStep;
  let saved = firstStep;
  const save = () => {
    if (files && saved !== step) {
      const log = checksumOf(files.log);
      const now = { state: update.exportState(), losses: losses.slice(0, step) };
      saveCheckpoint(files.checkpoint, { ...now, identity, seconds: secondsNow(), log });
      saved = step;
    }
  };
  // The next batch is made while this one's update runs.
  let next: Batch | undefined;
  const discard = (batch: Batch | undefined) => {
    for (const x of Object.values(batch ?? {})) x.dispose();
  };
  for (;;) {
    await pause(); // a step leaves the event loop no turn, in which signals would be heard
    if (step >= steps || options.signal?.aborted) break;
    const batch = next ?? task.batch(step);
    next = undefined;
    const learningRate = learningRateAt(step, schedule);
    try {
      const { loss, gradientNorm } = await update.update(batch, learningRate, () => {
        if (step + 1 < steps) next = task.batch(step + 1);
      });
      losses[step] = loss;
      window.loss += loss;
      window.gradientNorm += gradientNorm;
    } catch (error) {
      discard(next);
      throw explain(error, task.name, step, files && existsSync(files.checkpoint) ? files.checkpoint : undefined);
    } finally {
      discard(batch);
    }
    step++;
    if (step % logEvery === 0 || step === steps) {
      const now = performance.now();
      const count = step - window.from;
      const perStep = (now - window.time) / 1000 / count;
      const progress: Progress = {
        step,
        steps,
        loss: window.loss / count,
        gradientNorm: window.gradientNorm / count,
        learningRate,
        imagesPerSecond: task.batchSize / perStep,
        etaSeconds: ((steps - step) * (now - begin)) / 1000 / (step - firstStep),
        memory: process.memoryUsage.rss(),
        tensors: tf.memory().numTensors,
      };
      if (files) appendFileSync(files.log, `${JSON.stringify(progress)}\n`);
      onProgress?.(progress);
      window = { from: step, loss: 0, gradientNorm: 0, time: now };
    }
    if (step % checkpointEvery === 0) save();
  }
  discard(next);
  save();
  const result = { parameters: update.parameters(), ema: update.ema() };
  update.dispose();
  return {
    ...result,
    losses: losses.subarray(0, step),
    firstStep,
    stepsDone: step,
    seconds: secondsNow(),
    finished: step >= steps,
  };
}

function openFolder(out: string, resume: boolean) {
  const files = { checkpoint: join(out, 'checkpoint.safetensors'), log: join(out, 'log.jsonl') };
  if (!resume) for (const file of Object.values(files)) rmSync(file, { force: true });
  // What a killed run left half-written; the file itself is whole.
  for (const name of readdirSync(out)) if (name.endsWith('.partial')) rmSync(join(out, name), { force: true });
  return files;
}

/**
 * Drops log lines of steps that a resumed run does again, and a last line that a crash cut short. Without a log the run goes on.
 * @throws FileFormatError when the rest is not the log of the checkpoint
 */
function trimLog(path: string, { state, log }: Checkpoint): void {
  if (!existsSync(path)) return;
  const kept = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => {
      try {
        return (JSON.parse(line) as Progress).step <= state.step;
      } catch {
        return false;
      }
    });
  const text = kept.map((line) => `${line}\n`).join('');
  if (checksum([text]) !== log) {
    throw new FileFormatError(path, {
      given: `a log whose lines up to step ${state.step} changed since`,
      expected: 'the log that the checkpoint beside it was written with',
      remedy: 'Restore it from a copy, or remove it to go on without its lines.',
    });
  }
  writeFileSync(path, text);
}

const checksumOf = (log: string) => checksum([existsSync(log) ? readFileSync(log) : '']);

function explain(error: unknown, name: string, step: number, checkpoint: string | undefined): unknown {
  if (!(error instanceof NumericalError)) return error;
  return new NumericalError(`Training ${name}, step ${step}`, {
    given: `${error.message.split('; expected')[0]}`,
    expected: error.expected,
    remedy: `${error.remedy} ${checkpoint ? `Last good checkpoint: ${checkpoint}.` : 'No checkpoint was written yet.'}`,
  });
}
