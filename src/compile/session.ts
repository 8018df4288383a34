import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { type NativeSession, onnxRuntime } from '../runtime/onnx-runtime';
import { CompileError } from './errors';
import { type BatchArrays, HelperThread } from './helper-thread';
import { type OnnxModel, type Signature, signatureOf } from './onnx';

/** Results of a graph, by name. */
export type Results = Record<string, ArrayBufferView>;

/** @param threads threads within an operator. */
export function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    // One block for all intermediate values of a run is kept beside those that were made before its size was known.
    enableMemPattern: false,
    // Its sum and layer norm in one node take several times as long as the two nodes.
    extra: { optimization: { disable_specified_optimizers: 'SkipLayerNormFusion;BiasSkipLayerNormFusion' } },
  };
}

/** ONNX Runtime rejects a graph. */
export function refused({ nodes }: Signature, error: unknown): CompileError {
  return new CompileError('Loading a compiled graph', {
    given: (error as Error).message,
    expected: `a graph of ${nodes} nodes that ONNX Runtime accepts`,
    remedy: 'This is a defect of an emitter in compile/ops; CER_COMPILE=off runs the same code eagerly.',
  });
}

/** Helper threads for graphs, made on first use; they sleep between calls and never keep the process alive. */
const helpers: HelperThread[] = [];
let count = 0;

/**
 * A loaded graph, on one thread with operators that split themselves, or on several at once: then each runs it on arguments of its
 * own, on two cores nearly twice as fast as one call after the other, where operators that split themselves leave every small one
 * to one core. Native memory is freed by `dispose`.
 */
export class Session {
  private readonly id = count++;
  private readonly helpers: HelperThread[];
  private native: NativeSession | undefined;
  readonly signature: Signature;

  /**
   * @param threads threads within an operator, where there is one part.
   * @param parts how many lists of arguments a run takes.
   * @throws CompileError when ONNX Runtime refuses the graph.
   */
  constructor(model: OnnxModel, threads: number, parts = 1) {
    this.signature = signatureOf(model);
    while (helpers.length < parts - 1) helpers.push(new HelperThread());
    this.helpers = helpers.slice(0, parts - 1);
    const { native } = onnxRuntime();
    // Many small graphs: an arena of its own for each would keep more than it saves.
    const options = { ...sessionOptions(parts > 1 ? 1 : threads), enableCpuMemArena: false };
    for (const helper of this.helpers) helper.post({ kind: 'open', id: this.id, model: model.bytes, options });
    try {
      const { buffer, byteOffset, byteLength } = model.bytes;
      this.native = new native.binding.InferenceSession();
      this.native.loadModel(buffer, byteOffset, byteLength, options);
    } catch (error) {
      throw refused(model, error);
    } finally {
      for (const helper of this.helpers) helper.wait();
    }
  }

  /** The results for each list of arguments, given in the order of the model's inputs. */
  run([own, ...others]: readonly BatchArrays[]): Results[] {
    const { native, signature, id } = this;
    if (!native) throw new Error('this session has been disposed of');
    const { Tensor } = onnxRuntime().ort;
    const results = signature.outputs.map(({ name }) => name);
    for (const [i, given] of others.entries()) {
      this.helpers[i].post({ kind: 'call', id, arguments: given, results });
    }
    let rest: Results[] = [];
    let made: Record<string, OrtTensor>;
    try {
      const feeds = Object.fromEntries(
        own.map(({ name, dtype, data, shape }) => [name, new Tensor(dtype as 'float32', data as never, shape)]),
      );
      made = native.run(feeds, Object.fromEntries(results.map((name) => [name, null])), {});
    } finally {
      rest = others.map((_, i) => this.helpers[i].wait<Results>());
    }
    return [Object.fromEntries(results.map((name) => [name, made[name].data as Float32Array])), ...rest];
  }

  dispose(): void {
    this.native?.dispose();
    this.native = undefined;
    for (const helper of this.helpers) helper.post({ kind: 'close', id: this.id });
    for (const helper of this.helpers) helper.wait();
  }
}
