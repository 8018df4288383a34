import { type Compiled, compile, compileEnabled } from '../../compile';
import { plain, type TensorRecord, tensors } from '../../compile/compile';
import type { Parameters } from '../../runtime/parameters';
import { defaultThreads } from '../../runtime/threads';

/** A part of a model as a pure function of tensors; the weights come second. */
type Part<I extends TensorRecord> = (inputs: I, parameters: Parameters) => TensorRecord;

const registry = new WeakMap<Parameters, Accelerator>();

/** Compiled parts of one set of weights, made when they are first asked for. */
export class Accelerator {
  private readonly parts = new Map<string, Compiled<TensorRecord, TensorRecord>>();

  constructor(
    private readonly parameters: Parameters,
    /** Threads within an operator, or one for each part of the rows. */
    readonly threads: number,
  ) {}

  /** The compiled form of a part; `name` must tell apart everything that the function closes over. */
  part<I extends TensorRecord>(name: string, fn: Part<I>): Compiled<I, TensorRecord> {
    let found = this.parts.get(name);
    if (!found) {
      const { parameters: freeze, threads } = this;
      found = compile(fn as Part<TensorRecord>, { name, freeze, threads, maxTraces: 256 });
      this.parts.set(name, found);
    }
    return found as unknown as Compiled<I, TensorRecord>;
  }

  dispose(): void {
    for (const part of this.parts.values()) part.dispose();
    this.parts.clear();
  }
}

/**
 * From now on sampling with these weights runs as native graphs with the weights frozen in, with the same results up to
 * rounding. Weights that change belong in a new map, accelerated in its turn.
 * @param threads threads within an operator; default `defaultThreads()`.
 * @returns the same map.
 */
export function accelerate(parameters: Parameters, threads = defaultThreads()): Parameters {
  if (!registry.has(parameters)) registry.set(parameters, new Accelerator(parameters, threads));
  return parameters;
}

/** Frees what `accelerate` made; sampling with these weights is eager again. */
export function decelerate(parameters: Parameters): void {
  registry.get(parameters)?.dispose();
  registry.delete(parameters);
}

/** The accelerator of these weights, unless there is none or `CER_COMPILE=off`. */
export function acceleratorOf(parameters: Parameters): Accelerator | undefined {
  return compileEnabled() ? registry.get(parameters) : undefined;
}

/** Runs a part of a model: compiled where its weights are accelerated, as it is elsewhere. */
export function runPart<I extends TensorRecord, O extends TensorRecord>(
  parameters: Parameters,
  name: string,
  inputs: I,
  fn: (inputs: I, parameters: Parameters) => O,
): O {
  const fast = acceleratorOf(parameters);
  return (fast ? fast.part(name, fn)(inputs) : fn(inputs, parameters)) as O;
}

/**
 * The same for several inputs of the same shapes, such as parts of a batch: where its weights are accelerated each on a thread of its
 * own. There may be at most `partsOf` inputs.
 */
export function runParts<I extends TensorRecord, O extends TensorRecord>(
  parameters: Parameters,
  name: string,
  inputs: readonly I[],
  fn: (inputs: I, parameters: Parameters) => O,
): O[] {
  const fast = acceleratorOf(parameters);
  if (!fast || inputs.length === 1) return inputs.map((input) => runPart(parameters, name, input, fn));
  return fast
    .part(name, fn)
    .parallel(inputs.map(plain) as never)
    .map(tensors) as O[];
}

/**
 * How many equal parts a batch is best cut into: at most as many as there are threads. Large weights stay in one piece:
 * each part would read all of them at every step, and keep a copy of its own, and their products are large enough to be split themselves.
 */
export function partsOf(parameters: Parameters, batch: number): number {
  const threads = acceleratorOf(parameters)?.threads ?? 1;
  if (threads === 1 || countWeights(parameters) > MOST_COPIED) return 1;
  return equalParts(batch, threads);
}

/** The largest divisor of `count` that is at most `most`. */
export function equalParts(count: number, most: number): number {
  let parts = Math.max(1, Math.min(count, most));
  while (count % parts !== 0) parts--;
  return parts;
}

/** Weights of which each thread may have a copy: 32 MB, measured between heads 512 and 768 wide. */
const MOST_COPIED = 8e6;
const countWeights = (parameters: Parameters) => [...parameters.values()].reduce((sum, { size }) => sum + size, 0);
