import * as tf from '@tensorflow/tfjs';
import { InvalidInputError } from '../runtime/errors';
import { writeSafetensors } from './safetensors';
import { readElements, type StoredTensor, storedTensor, type TensorRecord, toFloat32, toInt32 } from './tensor-record';
import { chooseGroup, openWeightFile } from './weight-file';

/** Which weights of a checkpoint to load. */
export interface LoadOptions {
  /** The dictionary of a .pth checkpoint, e.g. `model_ema`. Default `model` where there is one, else the only one. */
  key?: string;
}

/** Opens the weights in a file of any format that `openWeightFile` supports; values are read later. */
export function openWeights(path: string, { key }: LoadOptions = {}): Map<string, StoredTensor> {
  return chooseGroup(path, openWeightFile(path), key).tensors;
}

/**
 * Loads the weights of a model from a .safetensors or .pth file as named tensors on the current backend (call
 * `useBackend()` first): floating types become float32, integers int32, BOOL bool. One tensor is in flight at a time.
 * @throws FileFormatError for a bad file, MissingDependencyError for a missing one.
 */
export function loadParameters(path: string, options: LoadOptions = {}): Map<string, tf.Tensor> {
  const loaded = new Map<string, tf.Tensor>();
  for (const [name, tensor] of openWeights(path, options)) loaded.set(name, toTensor(tensor));
  return loaded;
}

/** Writes named tensors as safetensors, atomically: float32 as F32, int32 as I32, bool as BOOL. */
export function saveParameters(
  path: string,
  parameters: ReadonlyMap<string, tf.Tensor>,
  metadata: Record<string, string> = {},
): void {
  const records = new Map([...parameters].map(([name, tensor]) => [name, toRecord(tensor)]));
  writeSafetensors(path, records, metadata);
}

/** A stored tensor on the current backend. */
export function toTensor(tensor: TensorRecord): tf.Tensor {
  const { dtype } = tensor;
  const shape = [...tensor.shape];
  const data = readElements(tensor);
  if (dtype === 'BOOL') return tf.tensor(data as Uint8Array, shape, 'bool');
  if (dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16') {
    return tf.tensor(toFloat32({ dtype, data }), shape, 'float32');
  }
  return tf.tensor(toInt32({ dtype, data }), shape, 'int32');
}

/** A tensor as a record whose values are fetched when it is written. @throws InvalidInputError for other types. */
export function toRecord(tensor: tf.Tensor): StoredTensor {
  const { shape, dtype } = tensor;
  if (dtype === 'float32') return storedTensor('F32', shape, () => tensor.dataSync() as Float32Array);
  if (dtype === 'int32') return storedTensor('I32', shape, () => tensor.dataSync() as Int32Array);
  if (dtype === 'bool') return storedTensor('BOOL', shape, () => Uint8Array.from(tensor.dataSync()));
  throw new InvalidInputError('Tensor to save', {
    given: `type ${dtype}`,
    expected: 'float32, int32 or bool',
    remedy: 'Cast it first.',
  });
}
