import { InvalidInputError } from '../runtime/errors';
import { writeFileAtomic } from './atomic-file';
import { type ByteSource, damaged, openSource } from './byte-source';
import { topLevelKeys } from './json-keys';
import {
  bytesOf,
  DTYPES,
  type DType,
  elementCount,
  elementSize,
  elementsOf,
  readElements,
  type StoredTensor,
  storedTensor,
  type TensorRecord,
} from './tensor-record';

/** A safetensors file: its free-text metadata and its tensors in the header's order, read on demand. */
export interface SafetensorsFile {
  metadata: Record<string, string>;
  tensors: Map<string, StoredTensor>;
}

/** The format's own limit on the header. */
const LARGEST_HEADER = 100_000_000;

/**
 * Reads the header of a safetensors file; tensors are read from their place in the file when their `data` is first used
 * (kept then) or by `read()` (not kept), so a file may be larger than memory.
 * @throws FileFormatError naming what is wrong: truncation, bad header, wrong sizes, overlaps, gaps, duplicate names.
 */
export function readSafetensors(from: string | ByteSource): SafetensorsFile {
  const source = openSource(from);
  if (source.size < 8) throw damaged(source.name, `${source.size} bytes`, 'at least the 8 bytes of a header length');
  const declared = new DataView(source.read(0, 8).buffer).getBigUint64(0, true);
  if (declared > BigInt(Math.min(LARGEST_HEADER, source.size - 8))) {
    throw damaged(
      source.name,
      `a header of ${declared} bytes`,
      `at most ${Math.min(LARGEST_HEADER, source.size - 8)} bytes, what the file and the format allow`,
    );
  }
  const start = 8 + Number(declared);
  const header = parseHeader(source.name, source.read(8, Number(declared)));
  const metadata = metadataOf(source.name, header.__metadata__);
  const tensors = new Map<string, StoredTensor>();
  const ranges: { name: string; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const { dtype, shape, begin, end } = checkEntry(source.name, name, entry);
    ranges.push({ name, begin, end });
    tensors.set(
      name,
      storedTensor(dtype, shape, () => elementsOf(dtype, source.read(start + begin, end - begin))),
    );
  }
  requireTiling(source.name, ranges, source.size - start);
  return { metadata, tensors };
}

/**
 * Whether a file starts as this format: a header length that fits in the file, then `{`. To be asked before other formats are told by
 * their first bytes: a length may begin with any byte, also with those of a zip archive or a pickle.
 */
export function startsAsSafetensors(source: ByteSource): boolean {
  if (source.size < 9) return false;
  const start = source.read(0, 9);
  const declared = new DataView(start.buffer).getBigUint64(0, true);
  return start[8] === 0x7b && declared <= BigInt(source.size - 8);
}

/**
 * Writes a safetensors file, atomically, in the order given; tensors that come from a file are streamed one by one.
 * @throws InvalidInputError when a shape and its elements disagree or a name is reserved.
 */
export function writeSafetensors(
  path: string,
  tensors: Iterable<readonly [string, TensorRecord]>,
  metadata: Record<string, string> = {},
): void {
  const entries = [...tensors];
  const header: Record<string, unknown> = Object.create(null); // so that no name is special, not even __proto__
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  let offset = 0;
  for (const [name, { dtype, shape }] of entries) {
    const bytes = elementCount(shape) * elementSize(dtype);
    if (!Number.isSafeInteger(bytes) || name === '__metadata__' || name in header) {
      throw new InvalidInputError('Tensor to write', {
        given: `${JSON.stringify(name)} of shape [${shape}]`,
        expected: 'distinct names other than __metadata__ and shapes of non-negative integers',
        remedy: 'Rename the tensor or correct its shape.',
      });
    }
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const padded = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(json, 8);
  writeFileAtomic(path, (write) => {
    write(padded);
    for (const [name, tensor] of entries) {
      const data = readElements(tensor);
      if (data.length !== elementCount(tensor.shape) || data.BYTES_PER_ELEMENT !== elementSize(tensor.dtype)) {
        throw new InvalidInputError(`Tensor ${name}`, {
          given: `${data.length} elements of ${data.BYTES_PER_ELEMENT} bytes`,
          expected: `${tensor.dtype} elements for the shape [${tensor.shape}]`,
          remedy: 'Correct the shape, the type or the data.',
        });
      }
      write(bytesOf(data));
    }
  });
}

function parseHeader(file: string, bytes: Uint8Array): Record<string, unknown> {
  let parsed: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    parsed = JSON.parse(text);
  } catch (error) {
    throw damaged(file, `a header that does not parse (${(error as Error).message})`, 'a JSON object in UTF-8');
  }
  if (bytes[0] !== 0x7b || typeof parsed !== 'object' || parsed === null) {
    throw damaged(file, 'a header that is not an object', 'a JSON object that starts with {');
  }
  const seen = new Set<string>();
  for (const name of topLevelKeys(text)) {
    if (seen.has(name)) throw damaged(file, `the name ${JSON.stringify(name)} twice`, 'each tensor once');
    seen.add(name);
  }
  return parsed as Record<string, unknown>;
}

function metadataOf(file: string, given: unknown): Record<string, string> {
  if (given === undefined) return {};
  const fine =
    typeof given === 'object' &&
    given !== null &&
    !Array.isArray(given) &&
    Object.values(given).every((value) => typeof value === 'string');
  if (!fine) throw damaged(file, '__metadata__ that is not a map of texts', 'an object whose values are texts');
  return given as Record<string, string>;
}

function checkEntry(file: string, name: string, entry: unknown) {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>;
  const what = `tensor ${JSON.stringify(name)}`;
  if (!DTYPES.includes(dtype as DType)) {
    throw damaged(file, `${what} of type ${JSON.stringify(dtype)}`, `one of ${DTYPES.join(', ')}`);
  }
  if (!Array.isArray(shape) || Number.isNaN(elementCount(shape))) {
    throw damaged(file, `${what} of shape ${JSON.stringify(shape)}`, 'a list of non-negative integers of safe product');
  }
  const pair = Array.isArray(offsets) && offsets.length === 2 && offsets.every((at) => Number.isSafeInteger(at));
  if (!pair || offsets[0] < 0 || offsets[1] < offsets[0]) {
    throw damaged(file, `${what} at offsets ${JSON.stringify(offsets)}`, 'two integers, 0 <= begin <= end');
  }
  const [begin, end] = offsets as [number, number];
  const expected = elementCount(shape) * elementSize(dtype as DType);
  if (end - begin !== expected) {
    throw damaged(file, `${what} with ${end - begin} bytes`, `${expected} bytes for ${dtype} of shape [${shape}]`);
  }
  return { dtype: dtype as DType, shape: shape as number[], begin, end };
}

/** The ranges must cover the data exactly once: no overlap, no gap, nothing outside, nothing left over. */
function requireTiling(file: string, ranges: { name: string; begin: number; end: number }[], size: number): void {
  let covered = 0;
  for (const { name, begin, end } of ranges.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    const what = `tensor ${JSON.stringify(name)} at ${begin} .. ${end}`;
    if (begin < covered) throw damaged(file, `${what}, which overlaps its neighbour`, `a begin of ${covered}`);
    if (begin > covered) throw damaged(file, `${what}, which leaves a gap`, `a begin of ${covered}`);
    if (end > size) throw damaged(file, `${what}, beyond the end`, `at most ${size} bytes of data`);
    covered = end;
  }
  if (covered !== size) throw damaged(file, `${size} bytes of data`, `${covered} bytes, what the tensors cover`);
}
