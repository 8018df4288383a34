import { crc32 } from 'node:zlib';
import { InvalidInputError } from '../runtime/errors';
import { writeFileAtomic } from './atomic-file';
import { isPlainName } from './zip-reader';

/** A file to put into an archive; `content` is called once, when its turn comes. */
export interface ZipInput {
  name: string;
  content: () => Uint8Array;
}

/** A narrow field's value that says "see the zip64 block". */
const WIDE = 0xffffffff;

/**
 * Writes a zip archive of stored entries, atomically, with one entry in memory at a time. Content begins at multiples of
 * 64 bytes, as PyTorch does, so that it can be memory-mapped. Dates are constant: the same content gives the same bytes.
 * @throws InvalidInputError for names that readers refuse: repeated, absolute or leading out of their folder, too long
 */
export function writeZip(path: string, inputs: Iterable<ZipInput>): void {
  writeFileAtomic(path, (write) => {
    let position = 0;
    const put = (bytes: Uint8Array) => {
      write(bytes);
      position += bytes.length;
    };
    const directory: Uint8Array[] = [];
    const names = new Set<string>();
    for (const { name, content } of inputs) {
      const bytes = content();
      const encoded = new TextEncoder().encode(name);
      if (names.has(name) || !isPlainName(name) || encoded.length > 0xffff || /[\ud800-\udfff]/u.test(name)) {
        throw new InvalidInputError('Name in an archive', {
          given: `${JSON.stringify(name.slice(0, 100))}${names.has(name) ? ', a second time' : ''}`,
          expected: 'distinct relative paths without . or .., of whole characters, of at most 65535 bytes',
          remedy: 'Rename it.',
        });
      }
      names.add(name);
      const header = { crc: crc32(bytes), size: bytes.length, at: position };
      const wideSizes = header.size >= WIDE ? wideBlock([header.size, header.size]) : new Uint8Array(0);
      const unpadded = position + 30 + encoded.length + wideSizes.length + 4;
      const padding = paddingBlock((64 - (unpadded % 64)) % 64);
      put(fileHeader(header, encoded, [wideSizes, padding]));
      put(bytes);
      directory.push(directoryHeader(header, encoded));
    }
    const start = position;
    for (const bytes of directory) put(bytes);
    put(endRecords(directory.length, start, position - start));
  });
}

interface Header {
  crc: number;
  size: number;
  at: number;
}

/** The fields that local and directory headers share, from `version needed` on. */
function commonFields(
  view: DataView,
  at: number,
  { crc, size }: Header,
  nameLength: number,
  extraLength: number,
): void {
  const narrow = Math.min(size, WIDE);
  view.setUint16(at, size >= WIDE ? 45 : 20, true);
  view.setUint16(at + 2, 0x0800, true); // names are UTF-8
  view.setUint16(at + 8, 0x21, true); // 1980-01-01, the format's zero
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, narrow, true);
  view.setUint32(at + 18, narrow, true);
  view.setUint16(at + 22, nameLength, true);
  view.setUint16(at + 24, extraLength, true);
}

function fileHeader(header: Header, name: Uint8Array, extras: Uint8Array[]): Uint8Array {
  const extra = Buffer.concat(extras);
  const bytes = Buffer.alloc(30 + name.length + extra.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, 0x04034b50, true);
  commonFields(view, 4, header, name.length, extra.length);
  bytes.set(name, 30);
  bytes.set(extra, 30 + name.length);
  return bytes;
}

function directoryHeader(header: Header, name: Uint8Array): Uint8Array {
  const wide = [...(header.size >= WIDE ? [header.size, header.size] : []), ...(header.at >= WIDE ? [header.at] : [])];
  const extra = wide.length > 0 ? wideBlock(wide) : new Uint8Array(0);
  const bytes = Buffer.alloc(46 + name.length + extra.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, 45, true);
  commonFields(view, 6, header, name.length, extra.length);
  view.setUint32(42, Math.min(header.at, WIDE), true);
  bytes.set(name, 46);
  bytes.set(extra, 46 + name.length);
  return bytes;
}

function wideBlock(values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 + 8 * values.length));
  view.setUint16(0, 1, true);
  view.setUint16(2, 8 * values.length, true);
  values.forEach((value, i) => view.setBigUint64(4 + 8 * i, BigInt(value), true));
  return new Uint8Array(view.buffer);
}

/** An extra block of PyTorch's tag "FB" with `length` bytes of padding after its own 4. */
function paddingBlock(length: number): Uint8Array {
  const bytes = new Uint8Array(4 + length).fill(0x5a);
  bytes.set([0x46, 0x42, length, 0]);
  return bytes;
}

function endRecords(count: number, start: number, size: number): Uint8Array {
  const wide = count >= 0xffff || start >= WIDE || size >= WIDE;
  const view = new DataView(new ArrayBuffer((wide ? 76 : 0) + 22));
  let at = 0;
  if (wide) {
    view.setUint32(0, 0x06064b50, true);
    view.setBigUint64(4, 44n, true);
    view.setUint16(12, 45, true);
    view.setUint16(14, 45, true);
    for (const [place, value] of [
      [24, count],
      [32, count],
      [40, size],
      [48, start],
    ]) {
      view.setBigUint64(place, BigInt(value), true);
    }
    view.setUint32(56, 0x07064b50, true);
    view.setBigUint64(64, BigInt(start + size), true);
    view.setUint32(72, 1, true);
    at = 76;
  }
  view.setUint32(at, 0x06054b50, true);
  view.setUint16(at + 8, Math.min(count, 0xffff), true);
  view.setUint16(at + 10, Math.min(count, 0xffff), true);
  view.setUint32(at + 12, Math.min(size, WIDE), true);
  view.setUint32(at + 16, Math.min(start, WIDE), true);
  return new Uint8Array(view.buffer);
}
