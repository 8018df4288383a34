import { isMainThread } from 'node:worker_threads';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { MissingDependencyError } from './errors';

type Tensors = Record<string, Tensor>;

/** A loaded model in the native binding. */
export interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: InferenceSession.SessionOptions): void;
  /** @param fetches outputs by name: a tensor to write into, or null to have one made. */
  run(feeds: Tensors, fetches: Record<string, Tensor | null>, options: InferenceSession.RunOptions): Tensors;
  dispose(): void;
}
interface Binding {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

/**
 * ONNX Runtime reports its use to Microsoft and keeps a device id and a database under the user's cache folder, unless this variable is
 * in the environment of the process when its library is loaded. The modules below are therefore loaded through this file only.
 */
const DISABLE = 'ORT_DISABLE_TELEMETRY';
// Node passes an assignment on to the real environment, but in a worker thread `process.env` is a copy. Test runners may replace
// `process`; the built-in module is the real one.
const { env } = process.getBuiltinModule('node:process');
if (isMainThread) env[DISABLE] = '1';

let loaded: { ort: typeof import('onnxruntime-node'); native: Binding } | undefined;

/**
 * ONNX Runtime, loaded on first use. Its public interface is asynchronous although the native call is not, so that a
 * compiled function could not stand in for a plain one; `native` is the binding of the pinned version instead.
 * @throws MissingDependencyError when the package has no binary for this platform, or in a worker thread whose environment lets it
 *   report its use.
 */
export function onnxRuntime() {
  if (loaded) return loaded;
  if (env[DISABLE] !== '1') {
    throw new MissingDependencyError('ONNX Runtime in a worker thread', {
      given: `an environment without ${DISABLE}=1, which a worker thread cannot change`,
      expected: 'its reports to Microsoft turned off before it is loaded',
      remedy: `Load this library in the main thread before the worker starts, or start the process with ${DISABLE}=1.`,
    });
  }
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

/** The installed version. */
export function onnxRuntimeVersion(): string {
  return (require('onnxruntime-node/package.json') as { version: string }).version;
}

/** Paths of the modules, for helper threads: those start with this thread's environment. */
export function onnxRuntimePaths(): { binding: string; tensors: string } {
  return { binding: require.resolve('onnxruntime-node/dist/binding'), tensors: require.resolve('onnxruntime-node') };
}
