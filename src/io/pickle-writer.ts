import { InvalidInputError } from '../runtime/errors';

/** Writes Python pickles of protocol 2: plain values, and through `global` and `reduce` calls of named functions. */
export class PickleWriter {
  private parts: Uint8Array[] = [Uint8Array.of(0x80, 2)];

  /** Ends the pickle and returns its bytes. */
  finish(): Uint8Array {
    this.put(0x2e);
    return Buffer.concat(this.parts);
  }

  /** A plain value; maps become OrderedDict, arrays lists. `other` writes what is none of these and says so. */
  value(given: unknown, other: (value: unknown) => boolean): void {
    if (other(given)) return;
    if (given === null) this.put(0x4e);
    else if (typeof given === 'boolean') this.put(given ? 0x88 : 0x89);
    else if (typeof given === 'string') this.text(given);
    else if (typeof given === 'bigint') this.integer(given);
    else if (typeof given === 'number') this.number(given);
    else if (Array.isArray(given)) {
      this.put(0x5d, 0x28);
      for (const item of given) this.value(item, other);
      this.put(0x65);
    } else if (given instanceof Map) {
      this.emptyOrderedDict();
      this.put(0x28);
      for (const [key, item] of given) {
        this.text(String(key));
        this.value(item, other);
      }
      this.put(0x75);
    } else {
      throw new InvalidInputError('Value to pickle', {
        given: typeof given === 'object' ? (given.constructor?.name ?? 'an object') : typeof given,
        expected: 'null, boolean, number, bigint, text, array, Map or tensor',
        remedy: 'Convert it to one of these.',
      });
    }
  }

  /** `collections.OrderedDict()`. */
  emptyOrderedDict(): void {
    this.global('collections', 'OrderedDict');
    this.put(0x29, 0x52);
  }

  /** A name of a module. */
  global(module: string, name: string): void {
    this.parts.push(new TextEncoder().encode(`c${module}\n${name}\n`));
  }

  /** A tuple of what `items` writes. */
  tuple(items: () => void): void {
    this.put(0x28);
    items();
    this.put(0x74);
  }

  /** Calls the function below the tuple on the stack. */
  reduce(): void {
    this.put(0x52);
  }

  /** Turns the tuple on the stack into a persistent id. */
  persistentId(): void {
    this.put(0x51);
  }

  text(given: string): void {
    const bytes = new TextEncoder().encode(given);
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, 0x58);
    head.setUint32(1, bytes.length, true);
    this.parts.push(new Uint8Array(head.buffer), bytes);
  }

  number(given: number): void {
    if (Number.isSafeInteger(given) && !Object.is(given, -0)) {
      this.integer(BigInt(given));
      return;
    }
    const view = new DataView(new ArrayBuffer(9));
    view.setUint8(0, 0x47);
    view.setFloat64(1, given);
    this.parts.push(new Uint8Array(view.buffer));
  }

  private integer(given: bigint): void {
    if (given >= -(2n ** 31n) && given < 2n ** 31n) {
      const view = new DataView(new ArrayBuffer(5));
      view.setUint8(0, 0x4a);
      view.setInt32(1, Number(given), true);
      this.parts.push(new Uint8Array(view.buffer));
      return;
    }
    let length = 5;
    while (BigInt.asIntN(8 * length, given) !== given) length++;
    const bytes = Array.from({ length }, (_, i) => Number(BigInt.asUintN(8, given >> BigInt(8 * i))));
    this.put(0x8a, length, ...bytes);
  }

  private put(...bytes: number[]): void {
    this.parts.push(Uint8Array.from(bytes));
  }
}
