import { InvalidInputError } from '../runtime/errors';
import { type ByteSource, damaged, openSource } from './byte-source';
import { PickleGlobal, PickleObject, readPickle } from './pickle-reader';
import type { StoredTensor } from './tensor-record';
import { STORAGE_TYPES, StorageReader, TORCH_TYPES } from './torch-storage';
import { readZip } from './zip-reader';

/** The content of a checkpoint as plain data. */
export type CheckpointValue =
  | StoredTensor
  | Map<string, CheckpointValue>
  | CheckpointValue[]
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array;

/** A PyTorch checkpoint: its content, and its tensors by dotted path in the order of the file. */
export interface TorchCheckpoint {
  /** Dictionaries, Namespaces and OrderedDicts are maps; lists, tuples and sets arrays. */
  content: CheckpointValue;
  tensors: Map<string, StoredTensor>;
}

const LARGEST_PICKLE = 16 * 2 ** 20;
const MOST_NODES = 200_000;
const DEEPEST = 100;
const LONGEST_PATH = 1024;

/**
 * Reads a PyTorch zip checkpoint (`torch.save` since 1.6) safely: its pickle may use only an allow-list of names, each of
 * which stands for data; anything else is refused by name and nothing is executed. Tensors are read on demand.
 * @throws FileFormatError naming the refused global, entry, storage or view.
 */
export function readTorchCheckpoint(from: string | ByteSource): TorchCheckpoint {
  const source = openSource(from);
  requireZip(source);
  const entries = readZip(source);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const pickle = entries.get(pickles[0] ?? '');
  if (pickles.length !== 1 || !pickle || pickle.size > LARGEST_PICKLE) {
    throw damaged(
      source.name,
      pickle ? `${pickles.length} pickles, the first of ${pickle.size} bytes` : 'no data.pkl',
      `one NAME/data.pkl of at most ${LARGEST_PICKLE} bytes`,
    );
  }
  const root = pickles[0].slice(0, -'data.pkl'.length);
  const order = entries.get(`${root}byteorder`);
  if (order && (order.size > 6 || new TextDecoder().decode(order.read()) !== 'little')) {
    throw damaged(
      source.name,
      'a byte order that is not little',
      'little',
      'Save it again on a little-endian machine.',
    );
  }
  const storages = new StorageReader(source.name, source.size, (key) => entries.get(`${root}data/${key}`));
  const raw = readPickle(source.name, pickle.read(), {
    globals: allowedGlobals(source.name, storages),
    persistent: (id) => storages.storage(id),
  });
  const tensors = new Map<string, StoredTensor>();
  const content = new Tidier(source.name, tensors).tidy(raw, '', 0);
  return { content, tensors };
}

/**
 * The weights of one model in a checkpoint: the dictionary under `key` (`model` or `model_ema` in training checkpoints), or
 * without a key the one that there is.
 * @throws InvalidInputError listing the dictionaries that the file has.
 */
export function stateDict(checkpoint: TorchCheckpoint, key?: string): Map<string, StoredTensor> {
  const choices = stateDicts(checkpoint);
  const chosen = key === undefined && choices.size === 1 ? [...choices.values()][0] : choices.get(key ?? '');
  if (chosen) return chosen;
  throw new InvalidInputError('Weights of a checkpoint', {
    given: key === undefined ? 'no key' : `the key ${JSON.stringify(key)}`,
    expected: `one of ${[...choices.keys()].map((name) => JSON.stringify(name)).join(', ') || '(it holds no weights)'}`,
    remedy: 'Name the dictionary that is meant.',
  });
}

/** The dictionaries of tensors at the top of a checkpoint, by key; the whole file's own is under the empty key. */
export function stateDicts({ content }: TorchCheckpoint): Map<string, Map<string, StoredTensor>> {
  const found = new Map<string, Map<string, StoredTensor>>();
  if (!(content instanceof Map)) return found;
  for (const [key, value] of [['', content] as const, ...content]) {
    if (!(value instanceof Map)) continue;
    const tensors = [...value].filter((entry): entry is [string, StoredTensor] => isTensor(entry[1]));
    if (tensors.length > 0) found.set(key, new Map(tensors));
  }
  return found;
}

/** Whether a value of a checkpoint is a tensor. */
export function isTensor(value: unknown): value is StoredTensor {
  return typeof value === 'object' && value !== null && 'dtype' in value && 'read' in value;
}

function requireZip(source: ByteSource): void {
  const magic = source.read(0, Math.min(4, source.size));
  if (magic[0] === 0x50 && magic[1] === 0x4b) return;
  throw damaged(
    source.name,
    magic[0] === 0x80 ? "PyTorch's format before 1.6 (a bare pickle)" : 'a file that does not begin as a zip archive',
    'a zip checkpoint as torch.save writes it since PyTorch 1.6',
    'Load it in a recent PyTorch and torch.save it again.',
  );
}

/** The names that weights need. Everything here builds data; nothing calls out. */
function allowedGlobals(file: string, storages: StorageReader): Map<string, PickleGlobal> {
  const globals = new Map<string, PickleGlobal>();
  const allow = (module: string, name: string, call?: (args: unknown[]) => unknown) =>
    globals.set(`${module} ${name}`, new PickleGlobal(`${module}.${name}`, call));
  const first = (what: string) => (args: unknown[]) => {
    if (!isTensor(args[0])) throw damaged(file, `${what} of something that is not a tensor`, 'a tensor');
    return args[0];
  };
  const items = (args: unknown[]): unknown[] => (Array.isArray(args[0]) ? args[0] : []);
  for (const type of STORAGE_TYPES.keys())
    allow(type === 'storage.UntypedStorage' ? 'torch.storage' : 'torch', type.replace(/^.*\./, ''));
  for (const type of TORCH_TYPES.keys()) allow('torch', type);
  allow('torch._utils', '_rebuild_tensor', (args) => storages.tensor(args));
  allow('torch._utils', '_rebuild_tensor_v2', (args) => storages.tensor(args));
  allow('torch._utils', '_rebuild_tensor_v3', (args) => storages.tensor(args, 3));
  allow('torch._utils', '_rebuild_parameter', first('a parameter'));
  allow('torch._utils', '_rebuild_parameter_with_state', first('a parameter'));
  allow('torch', 'Size', items);
  allow('torch', 'device', (args) => args.filter((part) => typeof part !== 'object').join(':'));
  allow('collections', 'OrderedDict', (args) => {
    const pairs = items(args).filter((pair): pair is [unknown, unknown] => Array.isArray(pair) && pair.length === 2);
    return new Map(pairs);
  });
  allow('argparse', 'Namespace', () => new PickleObject('argparse.Namespace'));
  allow('builtins', 'set', (args) => new Set(items(args)));
  allow('builtins', 'frozenset', (args) => new Set(items(args)));
  allow('_codecs', 'encode', ([text]) => Uint8Array.from(Buffer.from(typeof text === 'string' ? text : '', 'latin1')));
  return globals;
}

/** Turns what the pickle made into plain data within bounds: pickles can share and nest beyond any memory. */
class Tidier {
  private nodes = 0;
  constructor(
    private readonly file: string,
    private readonly tensors: Map<string, StoredTensor>,
  ) {}

  tidy(value: unknown, path: string, depth: number): CheckpointValue {
    if (++this.nodes > MOST_NODES || depth > DEEPEST) {
      throw damaged(this.file, 'values nested without end', `at most ${MOST_NODES} values, ${DEEPEST} deep`);
    }
    if (path.length > LONGEST_PATH)
      throw damaged(this.file, `a name of ${path.length} characters`, `at most ${LONGEST_PATH}`);
    const below = (key: unknown) => (path === '' ? String(key) : `${path}.${key}`);
    if (isTensor(value)) {
      if (this.tensors.has(path))
        throw ambiguous(this.file, `two tensors that are both called ${JSON.stringify(path)}`);
      this.tensors.set(path, value);
      return value;
    }
    if (value instanceof PickleObject) return this.tidy(value.attributes, path, depth);
    if (value instanceof Map) {
      const made = new Map<string, CheckpointValue>();
      for (const [key, item] of value) {
        if (typeof key === 'object') throw damaged(this.file, 'a dictionary key that is not plain', 'texts or numbers');
        const name = String(key);
        if (made.has(name))
          throw ambiguous(
            this.file,
            `a dictionary with a text and another key that both read ${JSON.stringify(name.slice(0, 100))}`,
          );
        made.set(name, this.tidy(item, below(key), depth + 1));
      }
      return made;
    }
    if (Array.isArray(value) || value instanceof Set) {
      return Array.from(value as Iterable<unknown>, (item, i) => this.tidy(item, below(i), depth + 1));
    }
    if (value instanceof Uint8Array || value === null || typeof value !== 'object') return value as CheckpointValue;
    return value instanceof PickleGlobal ? value.name : 'storage';
  }
}

function ambiguous(file: string, given: string): Error {
  return damaged(
    file,
    given,
    'names that stay apart once keys are joined with dots',
    'Rename one of the keys in PyTorch and save again.',
  );
}
