import { InvalidInputError } from '../runtime/errors';
import { writeFileAtomic } from './atomic-file';
import { type ByteSource, damaged, openSource } from './byte-source';
import { canonicalJson, checksum } from './checksum';
import { type Json, parseJson } from './json-reader';
import {
  bytesOf,
  checkedElements,
  DTYPES,
  type DType,
  elementCount,
  elementSize,
  elementsOf,
  isDType,
  type StoredTensor,
  storedTensor,
  type TensorRecord,
} from './tensor-record';

/** A safetensors file: its free-text metadata and its tensors in the header's order, read on demand. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: Map<string, StoredTensor>;
  /** SHA-256 of names, types, shapes, values and metadata, where this project wrote the file. */
  checksum?: string;
  /** Compares the checksum at once, where there is one; the first values that are read do so anyway. @throws FileFormatError */
  verify(): void;
}

/** Far above what models need (MAR-H has 1.2 MB), and little enough to be read in memory: the format itself allows 100 MB. */
const LARGEST_HEADER = 2 ** 24;
const MOST_TENSORS = 2 ** 14;
const LIMITS = { values: 12 * MOST_TENSORS, depth: 3, name: 4096 };

/** Key and beginning of the entry in the metadata that holds the checksum: either gives away a file of ours, should a bit of the other flip. */
const OURS = 'condition-refinement';

/** Values are hashed in blocks of this many bytes. */
const BLOCK = 2 ** 26;

/**
 * Reads the header of a safetensors file; tensors are read from their place in the file when their `data` is first used
 * (kept then) or by `read()` (not kept), so a file may be larger than memory.
 * In a file that this project wrote, the checksum over everything is compared before the first values are handed out; this
 * takes about 3 ms for 1 MB.
 * @throws FileFormatError naming what is wrong: truncation, bad header, wrong sizes, overlaps, gaps, duplicate names, and when
 * values are read a checksum that differs.
 */
export function readSafetensors(from: string | ByteSource): SafetensorsFile {
  const source = openSource(from);
  if (!startsAsSafetensors(source)) throw notSafetensors(source);
  const start = 8 + headerLength(source);
  const header = parseHeader(source.name, source.read(8, start - 8));
  const { metadata, stated } = metadataOf(source.name, header.get('__metadata__'));
  header.delete('__metadata__');
  const tensors = new Map<string, StoredTensor>();
  const ranges: Range[] = [];
  let checked = stated === undefined;
  const verify = () => {
    if (checked) return;
    const contents = ranges.map(({ begin, end, ...tensor }) => ({
      ...tensor,
      blocks: blocksOf(source, start + begin, start + end),
    }));
    const computed = contentChecksum(metadata, contents);
    checked = computed === stated;
    if (!checked) {
      throw damaged(
        source.name,
        `content with checksum ${computed}`,
        `the checksum ${stated}, which it had when it was written`,
        'Bits of the file changed since: restore it from a copy, or make it again.',
      );
    }
  };
  for (const [name, entry] of header) {
    const range = checkEntry(source.name, name, entry);
    const { dtype, shape, begin, end } = range;
    ranges.push(range);
    const read = () => {
      verify();
      return elementsOf(dtype, source.read(start + begin, end - begin));
    };
    tensors.set(name, storedTensor(dtype, shape, read));
  }
  requireTiling(source.name, ranges, source.size - start);
  return { metadata, tensors, checksum: stated, verify };
}

/**
 * Whether a file starts as this format: a header length that fits in the file, then `{`. To be asked before other formats are told by
 * their first bytes: a length may begin with any byte, also with those of a zip archive or a pickle.
 */
export function startsAsSafetensors(source: ByteSource): boolean {
  return source.size > 8 && source.read(8, 1)[0] === 0x7b && headerLength(source) <= source.size - 8;
}

/** Beyond 2^53 rounded: no file is as long. */
function headerLength(source: ByteSource): number {
  return Number(new DataView(source.read(0, 8).buffer).getBigUint64(0, true));
}

function notSafetensors(source: ByteSource): Error {
  const begun = source.size > 8 && source.read(8, 1)[0] === 0x7b;
  if (begun && headerLength(source) < 2 ** 32) {
    return damaged(
      source.name,
      `a header of ${headerLength(source)} bytes`,
      `at most ${source.size - 8}, what follows in the file`,
    );
  }
  const start = JSON.stringify(new TextDecoder('latin1').decode(source.read(0, Math.min(16, source.size))));
  return damaged(source.name, `no safetensors file (it begins with ${start})`, 'the length of a header, then {');
}

/**
 * Writes a safetensors file with its checksum, atomically, in the order given; tensors that come from a file are streamed one
 * by one, and are read twice.
 * @throws InvalidInputError when a shape and its elements disagree, or for a name that is reserved, repeated or that readers refuse
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorRecord]>,
  metadata: Record<string, string> = {},
): void {
  const entries = [...tensors];
  const places = new Map<string, Range>();
  let offset = 0;
  for (const [name, { dtype, shape }] of entries) {
    const bytes = elementCount(shape) * elementSize(dtype);
    const odd = name === '__metadata__' || name.length > LIMITS.name || /[\ud800-\udfff]/u.test(name);
    if (!Number.isSafeInteger(bytes) || odd || places.has(name)) {
      throw new InvalidInputError('Tensor to write', {
        given: `${JSON.stringify(name.slice(0, 100))} of shape [${shape}]`,
        expected: 'distinct names of whole characters other than __metadata__, and shapes of non-negative integers',
        remedy: 'Rename the tensor or correct its shape.',
      });
    }
    places.set(name, { name, dtype, shape, begin: offset, end: offset + bytes });
    offset += bytes;
  }
  if (places.size > MOST_TENSORS) throw tooMany(path, places.size);
  const contents = entries.map(([name, tensor]) => ({
    name,
    dtype: tensor.dtype,
    shape: tensor.shape,
    *blocks() {
      const data = bytesOf(checkedElements(name, tensor));
      for (let at = 0; at < data.length; at += BLOCK) yield data.subarray(at, at + BLOCK);
    },
  }));
  const { [OURS]: _, ...content } = metadata;
  const stated = `${OURS} sha256:${contentChecksum(content, contents)}`;
  // Not an object: it would put names that look like integers first.
  const fields = [`"__metadata__":${JSON.stringify({ ...content, [OURS]: stated })}`];
  for (const { name, dtype, shape, begin, end } of places.values()) {
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`);
  if (json.length > LARGEST_HEADER - 8) throw tooMany(path, places.size);
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  writeFileAtomic(path, (write) => {
    write(padded);
    for (const { blocks } of contents) for (const block of blocks()) write(block);
  });
}

function tooMany(path: string, count: number): InvalidInputError {
  return new InvalidInputError(`Tensors for ${path}`, {
    given: `${count} tensors`,
    expected: `at most ${MOST_TENSORS} in one file, with a header of at most ${LARGEST_HEADER} bytes`,
    remedy: 'Write them to several files.',
  });
}

/** Place and kind of a tensor among the data of a file. */
interface Range {
  name: string;
  dtype: DType;
  shape: readonly number[];
  begin: number;
  end: number;
}

/** Metadata and tensors, in the order of their names: where values lie in the file does not matter. */
function contentChecksum(
  metadata: Record<string, string>,
  tensors: { name: string; dtype: DType; shape: readonly number[]; blocks(): Iterable<Uint8Array> }[],
): string {
  return checksum(
    (function* () {
      yield canonicalJson(metadata);
      for (const { name, dtype, shape, blocks } of [...tensors].sort((a, b) => (a.name < b.name ? -1 : 1))) {
        yield JSON.stringify([name, dtype, shape]);
        yield* blocks();
      }
    })(),
  );
}

function blocksOf(source: ByteSource, begin: number, end: number) {
  return function* () {
    for (let at = begin; at < end; at += BLOCK) yield source.read(at, Math.min(BLOCK, end - at));
  };
}

function parseHeader(file: string, bytes: Uint8Array): Map<string, Json> {
  if (bytes.length > LARGEST_HEADER)
    throw damaged(file, `a header of ${bytes.length} bytes`, `at most ${LARGEST_HEADER}`);
  let parsed: Json;
  try {
    parsed = parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), LIMITS);
  } catch (error) {
    throw damaged(file, `a header that does not parse (${(error as Error).message})`, 'a JSON object in UTF-8');
  }
  if (!(parsed instanceof Map))
    throw damaged(file, 'a header that is not an object', 'a JSON object that starts with {');
  if (parsed.size > MOST_TENSORS) throw damaged(file, `${parsed.size} tensors`, `at most ${MOST_TENSORS}`);
  return parsed;
}

function metadataOf(file: string, given: Json | undefined): { metadata: Record<string, string>; stated?: string } {
  if (given === undefined) return { metadata: {} };
  if (!(given instanceof Map) || [...given.values()].some((value) => typeof value !== 'string')) {
    throw damaged(file, '__metadata__ that is not a map of texts', 'an object whose values are texts');
  }
  const texts = given as Map<string, string>;
  const claims = [...texts].filter(([key, value]) => key === OURS || value.startsWith(`${OURS} sha256:`));
  if (claims.length === 0) return { metadata: Object.fromEntries(texts) };
  const [[key, value]] = claims;
  const stated = /^condition-refinement sha256:([0-9a-f]{64})$/.exec(value)?.[1];
  if (claims.length > 1 || key !== OURS || stated === undefined) {
    throw damaged(
      file,
      `the checksum ${JSON.stringify(key)}: ${JSON.stringify(value.slice(0, 100))}`,
      `one under "${OURS}"`,
    );
  }
  texts.delete(OURS);
  return { metadata: Object.fromEntries(texts), stated };
}

function checkEntry(file: string, name: string, entry: Json): Range {
  const what = `tensor ${JSON.stringify(name)}`;
  const show = (value: unknown) => (JSON.stringify(value) ?? 'nothing').slice(0, 100);
  const [dtype, shape, offsets] = ['dtype', 'shape', 'data_offsets'].map((field) =>
    entry instanceof Map ? entry.get(field) : undefined,
  );
  if (!isDType(dtype)) throw damaged(file, `${what} of type ${show(dtype)}`, `one of ${DTYPES.join(', ')}`);
  if (!Array.isArray(shape) || Number.isNaN(elementCount(shape))) {
    throw damaged(file, `${what} of shape ${show(shape)}`, 'a list of non-negative integers of safe product');
  }
  const pair = Array.isArray(offsets) && offsets.length === 2 && offsets.every((at) => Number.isSafeInteger(at));
  if (!pair || Number(offsets[0]) < 0 || Number(offsets[1]) < Number(offsets[0])) {
    throw damaged(file, `${what} at offsets ${show(offsets)}`, 'two integers, 0 <= begin <= end');
  }
  const [begin, end] = offsets as [number, number];
  const expected = elementCount(shape) * elementSize(dtype);
  if (end - begin !== expected) {
    throw damaged(file, `${what} with ${end - begin} bytes`, `${expected} bytes for ${dtype} of shape [${shape}]`);
  }
  return { name, dtype, shape: shape as number[], begin, end };
}

/** The ranges must cover the data exactly once: no overlap, no gap, nothing outside, nothing left over. */
function requireTiling(file: string, ranges: readonly Range[], size: number): void {
  let covered = 0;
  for (const { name, begin, end } of [...ranges].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    const what = `tensor ${JSON.stringify(name)} at ${begin} .. ${end}`;
    if (begin < covered) throw damaged(file, `${what}, which overlaps its neighbour`, `a begin of ${covered}`);
    if (begin > covered) throw damaged(file, `${what}, which leaves a gap`, `a begin of ${covered}`);
    if (end > size) throw damaged(file, `${what}, beyond the end`, `at most ${size} bytes of data`);
    covered = end;
  }
  if (covered !== size) throw damaged(file, `${size} bytes of data`, `${covered} bytes, what the tensors cover`);
}
