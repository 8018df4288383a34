import type { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { MissingDependencyError } from '../errors';
import { CompileError } from './errors';
import type { OnnxModel } from './onnx';

export type Feeds = Record<string, OrtTensor>;
/** Outputs by name: a tensor whose memory is to be written, or null to have one made. */
export type Fetches = Record<string, OrtTensor | null>;

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: InferenceSession.SessionOptions): void;
  run(feeds: Feeds, fetches: Fetches, options: InferenceSession.RunOptions): Record<string, OrtTensor>;
  dispose(): void;
}
interface Binding {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

let loaded: { ort: typeof import('onnxruntime-node'); native: Binding } | undefined;

/**
 * ONNX Runtime, loaded on first use. Its public interface is asynchronous although the native call is not, so that a
 * compiled function could not stand in for a plain one; this goes to the native binding of the pinned version instead.
 * @throws MissingDependencyError when the package has no binary for this platform.
 */
export function onnxRuntime() {
  if (loaded) return loaded;
  try {
    const ort = require('onnxruntime-node') as typeof import('onnxruntime-node');
    const native = require('onnxruntime-node/dist/binding') as Binding;
    native.initOrt();
    loaded = { ort, native };
    return loaded;
  } catch (error) {
    throw new MissingDependencyError('ONNX Runtime', {
      given: (error as Error).message.split('\n')[0],
      expected: 'the package onnxruntime-node with its binary for this platform',
      remedy: 'Run `npm run setup`, or set CER_COMPILE=off to run everything eagerly.',
    });
  }
}

/** @param threads threads within an operator. */
export function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  };
}

/** ONNX Runtime does not take a graph. */
export function refused({ nodes }: OnnxModel, error: unknown): CompileError {
  return new CompileError('Loading a compiled graph', {
    given: (error as Error).message,
    expected: `a graph of ${nodes} nodes that ONNX Runtime accepts`,
    remedy: 'This is a defect of an emitter in runtime/compile/ops; CER_COMPILE=off runs the same code eagerly.',
  });
}

/** A loaded graph. Native memory is freed by `dispose`, or when nothing refers to the session any more. */
export class Session {
  private native: NativeSession | undefined;

  /**
   * @param threads threads within an operator.
   * @throws CompileError when ONNX Runtime refuses the graph.
   */
  constructor(model: OnnxModel, threads: number) {
    const { native } = onnxRuntime();
    this.native = new native.binding.InferenceSession();
    try {
      const { buffer, byteOffset, byteLength } = model.bytes;
      this.native.loadModel(buffer, byteOffset, byteLength, sessionOptions(threads));
    } catch (error) {
      throw refused(model, error);
    }
  }

  run(feeds: Feeds, fetches: Fetches): Record<string, OrtTensor> {
    if (!this.native) throw new Error('this session has been disposed of');
    return this.native.run(feeds, fetches, {});
  }

  dispose(): void {
    this.native?.dispose();
    this.native = undefined;
  }
}
