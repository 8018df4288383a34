import * as tf from '@tensorflow/tfjs';
import { watchDraws } from '../runtime/random';
import { CompileError, userLine, withDeepStacks } from './errors';
import { fuse } from './fuse';
import type { DType, Graph, Value } from './graph';
import { materialise, whole } from './lazy';
import { KERNELS, TRACING, tracingBackend } from './tracing-backend';

/** Shape and type of an argument. */
export interface TensorSpec {
  shape: readonly number[];
  dtype: DType;
}

/** A traced function: its graph and its named results. */
export interface Trace {
  graph: Graph;
  outputs: { name: string; value: Value }[];
}

let tracing = false;

/** Whether a function is being traced right now. */
export function isTracing(): boolean {
  return tracing;
}

/** tfjs keeps the depth of nested gradients in its engine; a native call inside one would cut the chain rule. */
export function insideGradient(): boolean {
  return (tf.engine() as unknown as { state: { gradientDepth: number } }).state.gradientDepth > 0;
}

/**
 * Runs `fn` once on tensors without numbers and records what it computes, gradients included.
 * @param inputs shape and type of each argument.
 * @throws CompileError when the function is not pure, reads a value, returns something other than tensors, or uses a
 *   tfjs kernel that has no emitter; the message names the operator and the line of the caller's code.
 */
export function trace(
  fn: (inputs: Record<string, tf.Tensor>) => Record<string, tf.Tensor>,
  inputs: Readonly<Record<string, TensorSpec>>,
  what = 'function',
): Trace {
  if (tracing) throw new Error('trace is not re-entrant; call the function itself inside a traced one');
  const backend = tracingBackend();
  backend.reset();
  const previous = tf.getBackend();
  tracing = true;
  watchDraws(() => {
    throw drewNumbers(what);
  });
  // With a backend that needs no asynchronous set-up, setBackend has done its work when it returns.
  void tf.setBackend(TRACING);
  tf.engine().startScope('compile');
  try {
    return withDeepStacks(() => {
      const tensors: Record<string, tf.Tensor> = {};
      for (const [name, { shape, dtype }] of Object.entries(inputs)) {
        tensors[name] = backend.tensor(whole(backend.graph.input(name, shape, dtype)));
      }
      const results = fn(tensors);
      requireTensors(results, what);
      const outputs = Object.entries(results).map(([name, tensor]) => {
        const { value } = backend.lookUp(tensor.dataId);
        return { name, value: materialise(backend.graph, { value, shape: tensor.shape }) };
      });
      return { graph: backend.graph, outputs: fuse(backend.graph, outputs) };
    });
  } catch (error) {
    throw explain(error as Error, what);
  } finally {
    watchDraws(undefined);
    backend.reset(); // what is traced belongs to the caller
    tf.engine().endScope();
    void tf.setBackend(previous);
    tracing = false;
  }
}

function requireTensors(results: unknown, what: string): asserts results is Record<string, tf.Tensor> {
  const entries = results && typeof results === 'object' ? Object.entries(results) : [];
  const wrong = entries.find(([, value]) => !(value instanceof tf.Tensor));
  const promise = typeof (results as Promise<unknown>)?.then === 'function';
  if (entries.length > 0 && !wrong && !promise) return;
  throw new CompileError(`Result of ${what}`, {
    given: promise ? 'a promise' : wrong ? `${typeof wrong[1]} for "${wrong[0]}"` : String(results),
    expected: 'a tensor or a record of tensors',
    remedy: 'Return tensors from a synchronous function; read and await outside.',
  });
}

function drewNumbers(what: string): CompileError {
  return new CompileError('Random numbers while compiling', {
    given: `runtime/random called inside ${what} at ${userLine(new Error().stack)}`,
    expected: 'a pure function: the same arguments give the same result',
    remedy: 'Draw outside and pass the numbers in as an argument; a draw inside would be frozen into the graph.',
  });
}

/** Turns a failure inside tfjs or an emitter into one that names the operator and the line. */
function explain(error: Error, what: string): Error {
  if (error instanceof CompileError) return error;
  const place = userLine(error.stack);
  const missing = error.message.match(/(?:registered kernel|Kernel) '(\w+)'/)?.[1];
  if (missing || /has no emitter/.test(error.message)) {
    return new CompileError(`Compiling ${what}`, {
      given: missing ? `the tfjs kernel ${missing} at ${place}` : `${error.message}, at ${place}`,
      expected: `one of the ${Object.keys(KERNELS).length} kernels that have an emitter`,
      remedy: 'Write it with other operators, add an emitter in compile/ops, or run with CER_COMPILE=off.',
    });
  }
  error.message = `${error.message} (while compiling ${what}, at ${place})`;
  return error;
}
