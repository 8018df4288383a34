import { InvalidInputError } from '../runtime/errors';
import { type ByteSource, damaged, fileSource } from './byte-source';
import { readNpy, readNpz } from './npz';
import { readSafetensors, startsAsSafetensors } from './safetensors';
import type { StoredTensor } from './tensor-record';
import { type CheckpointValue, isTensor, readTorchCheckpoint, stateDicts } from './torch-checkpoint';
import { readZip } from './zip-reader';

/** A file of tensors of any format that is read here. */
export interface WeightFile {
  format: 'safetensors' | 'torch' | 'npz' | 'npy';
  bytes: number;
  /** All tensors by (dotted) name. */
  tensors: Map<string, StoredTensor>;
  /** The state dicts of a checkpoint by key, e.g. `model`, `model_ema`; one under the empty key for other formats. */
  groups: Map<string, Map<string, StoredTensor>>;
  /** Plain values beside the tensors: metadata, `epoch`, `args`. */
  values: Record<string, unknown>;
}

/**
 * Opens a file of tensors, recognised by its first bytes; nothing but headers is read.
 * @throws FileFormatError for a damaged file or another format.
 */
export function openWeightFile(path: string): WeightFile {
  const source = fileSource(path);
  const { size: bytes } = source;
  if (startsAsSafetensors(source)) return safetensorsFile(source);
  const start = String.fromCharCode(...source.read(0, Math.min(6, bytes)));
  if (start.startsWith('PK')) {
    const entries = readZip(source);
    const isNpz = [...entries.keys()].some((name) => name.endsWith('.npy'));
    return isNpz ? single('npz', bytes, readNpz(source, entries)) : torchFile(source);
  }
  if (start === '\x93NUMPY') return single('npy', bytes, new Map([['array', readNpy(source)]]));
  if (start.startsWith('\x80') || /\.(pth?|ckpt)$/.test(path)) return torchFile(source);
  if (path.endsWith('.safetensors')) return safetensorsFile(source); // says what is wrong
  throw damaged(
    path,
    `a file that begins with ${JSON.stringify(start)}`,
    'safetensors, a PyTorch checkpoint (.pth), or NumPy arrays (.npz, .npy)',
    'Give a file of weights or arrays.',
  );
}

/**
 * The weights of one model in a file: the state dict under `key`, else the first of `preferred` that the file has, else the only one.
 * @throws InvalidInputError listing the state dicts that there are
 */
export function chooseGroup(path: string, { groups }: WeightFile, key?: string, preferred = ['model', '']) {
  const names = [...groups.keys()];
  const chosen = key ?? preferred.find((name) => groups.has(name)) ?? (names.length === 1 ? names[0] : undefined);
  const tensors = chosen === undefined ? undefined : groups.get(chosen);
  if (chosen !== undefined && tensors) return { key: chosen, tensors };
  throw new InvalidInputError(`Weights in ${path}`, {
    given: key === undefined ? `${names.length} dictionaries of tensors` : `the key ${JSON.stringify(key)}`,
    expected: names.length > 0 ? `one of ${names.map((name) => JSON.stringify(name)).join(', ')}` : 'a state dict',
    remedy: '`cer inspect FILE` shows what the file holds; choose with --key.',
  });
}

function safetensorsFile(source: ByteSource): WeightFile {
  const { tensors, metadata } = readSafetensors(source);
  return single('safetensors', source.size, tensors, metadata);
}

function single(
  format: WeightFile['format'],
  bytes: number,
  tensors: Map<string, StoredTensor>,
  values: Record<string, unknown> = {},
): WeightFile {
  return { format, bytes, tensors, groups: new Map([['', tensors]]), values };
}

function torchFile(source: ByteSource): WeightFile {
  const checkpoint = readTorchCheckpoint(source);
  const { content, tensors } = checkpoint;
  const values = plain(content) as Record<string, unknown> | undefined;
  return { format: 'torch', bytes: source.size, tensors, groups: stateDicts(checkpoint), values: values ?? {} };
}

/** A checkpoint's content without its tensors, as JSON can hold it; undefined where nothing is left. */
function plain(value: CheckpointValue): unknown {
  if (isTensor(value)) return undefined;
  if (typeof value === 'bigint') return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return value.map((item) => plain(item) ?? null);
  if (!(value instanceof Map)) return value;
  const entries = [...value].map(([key, item]) => [key, plain(item)] as const).filter(([, item]) => item !== undefined);
  return value.size > 0 && entries.length === 0 ? undefined : Object.fromEntries(entries);
}
