import { crc32, inflateRawSync } from 'node:zlib';
import { type ByteSource, damaged } from './byte-source';

/** One file inside a zip archive; its content is read on demand. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes of content, after inflating. */
  readonly size: number;
  /** Part of the content (default all); the whole content is checked against its CRC-32 at the first read. */
  read(begin?: number, length?: number): Uint8Array;
}

interface Located {
  name: string;
  method: number;
  crc: number;
  packed: number;
  size: number;
  header: number;
}

/** What a file may unfold to: twenty times its own size, and 64 MiB whatever its size. Weights compress far less. */
export function expansionLimit(fileSize: number): number {
  return 64 * 2 ** 20 + 20 * fileSize;
}

const CHECK_CHUNK = 4 * 2 ** 20;
const MOST_ENTRIES = 70_000;
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the directory of a zip archive (stored and deflated entries, zip64). Everything is checked before memory is taken:
 * names, ranges, overlaps, and the sum of sizes against `expansionLimit`.
 * @throws FileFormatError naming the entry and what is wrong with it.
 */
export function readZip(source: ByteSource): Map<string, ZipEntry> {
  const { offset, size, count } = findDirectory(source);
  const entries = new Map<string, ZipEntry>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  const last: Inflated = {};
  const headers = inBlocks(source);
  let total = 0;
  for (const located of parseDirectory(source, offset, size, count)) {
    const { name, packed, header } = located;
    if (!isPlainName(name))
      throw damaged(source.name, `the entry name ${JSON.stringify(name)}`, 'a relative path without . or ..');
    if (entries.has(name)) throw damaged(source.name, `the entry ${JSON.stringify(name)} twice`, 'each name once');
    total += located.size;
    const begin = contentStart(headers, located);
    ranges.push({ name, begin: header, end: begin + packed });
    entries.set(name, makeEntry(source, located, begin, last));
  }
  if (total > expansionLimit(source.size)) {
    throw damaged(
      source.name,
      `entries that unfold to ${total} bytes`,
      `at most ${expansionLimit(source.size)} for a file of ${source.size}`,
    );
  }
  let covered = 0;
  for (const { name, begin, end } of ranges.sort((a, b) => a.begin - b.begin)) {
    if (begin < covered || end > offset) {
      throw damaged(
        source.name,
        `the entry ${JSON.stringify(name)} at ${begin} .. ${end}, which overlaps another part`,
        'entries one after another, then the directory',
      );
    }
    covered = end;
  }
  return entries;
}

/** The entry that was inflated last: who reads a header reads the rest next. */
interface Inflated {
  entry?: Located;
  content?: Uint8Array;
}

function makeEntry(source: ByteSource, entry: Located, start: number, last: Inflated): ZipEntry {
  const { name, method, crc, packed, size } = entry;
  let verified = false;
  const requireSum = (sum: number) => {
    verified = sum === crc;
    if (!verified) {
      throw damaged(source.name, `the entry ${JSON.stringify(name)} with checksum ${sum}`, `the checksum ${crc}`);
    }
  };
  return {
    name,
    size,
    read(begin = 0, length = size - begin) {
      if (begin < 0 || length < 0 || begin + length > size) {
        throw damaged(
          source.name,
          `bytes ${begin} .. ${begin + length} of ${name}`,
          `a range within its ${size} bytes`,
        );
      }
      if (method === 8) {
        if (last.entry !== entry) {
          last.entry = undefined;
          last.content = inflate(source, name, source.read(start, packed), size);
          if (!verified) requireSum(crc32(last.content));
          last.entry = entry;
        }
        return new Uint8Array(last.content!.subarray(begin, begin + length));
      }
      const content = source.read(start + begin, length);
      if (!verified) {
        let sum = 0;
        if (length === size) sum = crc32(content);
        else {
          for (let at = 0; at < size; at += CHECK_CHUNK) {
            sum = crc32(source.read(start + at, Math.min(CHECK_CHUNK, size - at)), sum);
          }
        }
        requireSum(sum);
      }
      return content;
    },
  };
}

function inflate(source: ByteSource, name: string, packed: Uint8Array, size: number): Uint8Array {
  let content: Uint8Array;
  try {
    content = inflateRawSync(packed, { maxOutputLength: size + 1 });
  } catch (error) {
    throw damaged(
      source.name,
      `the entry ${name}, which does not inflate (${(error as Error).message})`,
      'deflate data',
    );
  }
  if (content.length !== size) {
    throw damaged(source.name, `${content.length} bytes of ${name}`, `the ${size} that its directory states`);
  }
  return content;
}

/** The directory's place, from the end record (and its zip64 form). */
function findDirectory(source: ByteSource): { offset: number; size: number; count: number } {
  const tailSize = Math.min(source.size, 65557); // the end record of 22 bytes and the longest comment
  const tail = source.read(source.size - tailSize, tailSize);
  const view = new DataView(tail.buffer);
  for (let at = tailSize - 22; at >= 0; at--) {
    if (view.getUint32(at, true) !== 0x06054b50 || at + 22 + view.getUint16(at + 20, true) !== tailSize) continue;
    let end = source.size - tailSize + at;
    let count = view.getUint16(at + 10, true);
    let size = view.getUint32(at + 12, true);
    let offset = view.getUint32(at + 16, true);
    if (count === 0xffff || size === 0xffffffff || offset === 0xffffffff) {
      const locator = end >= 20 ? new DataView(source.read(end - 20, 20).buffer) : undefined;
      if (locator?.getUint32(0, true) !== 0x07064b50)
        throw damaged(source.name, 'no zip64 locator', 'one before the end');
      end = toNumber(source, locator.getBigUint64(8, true));
      const record = new DataView(source.read(end, 56).buffer);
      if (record.getUint32(0, true) !== 0x06064b50)
        throw damaged(source.name, 'no zip64 end record', 'one at its place');
      count = toNumber(source, record.getBigUint64(32, true));
      size = toNumber(source, record.getBigUint64(40, true));
      offset = toNumber(source, record.getBigUint64(48, true));
    }
    if (count > MOST_ENTRIES) throw damaged(source.name, `${count} entries`, `at most ${MOST_ENTRIES}`);
    if (offset + size > end || count * 46 > size) {
      throw damaged(
        source.name,
        `a directory of ${count} entries in ${size} bytes at ${offset}`,
        `a directory that fits before byte ${end}`,
      );
    }
    return { offset, size, count };
  }
  throw damaged(source.name, 'no zip directory at the end', 'a complete zip archive');
}

function* parseDirectory(source: ByteSource, offset: number, size: number, count: number): Generator<Located> {
  const bytes = source.read(offset, size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (at + 46 > size || view.getUint32(at, true) !== 0x02014b50) {
      throw damaged(source.name, `${i} readable directory entries`, `${count} of them`);
    }
    const flags = view.getUint16(at + 8, true);
    const nameEnd = at + 46 + view.getUint16(at + 28, true);
    const extraEnd = nameEnd + view.getUint16(at + 30, true);
    const next = extraEnd + view.getUint16(at + 32, true);
    if (next > size) throw damaged(source.name, 'a directory entry that runs past the directory', `${size} bytes`);
    const name = decodeName(source, bytes.subarray(at + 46, nameEnd));
    const wide = wideFields(source, new DataView(bytes.buffer, nameEnd, extraEnd - nameEnd));
    const field = (value: number) => (value === 0xffffffff ? toNumber(source, wide.shift() ?? 2n ** 64n) : value);
    const entrySize = field(view.getUint32(at + 24, true));
    const packed = field(view.getUint32(at + 20, true));
    const header = field(view.getUint32(at + 42, true));
    const method = view.getUint16(at + 10, true);
    if ((flags & 1) !== 0 || (method !== 0 && method !== 8) || (method === 0 && packed !== entrySize)) {
      throw damaged(
        source.name,
        `the entry ${JSON.stringify(name)} with method ${method}, flags ${flags}, ${packed} of ${entrySize} bytes`,
        'an entry stored as it is, or deflated; not encrypted',
      );
    }
    yield { name, method, crc: view.getUint32(at + 16, true), packed, size: entrySize, header };
    at = next;
  }
}

/** The 64-bit fields of the zip64 extra block (tag 1), in their fixed order: size, packed size, header offset. */
function wideFields(source: ByteSource, extra: DataView): bigint[] {
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const length = extra.getUint16(at + 2, true);
    if (at + 4 + length > extra.byteLength) throw damaged(source.name, 'an extra field past its end', 'a shorter one');
    if (extra.getUint16(at, true) === 1) {
      return Array.from({ length: Math.floor(length / 8) }, (_, i) => extra.getBigUint64(at + 4 + 8 * i, true));
    }
    at += 4 + length;
  }
  return [];
}

/** The same bytes, read from the file 4 KiB at a time: small entries lie close together. */
function inBlocks(source: ByteSource): ByteSource {
  let from = 0;
  let block: Uint8Array = new Uint8Array(0);
  return {
    name: source.name,
    size: source.size,
    read(position, length) {
      if (position < from || position + length > from + block.length) {
        from = position;
        block = source.read(position, Math.max(length, Math.min(4096, source.size - position)));
      }
      return block.slice(position - from, position - from + length);
    },
  };
}

/** Where an entry's content begins, after its local header, which must carry the same name. */
function contentStart(source: ByteSource, { name, header }: Located): number {
  const local = new DataView(source.read(header, 30).buffer);
  const nameLength = local.getUint16(26, true);
  const found =
    local.getUint32(0, true) === 0x04034b50 ? decodeName(source, source.read(header + 30, nameLength)) : undefined;
  if (found !== name) {
    throw damaged(
      source.name,
      `${found === undefined ? 'no header' : JSON.stringify(found)} at ${header}`,
      `the local header of ${JSON.stringify(name)}`,
    );
  }
  return header + 30 + nameLength + local.getUint16(28, true);
}

function decodeName(source: ByteSource, bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw damaged(source.name, 'an entry whose name is not UTF-8', 'names in UTF-8');
  }
}

/**
 * Whether a name is a relative path that stays in its folder. Nothing is unpacked to a disk, but another name marks a hostile
 * file. Everything else is allowed, such as the colon that PyTorch takes over from the name of the file.
 */
export function isPlainName(name: string): boolean {
  const parts = name.split(/[/\\]/);
  return name !== '' && parts[0] !== '' && !parts.includes('..') && !parts.includes('.') && !name.includes('\0');
}

function toNumber(source: ByteSource, value: bigint): number {
  if (value > 2n ** 50n) throw damaged(source.name, `a zip64 field of ${value}`, 'a size or place within the file');
  return Number(value);
}
