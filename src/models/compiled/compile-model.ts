import type * as tf from '@tensorflow/tfjs';
import { type Compiled, compile, compileEnabled } from '../../compile';
import { plain, type TensorRecord, tensors } from '../../compile/compile';
import type { Parameters } from '../../runtime/parameters';
import { defaultThreads } from '../../runtime/threads';

/** A part of a model as a pure function of tensors; the weights come second. */
type Part<I extends TensorRecord> = (inputs: I, parameters: Parameters) => TensorRecord;

/** Weights with the native graphs of the parts of their model, each built when it is first asked for. */
export class CompiledParameters extends Map<string, tf.Tensor> {
  private readonly parts = new Map<string, Compiled<TensorRecord, TensorRecord>>();
  private readonly weights: Parameters;
  /** How many threads a batch may be cut over, where each has a copy of the weights. */
  readonly copies: number;

  /** @param threads threads within an operator, or one for each part of the rows. */
  constructor(
    parameters: Parameters,
    readonly threads: number,
  ) {
    super(parameters);
    this.weights = new Map(parameters);
    this.copies = countWeights(parameters) > MOST_COPIED ? 1 : threads;
  }

  /** The compiled form of a part; `name` must tell apart everything that the function closes over. */
  part<I extends TensorRecord>(name: string, fn: Part<I>): Compiled<I, TensorRecord> {
    let found = this.parts.get(name);
    if (!found) {
      const { weights: freeze, threads } = this;
      found = compile(fn as Part<TensorRecord>, { name, freeze, threads, maxTraces: 256 });
      this.parts.set(name, found);
    }
    return found as unknown as Compiled<I, TensorRecord>;
  }

  /** Frees the graphs, not the weights. */
  release(): void {
    for (const part of this.parts.values()) part.dispose();
    this.parts.clear();
  }
}

/**
 * The same weights, with which a model runs as native graphs that have them frozen in, with the same results up to rounding. Where
 * weights change, compile them anew.
 * @param threads threads within an operator; default `defaultThreads()`.
 */
export function compileModel(parameters: Parameters, threads = defaultThreads()): CompiledParameters {
  return new CompiledParameters(parameters, threads);
}

/**
 * The same for a generator, whose every generation step has a graph with a copy of the weights: large ones stay as they are and run
 * operation by operation.
 */
export function compileGenerator(parameters: Parameters): Parameters {
  return countWeights(parameters) > MOST_COPIED ? parameters : compileModel(parameters);
}

/** Frees what was compiled for these weights, if anything; the weights stay. */
export function releaseCompiled(parameters: Parameters): void {
  if (parameters instanceof CompiledParameters) parameters.release();
}

/** The weights in compiled form, unless they are not compiled or `CER_COMPILE=off`. */
export function compiledForm(parameters: Parameters): CompiledParameters | undefined {
  return parameters instanceof CompiledParameters && compileEnabled() ? parameters : undefined;
}

/** Runs a part of a model: as a graph with compiled weights, else operation by operation. */
export function runPart<I extends TensorRecord, O extends TensorRecord>(
  parameters: Parameters,
  name: string,
  inputs: I,
  fn: (inputs: I, parameters: Parameters) => O,
): O {
  const compiled = compiledForm(parameters);
  return (compiled ? compiled.part(name, fn)(inputs) : fn(inputs, parameters)) as O;
}

/**
 * The same for several inputs of the same shapes, such as parts of a batch: with compiled weights each on a thread of its own. There
 * may be at most `partsOf` inputs.
 */
export function runParts<I extends TensorRecord, O extends TensorRecord>(
  parameters: Parameters,
  name: string,
  inputs: readonly I[],
  fn: (inputs: I, parameters: Parameters) => O,
): O[] {
  const compiled = compiledForm(parameters);
  if (!compiled || inputs.length === 1) return inputs.map((input) => runPart(parameters, name, input, fn));
  return compiled
    .part(name, fn)
    .parallel(inputs.map(plain) as never)
    .map(tensors) as O[];
}

/**
 * How many equal parts a batch is best cut into: at most as many as there are threads. Large weights stay in one piece:
 * each part would read all of them at every step, and keep a copy of its own, and their products are large enough to be split themselves.
 */
export function partsOf(parameters: Parameters, batch: number): number {
  return equalParts(batch, compiledForm(parameters)?.copies ?? 1);
}

/** The largest divisor of `count` that is at most `most`. */
export function equalParts(count: number, most: number): number {
  let parts = Math.max(1, Math.min(count, most));
  while (count % parts !== 0) parts--;
  return parts;
}

/** Weights of which there may be many copies: 32 MB; for threads measured between heads 512 and 768 wide. */
const MOST_COPIED = 8e6;
const countWeights = (parameters: Parameters) => [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
