import { damaged } from './byte-source';
import { PickleGlobal } from './pickle-reader';
import { gather, isContiguous, lastElement } from './strided';
import { type DType, elementCount, elementSize, elementsOf, type StoredTensor, storedTensor } from './tensor-record';
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
]);

/** A storage of the archive: `count` elements of one type in one zip entry; views share it. */
export class Storage {
  constructor(
    readonly entry: ZipEntry,
    readonly dtype: DType,
    readonly count: number,
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
        `storage ${printable(key)} of ${printable(count)} elements${entry ? ` in ${entry.size} bytes` : ''}`,
        'a storage of a known type whose entry has the stated size',
      );
    }
    return new Storage(entry, dtype, count);
  }

  /** The arguments of `torch._utils._rebuild_tensor_v2` as a tensor that is read on demand. */
  tensor(args: unknown[]): StoredTensor {
    const [storage, offset, shape, strides] = args;
    const fine =
      storage instanceof Storage &&
      isShape(shape) &&
      isShape(strides) &&
      shape.length === strides.length &&
      isShape([offset]);
    const count = fine ? elementCount(shape) : Number.NaN;
    const span = fine && count > 0 ? lastElement(shape, strides) + 1 : 0;
    if (!fine || Number.isNaN(count) || !((offset as number) + span <= storage.count)) {
      throw damaged(
        this.file,
        `a view of shape [${printable(shape)}], strides [${printable(strides)}], offset ${printable(offset)}`,
        storage instanceof Storage ? `one within its storage of ${storage.count} elements` : 'one over a storage',
      );
    }
    const { dtype, entry } = storage;
    const size = elementSize(dtype);
    this.budget -= count * size;
    if (this.budget < 0) {
      throw damaged(this.file, `views that unfold to far more than the file (shape [${shape}])`, 'views of its data');
    }
    return storedTensor(dtype, shape, () => {
      const elements = elementsOf(dtype, entry.read((offset as number) * size, span * size));
      return count === 0 || isContiguous(shape, strides) ? elements : gather(elements, shape, strides);
    });
  }
}

function isShape(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length <= 64 && value.every((side) => Number.isSafeInteger(side) && Number(side) >= 0)
  );
}

function printable(value: unknown): string {
  if (Array.isArray(value)) return value.slice(0, 8).map(printable).join(',');
  return typeof value === 'object' && value !== null ? 'something else' : String(value).slice(0, 60);
}
