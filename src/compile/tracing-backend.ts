import * as tf from '@tensorflow/tfjs';
import { CompileError, callers, userLine } from './errors';
import { arrayOf, type ConstantData, type DType, Graph, sizeOf } from './graph';
import { type Lazy, whole } from './lazy';
import { type Call, dtypeOf, type Kernels } from './ops/call';
import { convolutionKernels } from './ops/convolution';
import { elementwiseKernels } from './ops/elementwise';
import { gatherKernels } from './ops/gather';
import { matmulKernels } from './ops/matmul';
import { reductionKernels } from './ops/reduction';
import { shapeKernels } from './ops/shape';

/** Name under which the tracing backend is registered with tfjs. */
export const TRACING = 'cer-trace';

/** Every tfjs kernel that can be compiled. */
export const KERNELS: Kernels = {
  ...elementwiseKernels,
  ...reductionKernels,
  ...matmulKernels,
  ...shapeKernels,
  ...gatherKernels,
  ...convolutionKernels,
};

interface Stored extends Lazy {
  references: number;
  /** The graph that the value belongs to. */
  graph: Graph;
}

/** Functions of tfjs that draw random numbers; their results would become constants of the graph. */
const RANDOM =
  /^(randomNormal|randomUniform|randomUniformInt|truncatedNormal|randomStandardNormal|randomGamma|multinomial|dropout|rand)_?$/;

/** A tfjs backend without numbers: its kernels add nodes to a graph. */
export class TracingBackend extends tf.KernelBackend {
  private readonly data = new tf.DataStorage<Stored>(this, tf.engine());
  private count = 0;
  graph = new Graph();
  /** Names of the kernels emitted so far in this process; tests use it to find untested kernels. */
  readonly emitted = new Set<string>();

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const drawn = callers()
      .reverse()
      .find(({ name, file }) => /tfjs/.test(file) && RANDOM.test(name));
    if (drawn) {
      const op = drawn.name.match(RANDOM)?.[1];
      throw new CompileError('Random numbers while compiling', {
        given: `tf.${op} called at ${userLine(new Error().stack)}`,
        expected: 'a pure function: the same arguments give the same result',
        remedy: 'Draw with runtime/random outside and pass the numbers in as an argument.',
      });
    }
    return this.store(this.constant(values, shape, dtypeOf(dtype)));
  }

  override move(
    dataId: tf.DataId,
    values: tf.BackendValues,
    shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    this.data.set(dataId, { ...this.constant(values, shape, dtypeOf(dtype)), references, graph: this.graph });
    this.count++;
  }

  override readSync(dataId: tf.DataId): tf.BackendValues {
    const { value, shape } = this.lookUp(dataId);
    if (value.constant === undefined) {
      throw new CompileError('Reading a value while compiling', {
        given: `dataSync, arraySync or print at ${userLine(new Error().stack)}`,
        expected: 'computations that do not depend on the numbers in a tensor',
        remedy: 'Read the value outside and pass it in as an argument, or return it as an output.',
      });
    }
    if (value.constant.length === sizeOf(shape) && value.dtype !== 'int64') return value.constant as tf.BackendValues;
    const constant = Array.from(value.constant as ArrayLike<number>, Number);
    const all = constant.length === 1 ? new Array(sizeOf(shape)).fill(constant[0]) : constant;
    return arrayOf(all, value.dtype) as tf.BackendValues;
  }

  override async read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.data.has(dataId)) return true;
    const stored = this.data.get(dataId);
    stored.references--;
    if (stored.references > 0 && !force) return false;
    this.data.delete(dataId);
    this.count--;
    return true;
  }

  override incRef(dataId: tf.DataId): void {
    if (this.data.has(dataId)) this.data.get(dataId).references++;
  }

  override refCount(dataId: tf.DataId): number {
    return this.data.has(dataId) ? this.data.get(dataId).references : 0;
  }

  override numDataIds(): number {
    return this.count;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override memory() {
    return { unreliable: true, reasons: ['tracing holds no numbers'] };
  }

  /** The traced value behind a tensor. A constant that an earlier graph captured is made known to this one. */
  lookUp(dataId: tf.DataId): Lazy {
    const stored = this.data.get(dataId);
    if (stored.graph === this.graph) return stored;
    const { constant, shape, dtype } = stored.value;
    if (!constant) {
      throw new CompileError('Compiling', {
        given: `a tensor that was made while compiling another function, used at ${userLine(new Error().stack)}`,
        expected: 'tensors made outside, or in this function',
        remedy: 'Do not keep tensors that a compiled function makes; return them.',
      });
    }
    const known = { value: this.graph.constant(constant, shape, dtype), shape: stored.shape };
    this.data.set(dataId, { ...known, references: stored.references, graph: this.graph });
    return known;
  }

  /** A tensor that stands for a traced value. */
  tensor(lazy: Lazy): tf.Tensor {
    const dtype = lazy.value.dtype === 'int64' ? 'int32' : lazy.value.dtype;
    return tf.engine().makeTensorFromDataId(this.store(lazy), [...lazy.shape], dtype, this);
  }

  /** Starts an empty graph. */
  reset(): void {
    this.graph = new Graph();
  }

  store(lazy: Lazy): tf.DataId {
    const dataId = {};
    this.data.set(dataId, { value: lazy.value, shape: lazy.shape, references: 1, graph: this.graph });
    this.count++;
    return dataId;
  }

  private constant(values: tf.BackendValues, shape: readonly number[], dtype: DType): Lazy {
    const numbers = values as ArrayLike<number>;
    if (numbers.length > 0 && allEqual(numbers)) return { value: this.graph.scalar(Number(numbers[0]), dtype), shape };
    const data: ConstantData = arrayOf(numbers, dtype);
    return whole(this.graph.constant(data, shape, dtype));
  }
}

function allEqual(values: ArrayLike<number>): boolean {
  for (let i = 1; i < values.length; i++) if (!Object.is(values[i], values[0])) return false; // 0 is not -0
  return true;
}

let backend: TracingBackend | undefined;

/** The one tracing backend of this process, registered on first use. */
export function tracingBackend(): TracingBackend {
  if (backend) return backend;
  const made = new TracingBackend();
  tf.registerBackend(TRACING, () => made, 0);
  for (const [kernelName, emit] of Object.entries(KERNELS)) {
    tf.registerKernel({
      kernelName: kernelName as keyof typeof KERNELS & string,
      backendName: TRACING,
      kernelFunc: ({ inputs, attrs }) => {
        const lazy: Record<string, Lazy> = {};
        for (const [name, tensor] of Object.entries(inputs)) {
          if (tensor) lazy[name] = { value: made.lookUp(tensor.dataId).value, shape: tensor.shape };
        }
        made.emitted.add(kernelName);
        const emitted = emit({ graph: made.graph, inputs: lazy, attributes: attrs ?? {} } as Call);
        const information = [emitted].flat().map((x) => {
          if (x.shape.some((n) => !Number.isInteger(n)))
            throw new Error(`${kernelName} produced the shape [${x.shape}]`);
          const dtype = x.value.dtype === 'int64' ? 'int32' : x.value.dtype;
          return { dataId: made.store(x), shape: [...x.shape], dtype } as tf.TensorInfo;
        });
        return Array.isArray(emitted) ? information : information[0];
      },
    });
  }
  backend = made;
  return made;
}
