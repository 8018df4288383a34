import { InvalidInputError } from '../runtime/errors';

/** Array types that hold tensor elements; F16 and BF16 stay raw bits in a Uint16Array, BOOL is one byte per element. */
export type ElementArray =
  | Float64Array
  | Float32Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Uint8Array
  | Int8Array
  | BigInt64Array
  | BigUint64Array;

const ARRAYS = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  I32: Int32Array,
  I16: Int16Array,
  I8: Int8Array,
  U64: BigUint64Array,
  U32: Uint32Array,
  U16: Uint16Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** Bits per element of the safetensors types that are listed but whose values are not read. */
const OPAQUE = {
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
  C64: 64,
} as const;

/** Element types, by their safetensors names. */
export type DType = keyof typeof ARRAYS | keyof typeof OPAQUE;

/** The element types that are read and written. */
export const DTYPES = Object.keys(ARRAYS) as DType[];

/** Whether this is the name of an element type, be its values read here or not. */
export function isDType(name: unknown): name is DType {
  return typeof name === 'string' && (Object.hasOwn(ARRAYS, name) || Object.hasOwn(OPAQUE, name));
}

/** A tensor in memory: row-major elements; a scalar has shape `[]`. */
export interface TensorRecord {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: ElementArray;
}

/** A tensor in a file: `data` is read at first use and cached; `read()` reads again and caches nothing. */
export interface StoredTensor extends TensorRecord {
  read(): ElementArray;
}

/** Bytes per element; half a byte for F4. */
export function elementSize(dtype: DType): number {
  return dtype in OPAQUE
    ? OPAQUE[dtype as keyof typeof OPAQUE] / 8
    : ARRAYS[dtype as keyof typeof ARRAYS].BYTES_PER_ELEMENT;
}

/** The number of elements of a shape; NaN when it is not a shape or leaves the safe integers. */
export function elementCount(shape: readonly unknown[]): number {
  let count = 1;
  for (const side of shape) {
    if (!Number.isSafeInteger(side) || (side as number) < 0) return Number.NaN;
    count *= side as number;
    if (!Number.isSafeInteger(count)) return Number.NaN;
  }
  return count;
}

/** Little-endian bytes (a fresh, aligned copy) seen as elements. @throws InvalidInputError for a type that is only listed */
export function elementsOf(dtype: DType, bytes: Uint8Array): ElementArray {
  if (dtype in OPAQUE) {
    throw new InvalidInputError('Tensor', {
      given: `elements of type ${dtype}`,
      expected: `one of ${DTYPES.join(', ')}, whose values are read`,
      remedy: 'Convert it first, e.g. in PyTorch with `tensor.to(torch.bfloat16)`.',
    });
  }
  return new ARRAYS[dtype as keyof typeof ARRAYS](
    bytes.buffer as ArrayBuffer,
    bytes.byteOffset,
    bytes.byteLength / elementSize(dtype),
  );
}

/** The little-endian bytes of elements, without a copy. */
export function bytesOf(data: ElementArray): Uint8Array {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** A lazily read tensor over a reading function. */
export function storedTensor(dtype: DType, shape: readonly number[], read: () => ElementArray): StoredTensor {
  let kept: ElementArray | undefined;
  return {
    dtype,
    shape,
    read,
    get data() {
      kept ??= read();
      return kept;
    },
  };
}

/** The elements, read without being kept when they come from a file. */
export function readElements(tensor: TensorRecord | StoredTensor): ElementArray {
  return 'read' in tensor ? tensor.read() : tensor.data;
}

/**
 * The elements of a tensor that is to be written.
 * @throws InvalidInputError when their number or width is not what type and shape say: no reader would open the file
 */
export function checkedElements(name: string, tensor: TensorRecord | StoredTensor): ElementArray {
  const { dtype, shape } = tensor;
  const data = readElements(tensor);
  if (data.length === elementCount(shape) && data.BYTES_PER_ELEMENT === elementSize(dtype)) return data;
  throw new InvalidInputError(`Tensor ${name}`, {
    given: `${data.length} elements of ${data.BYTES_PER_ELEMENT} bytes`,
    expected: `${dtype} elements for the shape [${shape}]`,
    remedy: 'Correct the shape, the type or the data.',
  });
}

/** The elements as float32: half types widened exactly, F64 and integers rounded; an F32 array is returned as it is. */
export function toFloat32(tensor: Pick<TensorRecord, 'dtype' | 'data'>): Float32Array {
  const { dtype, data } = tensor;
  if (data instanceof Float32Array) return data;
  if (dtype === 'F16') return halfToFloat32(data as Uint16Array);
  if (dtype === 'BF16') return bfloat16ToFloat32(data as Uint16Array);
  return Float32Array.from(data as ArrayLike<number | bigint>, Number);
}

/** The elements as float64, exactly except for 64-bit integers beyond 2^53. */
export function toFloat64(tensor: Pick<TensorRecord, 'dtype' | 'data'>): Float64Array {
  const { dtype, data } = tensor;
  if (data instanceof Float64Array) return data;
  if (dtype === 'F16' || dtype === 'BF16') return Float64Array.from(toFloat32(tensor));
  return Float64Array.from(data as ArrayLike<number | bigint>, Number);
}

/** The elements as int32. @throws InvalidInputError for a value that is not an integer or beyond 32 bits. */
export function toInt32(tensor: Pick<TensorRecord, 'dtype' | 'data'>): Int32Array {
  const { data } = tensor;
  if (data instanceof Int32Array) return data;
  const out = new Int32Array(data.length);
  for (let i = 0; i < out.length; i++) {
    const value = Number(data[i]);
    out[i] = value;
    if (out[i] !== value) {
      throw new InvalidInputError('Tensor as int32', {
        given: `${value} at element ${i}`,
        expected: 'integers of at most 32 bits',
        remedy: 'Read the elements with `data`, or use toFloat64.',
      });
    }
  }
  return out;
}

/** IEEE binary16 bits to float32, exactly (subnormals, infinities and NaN payloads included). */
function halfToFloat32(half: Uint16Array): Float32Array {
  const out = new Float32Array(half.length);
  const words = new Uint32Array(out.buffer);
  for (let i = 0; i < half.length; i++) {
    const sign = (half[i] & 0x8000) << 16;
    const exponent = (half[i] >>> 10) & 0x1f;
    const fraction = half[i] & 0x3ff;
    if (exponent === 0) {
      out[i] = fraction * 2 ** -24;
      words[i] |= sign;
    } else {
      words[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
    }
  }
  return out;
}

function bfloat16ToFloat32(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (word) => word << 16).buffer);
}
