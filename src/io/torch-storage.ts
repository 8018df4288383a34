import { damaged } from './byte-source';
import { PickleGlobal } from './pickle-reader';
import { gather, isContiguous, lastElement } from './strided';
import {
  bytesOf,
  type DType,
  type ElementArray,
  elementCount,
  elementSize,
  elementsOf,
  type StoredTensor,
  storedTensor,
} from './tensor-record';
import { expansionLimit, type ZipEntry } from './zip-reader';

/** PyTorch's storage classes by element type. */
export const STORAGE_TYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['DoubleStorage', 'F64'],
  ['FloatStorage', 'F32'],
  ['HalfStorage', 'F16'],
  ['BFloat16Storage', 'BF16'],
  ['LongStorage', 'I64'],
  ['IntStorage', 'I32'],
  ['ShortStorage', 'I16'],
  ['CharStorage', 'I8'],
  ['ByteStorage', 'U8'],
  ['BoolStorage', 'BOOL'],
  ['ComplexFloatStorage', 'C64'],
  ['storage.UntypedStorage', 'U8'],
]);

/** PyTorch's names of element types, as version 3 of a tensor states them. */
export const TORCH_TYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['float64', 'F64'],
  ['float32', 'F32'],
  ['float16', 'F16'],
  ['bfloat16', 'BF16'],
  ['int64', 'I64'],
  ['int32', 'I32'],
  ['int16', 'I16'],
  ['int8', 'I8'],
  ['uint64', 'U64'],
  ['uint32', 'U32'],
  ['uint16', 'U16'],
  ['uint8', 'U8'],
  ['bool', 'BOOL'],
  ['float8_e4m3fn', 'F8_E4M3'],
  ['float8_e5m2', 'F8_E5M2'],
  ['float8_e8m0fnu', 'F8_E8M0'],
  ['float8_e4m3fnuz', 'F8_E4M3FNUZ'],
  ['float8_e5m2fnuz', 'F8_E5M2FNUZ'],
  ['complex64', 'C64'],
]);

/** A storage of the archive, one zip entry; views share it. */
export class Storage {
  constructor(
    readonly entry: ZipEntry,
    readonly dtype: DType,
  ) {}
}

/** Resolves persistent ids and rebuilds tensors over the `data/` entries of one archive. */
export class StorageReader {
  private budget: number;

  constructor(
    private readonly file: string,
    fileSize: number,
    private readonly find: (key: string) => ZipEntry | undefined,
  ) {
    this.budget = expansionLimit(fileSize);
  }

  /** `('storage', torch.XStorage, key, device, count)` as a storage. */
  storage(id: unknown): Storage {
    const [tag, type, key, , count] = Array.isArray(id) ? id : [];
    const dtype = type instanceof PickleGlobal ? STORAGE_TYPES.get(type.name.replace(/^torch\./, '')) : undefined;
    const entry = typeof key === 'string' ? this.find(key) : undefined;
    if (tag !== 'storage' || !dtype || !entry || entry.size !== elementSize(dtype) * count) {
      throw damaged(
        this.file,
        `storage ${brief(key)} of ${brief(count)} elements${entry ? ` in ${entry.size} bytes` : ''}`,
        'a storage of a known type whose entry has the stated size',
      );
    }
    return new Storage(entry, dtype);
  }

  /**
   * The arguments of `torch._utils._rebuild_tensor_v2` as a tensor that is read on demand; version 3 states the element type
   * over a storage of bytes.
   */
  tensor(args: unknown[], version = 2): StoredTensor {
    const [storage, offset, shape, strides] = args;
    const [stated, metadata] = version === 3 ? [args[6], args[7]] : [undefined, args[6]];
    const type = stated instanceof PickleGlobal ? TORCH_TYPES.get(stated.name.replace(/^torch\./, '')) : undefined;
    if (version === 3 && !type)
      throw damaged(this.file, `a tensor of type ${brief(stated)}`, [...TORCH_TYPES.keys()].join(', '));
    const fine =
      storage instanceof Storage &&
      isShape(shape) &&
      isShape(strides) &&
      shape.length === strides.length &&
      isShape([offset]);
    const count = fine ? elementCount(shape) : Number.NaN;
    const span = fine && count > 0 ? lastElement(shape, strides) + 1 : 0;
    const dtype = type ?? (storage instanceof Storage ? storage.dtype : 'U8');
    const size = elementSize(dtype);
    if (!fine || Number.isNaN(count) || !(((offset as number) + span) * size <= storage.entry.size)) {
      throw damaged(
        this.file,
        `a view of shape [${brief(shape)}], strides [${brief(strides)}], offset ${brief(offset)}`,
        storage instanceof Storage
          ? `one within its storage of ${storage.entry.size / size} elements`
          : 'one over a storage',
      );
    }
    const negative = this.isNegative(metadata, dtype);
    this.budget -= count * size;
    if (this.budget < 0) {
      throw damaged(this.file, `views that unfold to far more than the file (shape [${shape}])`, 'views of its data');
    }
    return storedTensor(dtype, shape, () => {
      const found = elementsOf(dtype, storage.entry.read((offset as number) * size, span * size));
      const elements = count === 0 || isContiguous(shape, strides) ? found : gather(found, shape, strides);
      return negative ? flipSigns(elements, size) : elements;
    });
  }

  /**
   * Whether values are the stored ones with the other sign: PyTorch keeps the imaginary part of a conjugate as such a view
   * (`torch.tensor([1+2j]).conj().imag`). Its bit for conjugates is for complex types alone.
   */
  private isNegative(metadata: unknown, dtype: DType): boolean {
    const bits = metadata instanceof Map ? [...metadata].filter(([, set]) => set !== false).map(([name]) => name) : [];
    const known = bits.every((name) => (name === 'neg' && isFloating(dtype)) || (name === 'conj' && dtype === 'C64'));
    if (known && (metadata === undefined || metadata === null || metadata instanceof Map)) return bits.includes('neg');
    throw damaged(
      this.file,
      `a tensor of type ${dtype} with the properties ${metadata instanceof Map ? brief(bits) : brief(metadata)}`,
      'none but a negative bit (neg) of a floating-point type',
      'Store a plain copy in PyTorch: `tensor.resolve_conj().resolve_neg().clone()`.',
    );
  }
}

const isFloating = (dtype: DType) => ['F64', 'F32', 'F16', 'BF16'].includes(dtype);

/** Negates little-endian floating-point numbers of `size` bytes in place. */
function flipSigns(elements: ElementArray, size: number): ElementArray {
  const bytes = bytesOf(elements);
  for (let at = size - 1; at < bytes.length; at += size) bytes[at] ^= 0x80;
  return elements;
}

function isShape(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length <= 64 && value.every((side) => Number.isSafeInteger(side) && Number(side) >= 0)
  );
}

/** A few characters of a value for a message, whatever it is: a list may contain itself. */
function brief(value: unknown, depth = 0): string {
  if (Array.isArray(value))
    return depth < 2
      ? value
          .slice(0, 8)
          .map((item) => brief(item, depth + 1))
          .join(',')
      : '...';
  if (value instanceof PickleGlobal) return value.name.slice(0, 60);
  return typeof value === 'object' && value !== null ? 'something else' : String(value).slice(0, 60);
}
