import { damaged } from './byte-source';

/**
 * A name that a pickle may use. Reading never executes anything of Python: a name stands for what `call` makes of its
 * arguments, and a name without `call` is only a label (a storage type, say).
 */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call?: (args: unknown[]) => unknown,
  ) {}
}

/** An object of an allowed class with its attributes, e.g. the `argparse.Namespace` of a training run. */
export class PickleObject {
  readonly attributes = new Map<unknown, unknown>();
  constructor(readonly className: string) {}
}

/** What the reader knows: the allowed names (`module name`), and how to resolve persistent ids (PyTorch's storages). */
export interface PickleWorld {
  globals: ReadonlyMap<string, PickleGlobal>;
  persistent(id: unknown): unknown;
}

const MARK_LIMIT = 10_000;

/** What one pickle may make, counting each mention: a tensor takes about 35 values, 8 of them containers or objects. */
const MOST_VALUES = 500_000;
const MOST_CONTAINERS = 100_000;

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LATIN1 = new TextDecoder('latin1');

const OLD_MODULES: Record<string, string> = { __builtin__: 'builtins', copy_reg: 'copyreg' };

/**
 * Reads a Python pickle (protocols 2 to 5, the operations that data needs) without executing anything. Dictionaries become
 * Map, lists and tuples arrays, sets Set, integers number or, beyond 2^53, bigint, bytes Uint8Array. A few bytes can ask for any
 * amount of memory, so what is made is counted.
 * @throws FileFormatError naming the refused global or operation, or the place where the pickle is damaged.
 */
export function readPickle(file: string, bytes: Uint8Array, world: PickleWorld): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const memo = new Map<number, unknown>();
  const outer: unknown[][] = [];
  let stack: unknown[] = [];
  let at = 0;

  const fail = (given: string, expected: string) => damaged(file, `${given} at byte ${at} of its pickle`, expected);
  const take = (count: number): number => {
    if (count > bytes.length - at) throw fail(`${count} bytes asked of ${bytes.length - at}`, 'a complete pickle');
    at += count;
    return at - count;
  };
  let values = 0;
  let containers = 0;
  const count = (more: number) => {
    values += more;
    if (values > MOST_VALUES) throw fail(`more than ${MOST_VALUES} values`, 'fewer');
  };
  const push = (value: unknown): void => {
    count(1);
    stack.push(value);
  };
  /** For what takes memory even when it is empty: collections, and results of calls. */
  const pushObject = (value: unknown): void => {
    if (++containers > MOST_CONTAINERS) throw fail(`more than ${MOST_CONTAINERS} collections and objects`, 'fewer');
    push(value);
  };
  const remember = (index: number): void => {
    count(1);
    memo.set(index, top());
  };
  const pop = (): unknown => {
    if (stack.length === 0) throw fail('an empty stack', 'a value on it');
    return stack.pop();
  };
  const top = (): unknown => {
    if (stack.length === 0) throw fail('an empty stack', 'a value on it');
    return stack[stack.length - 1];
  };
  const popMark = (): unknown[] => {
    const items = stack;
    const below = outer.pop();
    if (!below) throw fail('no mark', 'one before it');
    stack = below;
    return items;
  };
  const text = (length: number, decoder = UTF8): string => {
    const begin = take(length);
    try {
      return decoder.decode(bytes.subarray(begin, at));
    } catch {
      throw fail('text that is not UTF-8', 'texts in UTF-8');
    }
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw fail('a line without an end', 'a complete pickle');
    const content = text(end - at);
    at++;
    return content;
  };
  const long8 = (): number => {
    const length = view.getBigUint64(take(8), true);
    if (length > BigInt(bytes.length)) throw fail(`a length of ${length}`, `at most ${bytes.length}`);
    return Number(length);
  };
  const copy = (length: number): Uint8Array => {
    const begin = take(length);
    return bytes.slice(begin, at);
  };
  const global = (module: string, name: string): PickleGlobal => {
    const full = `${OLD_MODULES[module] ?? module} ${name}`;
    const known = world.globals.get(full);
    if (known) return known;
    throw damaged(
      file,
      `a pickle that names ${module}.${name}`,
      'only the names that weights need (tensors, storages, OrderedDict, Namespace, plain values)',
      'It was not executed. Trust the file? Then save only its state dict again in PyTorch.',
    );
  };
  const call = (callee: unknown, args: unknown): unknown => {
    if (!(callee instanceof PickleGlobal) || !callee.call || !Array.isArray(args)) {
      throw fail('a call of something that is not a function here', 'an allowed function and a tuple');
    }
    // Calls may copy their argument, and one argument may be given to many calls.
    const [given] = args;
    count(Array.isArray(given) || typeof given === 'string' ? given.length : 0);
    return callee.call(args);
  };
  const setItems = (target: unknown, items: unknown[]): void => {
    if (!(target instanceof Map) || items.length % 2 !== 0) throw fail('items for no dictionary', 'keys and values');
    for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1]);
  };
  const append = (target: unknown, items: unknown[]): void => {
    if (Array.isArray(target)) for (const item of items) target.push(item);
    else if (target instanceof Set) for (const item of items) target.add(item);
    else throw fail('items for no list', 'a list or set');
  };

  for (;;) {
    const operation = bytes[take(1)];
    switch (operation) {
      case 0x80: // PROTO
        if (bytes[take(1)] > 5) throw fail(`protocol ${bytes[at - 1]}`, 'at most 5');
        break;
      case 0x95: // FRAME
        take(8);
        break;
      case 0x2e: {
        // STOP
        const result = pop();
        if (stack.length > 0 || outer.length > 0) throw fail('values left over', 'one result');
        return result;
      }
      case 0x28: // MARK
        if (outer.length >= MARK_LIMIT) throw fail(`${MARK_LIMIT} marks`, 'fewer');
        outer.push(stack);
        stack = [];
        break;
      case 0x30: // POP
        pop();
        break;
      case 0x31: // POP_MARK
        popMark();
        break;
      case 0x4e: // NONE
        push(null);
        break;
      case 0x88: // NEWTRUE
        push(true);
        break;
      case 0x89: // NEWFALSE
        push(false);
        break;
      case 0x4a: // BININT
        push(view.getInt32(take(4), true));
        break;
      case 0x4b: // BININT1
        push(bytes[take(1)]);
        break;
      case 0x4d: // BININT2
        push(view.getUint16(take(2), true));
        break;
      case 0x8a: // LONG1
        push(integer(copy(bytes[take(1)])));
        break;
      case 0x47: // BINFLOAT
        push(view.getFloat64(take(8)));
        break;
      case 0x58: // BINUNICODE
        push(text(view.getUint32(take(4), true)));
        break;
      case 0x8c: // SHORT_BINUNICODE
        push(text(bytes[take(1)]));
        break;
      case 0x8d: // BINUNICODE8
        push(text(long8()));
        break;
      case 0x54: // BINSTRING
        push(text(view.getUint32(take(4), true), LATIN1));
        break;
      case 0x55: // SHORT_BINSTRING
        push(text(bytes[take(1)], LATIN1));
        break;
      case 0x42: // BINBYTES
        pushObject(copy(view.getUint32(take(4), true)));
        break;
      case 0x43: // SHORT_BINBYTES
        pushObject(copy(bytes[take(1)]));
        break;
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        pushObject(copy(long8()));
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        pushObject([]);
        break;
      case 0x7d: // EMPTY_DICT
        pushObject(new Map());
        break;
      case 0x8f: // EMPTY_SET
        pushObject(new Set());
        break;
      case 0x6c: // LIST
      case 0x74: // TUPLE
        {
          const items = popMark();
          pushObject(items);
        }
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        {
          const items = Array.from({ length: operation - 0x84 }, pop).reverse();
          pushObject(items);
        }
        break;
      case 0x64: // DICT
        {
          const items = popMark();
          const made = new Map();
          setItems(made, items);
          pushObject(made);
        }
        break;
      case 0x91: // FROZENSET
        {
          const items = popMark();
          pushObject(new Set(items));
        }
        break;
      case 0x61: // APPEND
        {
          const item = pop();
          append(top(), [item]);
        }
        break;
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        {
          const items = popMark();
          append(top(), items);
        }
        break;
      case 0x73: // SETITEM
        {
          const value = pop();
          const key = pop();
          setItems(top(), [key, value]);
        }
        break;
      case 0x75: // SETITEMS
        {
          const items = popMark();
          setItems(top(), items);
        }
        break;
      case 0x68: // BINGET
      case 0x6a: // LONG_BINGET
        {
          const index = operation === 0x68 ? bytes[take(1)] : view.getUint32(take(4), true);
          if (!memo.has(index)) throw fail(`a memo ${index} that was never set`, 'one that was');
          push(memo.get(index));
        }
        break;
      case 0x71: // BINPUT
        remember(bytes[take(1)]);
        break;
      case 0x72: // LONG_BINPUT
        remember(view.getUint32(take(4), true));
        break;
      case 0x94: // MEMOIZE
        remember(memo.size);
        break;
      case 0x63: // GLOBAL
        {
          const module = line();
          push(global(module, line()));
        }
        break;
      case 0x93: // STACK_GLOBAL
        {
          const [name, module] = [pop(), pop()];
          if (typeof name !== 'string' || typeof module !== 'string') throw fail('a name that is no text', 'a text');
          push(global(module, name));
        }
        break;
      case 0x52: // REDUCE
      case 0x81: // NEWOBJ
        {
          const args = pop();
          const callee = pop();
          pushObject(call(callee, args));
        }
        break;
      case 0x62: // BUILD
        {
          const state = pop();
          const target = top();
          // Attributes of an OrderedDict (a state dict's _metadata) or of a tensor do not matter for weights.
          if (target instanceof PickleObject && state instanceof Map) {
            for (const [key, value] of state) target.attributes.set(key, value);
          } else if (!(target instanceof Map) && !(target instanceof Object && 'dtype' in target)) {
            throw fail('attributes for something that takes none', 'a Namespace, OrderedDict or tensor');
          }
        }
        break;
      case 0x51: // BINPERSID
        {
          const id = pop();
          pushObject(world.persistent(id));
        }
        break;
      default:
        throw fail(`the operation 0x${operation.toString(16)}`, 'the operations that data needs');
    }
  }
}

/** A little-endian two's complement integer of at most 255 bytes. */
function integer(bytes: Uint8Array): number | bigint {
  const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x0${Buffer.from(bytes).reverse().toString('hex')}`));
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}
