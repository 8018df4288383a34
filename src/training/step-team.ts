import { availableParallelism } from 'node:os';
import {
  type BatchArrays,
  createEvaluator,
  type Evaluator,
  HelperThread,
  type LoadJob,
  type Place,
} from '../compile/helper-thread';
import { type OnnxModel, type Signature, signatureOf } from '../compile/onnx';
import { refused, sessionOptions } from '../compile/session';
import {
  combineCall,
  type KernelCall,
  MOST_FLOATS,
  squaresCall,
  type UpdateArrays,
  type UpdateKernel,
  type UpdateNumbers,
  updateCall,
  updateKernel,
} from '../compile/update-kernel';
import { onnxRuntime } from '../runtime/onnx-runtime';
import type { FlatParameters } from './flat-parameters';
import type { PlainBatch } from './shards';

/** A loaded loss: which weights have a gradient follows from the graph. */
export interface LoadedLoss {
  id: number;
  signature: Signature;
}

/**
 * The threads of a compiled training step over one flat memory `[weights, gradients of each thread, first, second, average]`. Each
 * thread computes the gradients of its part of a batch with single-threaded operators, then they share the update: on two cores
 * nearly twice the speed of one, where operators that split themselves leave every small one to one core. The caller's thread is one of
 * them, or, on a machine with cores to spare, free for other work meanwhile.
 */
export class StepTeam {
  readonly memory: Float32Array;
  /** Offsets of the arrays; `gradients` is where the whole batch's end up. */
  readonly at: UpdateArrays;
  /** How many parts a batch may be cut into. */
  readonly parts: number;
  private readonly kernel: UpdateKernel;
  /** Of the caller's thread; it takes a part where there is no helper for it. */
  private readonly evaluator: Evaluator;
  private readonly helpers: HelperThread[];
  /** How many of several parts the caller's thread takes: one or none. */
  private readonly own: number;
  private count = 0;

  /**
   * @param parts threads; 1 leaves threads to the operators.
   * @param spare whether the caller's thread takes no part where there are several.
   */
  constructor(
    private readonly layout: FlatParameters,
    parts: number,
    private readonly threads: number,
    prefer: 'simd' | 'plain' = 'simd',
    spare = availableParallelism() > parts,
  ) {
    const { size } = layout;
    const most = partsThatFit(size, parts);
    this.kernel = updateKernel((4 + most) * size, most > 1 && prefer === 'simd' ? 'shared' : prefer);
    const { memory, shared } = this.kernel;
    this.memory = memory;
    const used = shared ? most : 1;
    this.parts = used;
    this.at = {
      weights: 0,
      gradients: size,
      first: (1 + used) * size,
      second: (2 + used) * size,
      average: (3 + used) * size,
    };
    const { ort, native } = onnxRuntime();
    this.evaluator = createEvaluator({ native, Tensor: ort.Tensor, memory, size, slot: 1 });
    this.own = used > 1 && spare ? 0 : 1;
    this.helpers = Array.from(
      { length: used - this.own },
      (_, i) => new HelperThread({ ...shared!, size, slot: i + 1 + this.own }),
    );
  }

  /** Loads a loss for parts of a batch, or for whole batches. @throws CompileError when ONNX Runtime refuses the graph. */
  load(model: OnnxModel, parts: number): LoadedLoss {
    const { layout } = this;
    const place = (name: string, key: string): Place => ({ name, ...layout.place(key) });
    const named = (list: readonly { name: string }[], prefix: string) =>
      list.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => place(name, name.slice(prefix.length)));
    const writes = named(model.outputs, 'gradient.');
    const first = this.count === 0;
    const active = new Set(writes.map(({ name }) => name));
    const job: LoadJob = {
      id: this.count++,
      model: model.bytes,
      // An arena saves large models a seventh of a step. MAR has a graph for every number of masked tokens: an arena for each would
      // hold the memory of all of them at once, so only the first has one.
      options: { ...sessionOptions(parts > 1 ? 1 : this.threads), enableCpuMemArena: first },
      reads: named(model.inputs, 'weights.'),
      writes,
      idle: layout.names.filter((key) => !active.has(`gradient.${key}`)).map((key) => place(key, key)),
    };
    const helpers = this.helpersFor(parts);
    for (const helper of helpers) helper.post({ kind: 'load', ...job });
    try {
      this.joined(helpers, () => {
        if (helpers.length < parts) this.evaluator.load(job);
        return 0;
      });
    } catch (error) {
      throw refused(model, error);
    }
    return { id: job.id, signature: signatureOf(model) };
  }

  /**
   * Mean loss of the parts of a batch, and the norm of its gradient, which is in memory afterwards.
   * @param meanwhile the caller's other work, done while helpers run.
   */
  evaluate(
    { id, signature }: LoadedLoss,
    parts: readonly PlainBatch[],
    meanwhile?: () => void,
  ): { loss: number; gradientNorm: number } {
    const jobs = parts.map((batch) => ({ id, batch: arraysOf(signature, batch) }));
    const helpers = this.helpersFor(parts.length);
    const own = jobs.slice(0, parts.length - helpers.length);
    for (const [i, helper] of helpers.entries()) helper.post({ kind: 'run', ...jobs[own.length + i] });
    const sum = this.joined(helpers, () => {
      const loss = own.reduce((total, job) => total + this.evaluator.run(job), 0);
      meanwhile?.();
      return loss;
    });
    const { size } = this.layout;
    const { gradients } = this.at;
    const squares = this.together((from, count) => {
      if (parts.length === 1) return [squaresCall(gradients + from, count)];
      return parts.slice(1).map((_, i) => {
        const factor = i === parts.length - 2 ? 1 / parts.length : 1;
        return combineCall(gradients + from, gradients + (i + 1) * size + from, count, factor);
      });
    });
    return { loss: sum / parts.length, gradientNorm: Math.sqrt(squares) };
  }

  /** AdamW on everything; `keep` is the factor of weight decay where it applies. */
  update(keep: number, numbers: UpdateNumbers): void {
    const { decayed } = this.layout;
    this.together((from, count) => {
      const middle = Math.min(Math.max(decayed, from), from + count);
      return [
        updateCall(this.at, from, middle - from, keep, numbers),
        updateCall(this.at, middle, from + count - middle, 1, numbers),
      ];
    });
  }

  dispose(): void {
    for (const helper of this.helpers) helper.post({ kind: 'dispose' });
    this.evaluator.dispose();
  }

  /** The helpers that take part where there are so many parts; the caller's thread takes the rest. */
  private helpersFor(parts: number): HelperThread[] {
    return parts === 1 ? [] : this.helpers.slice(0, parts - this.own);
  }

  /** Kernel calls on each thread's stretch of the flat arrays; the sum of what the last call of each returns. */
  private together(calls: (from: number, count: number) => KernelCall[]): number {
    const { parts, helpers, own } = this;
    const edge = (part: number) => STRETCH * Math.floor((this.layout.size * part) / parts / STRETCH);
    const stretch = (part: number) => calls(edge(part), edge(part + 1) - edge(part));
    for (const [i, helper] of helpers.entries()) helper.post({ kind: 'kernel', calls: stretch(own + i) });
    return this.joined(helpers, () => (own ? stretch(0).reduce((_, call) => this.kernel.run(call), 0) : 0));
  }

  /** The sum of the caller's own work and of the helpers'; every helper is waited for, whatever fails. */
  private joined(helpers: readonly HelperThread[], own: () => number): number {
    let value = 0;
    let failed: unknown;
    for (const work of [own, ...helpers.map((helper) => () => helper.wait())]) {
      try {
        value += work();
      } catch (error) {
        failed ??= error;
      }
    }
    if (failed !== undefined) throw failed;
    return value;
  }
}

/** How many of so many threads can have gradients of their own beside `size` weights, moments and averages in one memory. */
export function partsThatFit(size: number, threads: number): number {
  return Math.max(1, Math.min(threads, Math.floor(MOST_FLOATS / size) - 4));
}

/** Stretches start at multiples of this many floats: a cache line. */
const STRETCH = 16;

/** The arrays that a graph takes, under its own names. */
function arraysOf({ inputs }: Signature, batch: PlainBatch): BatchArrays {
  return inputs
    .filter(({ name }) => name.startsWith('batch.'))
    .map(({ name, dtype, shape }) => ({ name, dtype, shape, data: batch[name.slice('batch.'.length)].data }));
}
