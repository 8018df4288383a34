import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { CerError } from '../runtime/errors';
import { onnxRuntimePaths } from '../runtime/onnx-runtime';
import { kernelFile } from './kernel-folder';
import type { KernelCall } from './update-kernel';

/** Shared data of a training step's helper. */
export interface HelperMemory {
  /** The update kernel, compiled for shared memory. */
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  /** Floats of all weights. */
  size: number;
  /** The helper's gradients are `memory[slot * size ..]`. */
  slot: number;
}

/** A graph to load, see `evaluator.cjs`. */
export interface LoadJob {
  id: number;
  model: Uint8Array;
  options: object;
  reads: Place[];
  writes: Place[];
  idle: Place[];
}

/** A tensor in flat memory. */
export interface Place {
  name: string;
  offset: number;
  length: number;
  shape: readonly number[];
}

export type BatchArrays = { name: string; dtype: string; data: ArrayBufferView; shape: readonly number[] }[];

/** Computes losses and gradients in flat memory, on this thread or another. */
export interface Evaluator {
  load(job: LoadJob): void;
  run(job: { id: number; batch: BatchArrays }): number;
  dispose(): void;
}

/** `createEvaluator` of `kernels/evaluator.cjs`, plain JavaScript because helper threads start without a compiler. */
export function createEvaluator(options: {
  native: object;
  Tensor: object;
  memory: Float32Array;
  size: number;
  slot: number;
}): Evaluator {
  const { createEvaluator: create } = require(kernelFile('evaluator.cjs'));
  return create(options);
}

/** The jobs of a helper: its part of a training step, or graphs with arguments and results as messages. */
export type Job =
  | ({ kind: 'load' } & LoadJob)
  | { kind: 'run'; id: number; batch: BatchArrays }
  | { kind: 'kernel'; calls: KernelCall[] }
  | { kind: 'open'; id: number; model: Uint8Array; options: object }
  | { kind: 'call'; id: number; arguments: BatchArrays; results: string[] }
  | { kind: 'close'; id: number }
  | { kind: 'dispose' };

/** How long a job may take before the helper is considered dead. */
const TIMEOUT = 600_000;

/** A thread that does one job at a time while the main thread does its own share; waiting for it blocks. */
export class HelperThread {
  private readonly control = new Int32Array(new SharedArrayBuffer(8));
  private readonly channel = new MessageChannel();
  private posted = 0;

  /** @param memory flat memory of a training step, where it helps with one. */
  constructor(memory?: HelperMemory) {
    const { port2: port } = this.channel;
    const worker = new Worker(kernelFile('worker.cjs'), {
      workerData: { ...memory, paths: onnxRuntimePaths(), control: this.control, port },
      transferList: [port],
      execArgv: [],
    });
    worker.unref(); // an idle helper never keeps the process alive
    this.channel.port1.unref();
  }

  /** Starts a job; `dispose` is the last. */
  post(job: Job): void {
    this.channel.port1.postMessage(job);
    this.posted++;
    Atomics.add(this.control, 0, 1);
    Atomics.notify(this.control, 0);
  }

  /** Waits for the job: its result, a number or 0 in a training step. @throws CerError when the job failed. */
  wait<T = number>(): T {
    const done = () => Atomics.load(this.control, 1);
    for (let spin = 0; spin < 20_000 && done() !== this.posted; spin++);
    for (let now = done(); now !== this.posted; now = done()) {
      if (Atomics.wait(this.control, 1, now, TIMEOUT) === 'timed-out') throw failed('no answer for ten minutes');
    }
    // First come answers to earlier jobs, if an interrupt stopped the wait for them.
    let answer: { job: number; value: T; error?: string };
    do answer = receiveMessageOnPort(this.channel.port1)?.message;
    while (answer.job !== this.posted);
    if (answer.error !== undefined) throw failed(answer.error);
    return answer.value;
  }
}

function failed(reason: string): CerError {
  return new CerError('helper-thread', 'A helper thread', {
    given: reason,
    expected: 'its share of the work done',
    remedy: 'CER_THREADS=1 runs without helpers; weights and moments of a training are as before the step.',
  });
}
