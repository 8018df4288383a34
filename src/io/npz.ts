import { InvalidInputError } from '../runtime/errors';
import { type ByteSource, damaged, fileSource, openSource } from './byte-source';
import { contiguousStrides, gather } from './strided';
import {
  bytesOf,
  checkedElements,
  type DType,
  elementCount,
  elementSize,
  elementsOf,
  type StoredTensor,
  storedTensor,
  type TensorRecord,
  toFloat64,
} from './tensor-record';
import { readZip, type ZipEntry } from './zip-reader';
import { writeZip } from './zip-writer';

/** NumPy's element types, without the byte order; U16 and F16 are told apart by these names only. */
const NUMPY_TYPES: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['f8', 'F64'],
  ['f4', 'F32'],
  ['f2', 'F16'],
  ['i8', 'I64'],
  ['i4', 'I32'],
  ['i2', 'I16'],
  ['i1', 'I8'],
  ['u8', 'U64'],
  ['u4', 'U32'],
  ['u2', 'U16'],
  ['u1', 'U8'],
  ['b1', 'BOOL'],
]);

/** What is refused, by the letter of NumPy's type strings. */
const REFUSED: Record<string, string> = {
  f: 'floating-point numbers of this width',
  c: 'complex numbers',
  S: 'byte strings',
  a: 'byte strings',
  U: 'texts',
  O: 'Python objects, which are pickles and never read',
  V: 'raw bytes or records',
  M: 'dates',
  m: 'spans of time',
};

const MAGIC = '\x93NUMPY';
const LARGEST_HEADER = 2 ** 20;

/**
 * Reads one array of NumPy's .npy format (header versions 1 to 3, either byte order, C or Fortran order) on demand: floating-point
 * numbers, integers and booleans of every width that JavaScript has; the result is little-endian and row-major.
 * @throws FileFormatError naming what is wrong, or the type that is not read (complex, text, objects, records, dates, float128)
 */
export function readNpy(from: string | ByteSource): StoredTensor {
  const source = openSource(from);
  const { name, size } = source;
  const lead = source.read(0, Math.min(12, size));
  if (size < 10 || String.fromCharCode(...lead.subarray(0, 6)) !== MAGIC || lead[6] < 1 || lead[6] > 3) {
    throw damaged(name, 'no array header of version 1 to 3', 'the .npy format of NumPy');
  }
  const view = new DataView(lead.buffer);
  const wide = lead[6] > 1;
  const begin = wide ? 12 : 10;
  const length = wide && size >= 12 ? view.getUint32(8, true) : view.getUint16(8, true);
  if (length > Math.min(LARGEST_HEADER, size - begin)) {
    throw damaged(name, `a header of ${length} bytes`, `at most ${Math.min(LARGEST_HEADER, size - begin)}`);
  }
  const { dtype, shape, fortran, swapped } = parseHeader(
    name,
    new TextDecoder('latin1').decode(source.read(begin, length)),
  );
  const start = begin + length;
  if (elementCount(shape) * elementSize(dtype) !== size - start) {
    throw damaged(name, `${size - start} bytes of data`, `what ${dtype} of shape [${shape}] takes`);
  }
  return storedTensor(dtype, shape, () => {
    const bytes = source.read(start, size - start);
    const elements = elementsOf(dtype, swapped ? reverseEach(bytes, elementSize(dtype)) : bytes);
    if (!fortran || shape.length < 2 || elements.length === 0) return elements;
    return gather(elements, shape, contiguousStrides([...shape].reverse()).reverse());
  });
}

/** Reads an .npz archive of arrays, stored or deflated, by name. @param entries of the archive, where they are known already. @throws FileFormatError */
export function readNpz(from: string | ByteSource, entries?: Map<string, ZipEntry>): Map<string, StoredTensor> {
  const source = openSource(from);
  const arrays = new Map<string, StoredTensor>();
  for (const [name, entry] of entries ?? readZip(source)) {
    if (!name.endsWith('.npy')) throw damaged(source.name, `the entry ${JSON.stringify(name)}`, 'arrays (.npy) only');
    const inner = {
      name: `${source.name}:${name}`,
      size: entry.size,
      read: (at: number, n: number) => entry.read(at, n),
    };
    arrays.set(name.slice(0, -'.npy'.length), readNpy(inner));
  }
  return arrays;
}

/** Writes an .npz archive that `numpy.load` reads, uncompressed, atomically. @throws InvalidInputError, see `npyBytes` and `writeZip` */
export function writeNpz(path: string, arrays: Iterable<readonly [string, TensorRecord]>): void {
  const inputs = [...arrays].map(([name, array]) => ({ name: `${name}.npy`, content: () => npyBytes(array, name) }));
  writeZip(path, inputs);
}

/**
 * An array as the bytes of a .npy file.
 * @throws InvalidInputError for a type that NumPy does not have (BF16, F8), elements that do not fit the shape, over 32 axes
 */
export function npyBytes(array: TensorRecord, name = 'array'): Uint8Array {
  const type = [...NUMPY_TYPES].find(([, dtype]) => dtype === array.dtype)?.[0];
  if (!type || array.shape.length > 32) {
    throw new InvalidInputError(`Array ${name} for NumPy`, {
      given: `elements of type ${array.dtype} in ${array.shape.length} axes`,
      expected: 'a type that NumPy has, and at most 32 axes',
      remedy: 'Convert it first, or write safetensors.',
    });
  }
  const descr = `${elementSize(array.dtype) === 1 ? '|' : '<'}${type}`;
  const data = checkedElements(name, array);
  const shape = array.shape.length === 1 ? `${array.shape[0]},` : array.shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from(`${MAGIC}\x01\x00\x00\x00${text.padEnd(length - 1)}\n`, 'latin1');
  head.writeUInt16LE(length, 8);
  return Buffer.concat([head, bytesOf(data)]);
}

/** Mean and covariance of features, as FID files hold them. */
export interface FidStatistics {
  /** `[dimension]` */
  mean: Float64Array;
  /** `[dimension, dimension]`, row-major. */
  covariance: Float64Array;
  dimension: number;
}

/** Reads `mu` and `sigma` from an .npz file. @throws FileFormatError when they are absent or do not fit each other. */
export function readFidStatistics(path: string): FidStatistics {
  const arrays = readNpz(fileSource(path));
  const [mean, covariance] = [arrays.get('mu'), arrays.get('sigma')];
  const dimension = mean?.shape[0] ?? 0;
  const shapes = [mean, covariance].map((array) => (array ? `${array.dtype} [${array.shape}]` : 'none'));
  const fits = mean?.shape.length === 1 && covariance?.shape.join() === `${dimension},${dimension}`;
  if (!mean || !covariance || !fits) {
    throw damaged(path, `mu: ${shapes[0]}, sigma: ${shapes[1]}`, 'mu [d] and sigma [d, d]');
  }
  return { mean: toFloat64(mean), covariance: toFloat64(covariance), dimension };
}

function parseHeader(file: string, header: string) {
  const type = /'descr'\s*:\s*(?:'([^']*)'|[^'\s])/.exec(header);
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const sides = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(header)?.[1];
  const shape = (sides ?? '')
    .split(',', 66)
    .map((side) => side.trim().replace(/L$/, ''))
    .filter((side) => side !== '')
    .map(Number);
  if (!type || !order || sides === undefined || Number.isNaN(elementCount(shape)) || shape.length > 64) {
    throw damaged(
      file,
      `the array header ${JSON.stringify(header.trim().slice(0, 200))}`,
      'descr, fortran_order and a shape of at most 64 non-negative integers',
    );
  }
  const descr = type[1] ?? '';
  const dtype = NUMPY_TYPES.get(descr.replace(/^[<>|=]/, ''));
  if (!dtype) {
    const kind =
      type[1] === undefined
        ? 'records (a structured type)'
        : (REFUSED[descr.replace(/^[<>|=]/, '')[0]] ?? 'an unknown type');
    throw damaged(
      file,
      `an array of ${kind}${descr ? `, ${JSON.stringify(descr.slice(0, 40))}` : ''}`,
      `numbers of type ${[...NUMPY_TYPES.keys()].join(', ')}, in either byte order`,
      'Convert it in NumPy, e.g. `array.astype("f8")` (complex: its .real and .imag; records: one array a field).',
    );
  }
  return { dtype, shape, fortran: order === 'True', swapped: descr[0] === '>' };
}

/** Turns the byte order of each element, in place. */
function reverseEach(bytes: Uint8Array, size: number): Uint8Array {
  for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
  return bytes;
}
