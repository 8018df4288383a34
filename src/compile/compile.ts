/**
 * `compile` turns a pure function of tensors into a graph that ONNX Runtime runs: no dispatch per operator, fused
 * kernels, `defaultThreads()` threads. The result replaces the function and is synchronous too:
 *
 *     const fast = compile(({ x, t }) => denoise(weights, x, t));
 *     const noise = fast({ x, t });               // traced on the first call of each shape, replayed afterwards
 *
 * With `freeze` the weights become constants of the graph; `fast.refreeze(newWeights)` after they change.
 */
import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../runtime/parameters';
import { defaultThreads } from '../runtime/threads';
import { CompileError } from './errors';
import type { DType } from './graph';
import { encodeOnnx, type OnnxModel } from './onnx';
import { Session } from './session';
import { insideGradient, isTracing, type TensorSpec, trace } from './trace';

export type TensorRecord = Record<string, tf.Tensor>;
/** An argument without tfjs: row-major numbers and their shape. */
export interface PlainArray {
  data: Float32Array | Int32Array | Uint8Array;
  shape: readonly number[];
}

export interface CompileOptions {
  /** Name in error messages and in the exported file. Default: the function's own name. */
  name?: string;
  /** Weights that become constants of the graph and reach the function as its second argument. */
  freeze?: Parameters;
  /** Threads within an operator. Default `defaultThreads()`; 1 suits tiny batches. */
  threads?: number;
  /** How many different argument shapes may be compiled before a call is refused. Default 16. */
  maxTraces?: number;
}

/** A compiled function; call it as the function itself. */
export interface Compiled<I extends TensorRecord, O extends TensorRecord | tf.Tensor> {
  (inputs: I): O;
  /** Runs on plain arrays and returns plain arrays (a single result is called `result`); nothing passes through tfjs. */
  arrays(inputs: { [K in keyof I]: PlainArray }): Record<string, PlainArray>;
  /**
   * `arrays` for several arguments of the same shapes at once, each on a thread of its own with single-threaded operators; there may
   * be at most as many as `threads`.
   */
  parallel(inputs: readonly { [K in keyof I]: PlainArray }[]): Record<string, PlainArray>[];
  /** The ONNX file for arguments of these shapes. */
  onnx(inputs: { [K in keyof I]: TensorSpec }): OnnxModel;
  /** Replaces the frozen weights; graphs are rebuilt on the next call. */
  refreeze(parameters: Parameters): void;
  /** Frees the native sessions. A later call builds them again. */
  dispose(): void;
  /** Number of compiled graphs. */
  readonly traces: number;
}

/** Whether functions are compiled: `CER_COMPILE=off` runs everything eagerly. */
export function compileEnabled(): boolean {
  return !['off', '0', 'false'].includes(process.env.CER_COMPILE ?? 'on');
}

const SINGLE = 'result';
const NEXT = 'next.';

/**
 * Compiles `fn`, a pure synchronous function of a record of tensors to a tensor or a record of tensors.
 * Tensors that it captures from outside become constants, as they are at the first call.
 * Inside another traced function, inside a gradient, and with `CER_COMPILE=off`, it runs as it is.
 * @throws CompileError at the first call when `fn` cannot be traced, or when it is called with too many shapes.
 */
export function compile<I extends TensorRecord, O extends TensorRecord | tf.Tensor>(
  fn: (inputs: I, parameters: Parameters) => O,
  options: CompileOptions = {},
): Compiled<I, O> {
  const { threads = defaultThreads(), maxTraces = 16 } = options;
  const name = options.name ?? (fn.name || 'anonymous function');
  const entries = new Map<string, Session>();
  let frozen: Parameters = options.freeze ?? new Map();
  let single = false;

  const asRecord = (inputs: TensorRecord): TensorRecord => {
    const result = fn(inputs as I, frozen);
    single = result instanceof tf.Tensor;
    return single ? { [SINGLE]: result as tf.Tensor } : (result as TensorRecord);
  };
  const build = (specs: Record<string, TensorSpec>): OnnxModel => {
    const { graph, outputs } = trace(asRecord, specs, name);
    // ONNX has one name space: a result with the name of an argument gets a prefix in the file.
    const renamed = outputs.map(({ name: key, value }) => ({ name: key in specs ? `${NEXT}${key}` : key, value }));
    return encodeOnnx(graph, renamed, name);
  };
  const entryFor = (specs: Record<string, TensorSpec>, parts: number): Session => {
    const shapes = Object.entries(specs)
      .map(([input, { shape, dtype }]) => `${input}:${dtype}[${shape}]`)
      .join(' ');
    const key = parts === 1 ? shapes : `${shapes} on ${parts} threads`;
    const known = entries.get(key);
    if (known) return known;
    if (entries.size >= maxTraces) throw tooManyTraces(name, key, maxTraces);
    const entry = new Session(build(specs), threads, parts);
    entries.set(key, entry);
    return entry;
  };

  const parallel = (inputs: readonly Record<string, PlainArray>[]): Record<string, PlainArray>[] => {
    const specs = Object.fromEntries(
      Object.entries(inputs[0]).map(([key, { data, shape }]) => [key, { shape, dtype: dtypeOfData(data) }]),
    );
    const session = entryFor(specs, inputs.length);
    const { signature } = session;
    const given = inputs.map((record) =>
      signature.inputs.map(({ name: input, dtype, shape }) => ({
        name: input,
        dtype,
        shape,
        data: record[input].data,
      })),
    );
    return session.run(given).map((results) =>
      Object.fromEntries(
        signature.outputs.map(({ name: output, shape }) => {
          const key = output.startsWith(NEXT) ? output.slice(NEXT.length) : output;
          return [key, { data: results[output] as Float32Array, shape }];
        }),
      ),
    );
  };
  const arrays = (inputs: Record<string, PlainArray>) => parallel([inputs])[0];

  const call = (inputs: I): O => {
    if (!compileEnabled() || isTracing() || insideGradient()) return fn(inputs, frozen);
    const results = tensors(arrays(plain(inputs)));
    return (single ? results[SINGLE] : results) as O;
  };
  const dispose = () => {
    for (const session of entries.values()) session.dispose();
    entries.clear();
  };

  return Object.defineProperty(
    Object.assign(call, {
      arrays: arrays as Compiled<I, O>['arrays'],
      parallel: parallel as Compiled<I, O>['parallel'],
      onnx: (specs: Record<string, TensorSpec>) => build(specs),
      refreeze: (parameters: Parameters) => {
        frozen = parameters;
        dispose();
      },
      dispose,
    }),
    'traces',
    { get: () => entries.size },
  ) as Compiled<I, O>;
}

/** The numbers and shape of each tensor. */
export function plain(inputs: TensorRecord): Record<string, PlainArray> {
  return Object.fromEntries(
    Object.entries(inputs).map(([key, tensor]) => {
      const data = tensor.dataSync() as Float32Array | Int32Array | Uint8Array;
      return [key, { data, shape: tensor.shape }];
    }),
  );
}

/** Tensors of these numbers. */
export function tensors(arrays: Record<string, PlainArray>): TensorRecord {
  return Object.fromEntries(
    Object.entries(arrays).map(([key, { data, shape }]) => [key, tf.tensor(data, [...shape], tfType(data))]),
  );
}

export function dtypeOfData(data: PlainArray['data']): DType {
  return data instanceof Float32Array ? 'float32' : data instanceof Int32Array ? 'int32' : 'bool';
}

function tfType(data: PlainArray['data']): 'float32' | 'int32' | 'bool' {
  return dtypeOfData(data) as 'float32' | 'int32' | 'bool';
}

function tooManyTraces(name: string, key: string, limit: number): CompileError {
  return new CompileError(`Compiling ${name}`, {
    given: `a ${limit + 1}th combination of shapes, ${key}`,
    expected: `at most ${limit}`,
    remedy: 'Pad the arguments to a few fixed shapes, or raise maxTraces.',
  });
}
