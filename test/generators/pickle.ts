/** Writes Python pickles of protocol 2 by hand, as the files of tests need them. */
export class PickleWriter {
  private parts: Uint8Array[] = [Uint8Array.of(0x80, 2)];

  /** Ends the pickle and returns its bytes. */
  finish(): Uint8Array {
    this.put(0x2e);
    return Buffer.concat(this.parts);
  }

  /** Operations as they are. */
  put(...bytes: number[]): void {
    this.parts.push(Uint8Array.from(bytes));
  }

  /** `collections.OrderedDict()`. */
  emptyOrderedDict(): void {
    this.global('collections', 'OrderedDict');
    this.put(0x29, 0x52);
  }

  /** A dictionary whose keys are texts or small integers. */
  dictionary<T>(entries: Iterable<readonly [unknown, T]>, value: (item: T) => void): void {
    this.put(0x7d, 0x28);
    for (const [key, item] of entries) {
      if (typeof key === 'number') this.number(key);
      else this.text(String(key));
      value(item);
    }
    this.put(0x75);
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

  boolean(given: boolean): void {
    this.put(given ? 0x88 : 0x89);
  }

  /** An integer of up to 53 bits. */
  number(given: number): void {
    const bytes = new Uint8Array(new BigInt64Array([BigInt(given)]).buffer);
    this.put(0x8a, bytes.length, ...bytes);
  }
}
