import { InvalidInputError } from '../runtime/errors';
import { PickleWriter } from './pickle-writer';
import { contiguousStrides } from './strided';
import { bytesOf, elementCount, readElements, type TensorRecord } from './tensor-record';
import { STORAGE_TYPES } from './torch-storage';
import { writeZip, type ZipInput } from './zip-writer';

/** What a checkpoint may hold: tensors in maps (state dicts, or maps of them) and plain values beside them. */
export type Storable =
  | TensorRecord
  | ReadonlyMap<string, Storable>
  | readonly Storable[]
  | number
  | bigint
  | string
  | boolean
  | null;

/**
 * Writes a PyTorch zip checkpoint that `torch.load(weights_only=True)` reads, atomically and every bit kept; maps become
 * OrderedDict. Tensors that come from a file are streamed one by one.
 * @throws InvalidInputError for element types that PyTorch's storages do not have, or values that cannot be stored.
 */
export function writeTorchCheckpoint(path: string, content: Storable): void {
  const pickle = new PickleWriter();
  const stored: TensorRecord[] = [];
  pickle.value(content, (value) => {
    if (typeof value !== 'object' || value === null || !('dtype' in value)) return false;
    writeTensor(pickle, value as TensorRecord, stored.length);
    stored.push(value as TensorRecord);
    return true;
  });
  const root = 'archive';
  const text = (name: string, content: string): ZipInput => ({
    name: `${root}/${name}`,
    content: () => new TextEncoder().encode(content),
  });
  const tensors = stored.map(
    (tensor, i): ZipInput => ({ name: `${root}/data/${i}`, content: () => checkedBytes(tensor) }),
  );
  const bytes = pickle.finish();
  const head: ZipInput = { name: `${root}/data.pkl`, content: () => bytes };
  writeZip(path, [head, text('byteorder', 'little'), ...tensors, text('version', '3\n')]);
}

/** `torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`. */
function writeTensor(pickle: PickleWriter, { dtype, shape }: TensorRecord, index: number): void {
  const type = [...STORAGE_TYPES].find(([, stored]) => stored === dtype)?.[0];
  if (!type) {
    throw new InvalidInputError('Tensor for PyTorch', {
      given: `elements of type ${dtype}`,
      expected: `one of ${[...STORAGE_TYPES.values()].join(', ')}`,
      remedy: 'Convert it first.',
    });
  }
  const numbers = (values: readonly number[]) => pickle.tuple(() => values.forEach((value) => pickle.number(value)));
  pickle.global('torch._utils', '_rebuild_tensor_v2');
  pickle.tuple(() => {
    pickle.tuple(() => {
      pickle.text('storage');
      pickle.global('torch', type);
      pickle.text(String(index));
      pickle.text('cpu');
      pickle.number(elementCount(shape));
    });
    pickle.persistentId();
    pickle.number(0);
    numbers(shape);
    numbers(contiguousStrides(shape));
    pickle.value(false, () => false);
    pickle.emptyOrderedDict();
  });
  pickle.reduce();
}

function checkedBytes(tensor: TensorRecord): Uint8Array {
  const data = readElements(tensor);
  if (data.length !== elementCount(tensor.shape)) {
    throw new InvalidInputError('Tensor for PyTorch', {
      given: `${data.length} elements`,
      expected: `as many as the shape [${tensor.shape}] has`,
      remedy: 'Correct the shape or the data.',
    });
  }
  return bytesOf(data);
}
