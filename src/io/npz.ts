import { type ByteSource, damaged, fileSource, openSource } from './byte-source';
import { contiguousStrides, gather } from './strided';
import {
  bytesOf,
  type DType,
  elementCount,
  elementSize,
  elementsOf,
  readElements,
  type StoredTensor,
  storedTensor,
  type TensorRecord,
} from './tensor-record';
import { readZip } from './zip-reader';
import { writeZip } from './zip-writer';

/** NumPy's element types; U16 and F16 are told apart by these names only. */
const NUMPY_TYPES: readonly [descr: string, dtype: DType][] = [
  ['<f8', 'F64'],
  ['<f4', 'F32'],
  ['<f2', 'F16'],
  ['<i8', 'I64'],
  ['<i4', 'I32'],
  ['<i2', 'I16'],
  ['|i1', 'I8'],
  ['<u8', 'U64'],
  ['<u4', 'U32'],
  ['<u2', 'U16'],
  ['|u1', 'U8'],
  ['|b1', 'BOOL'],
];

const MAGIC = '\x93NUMPY';
const LARGEST_HEADER = 2 ** 20;

/**
 * Reads one array of NumPy's .npy format (header versions 1 to 3, little-endian, C or Fortran order) on demand; the result
 * is row-major.
 * @throws FileFormatError naming what is wrong; arrays of Python objects are refused, since they are pickles.
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
  const { dtype, shape, fortran } = parseHeader(name, new TextDecoder('latin1').decode(source.read(begin, length)));
  const start = begin + length;
  if (elementCount(shape) * elementSize(dtype) !== size - start) {
    throw damaged(name, `${size - start} bytes of data`, `what ${dtype} of shape [${shape}] takes`);
  }
  return storedTensor(dtype, shape, () => {
    const elements = elementsOf(dtype, source.read(start, size - start));
    if (!fortran || shape.length < 2 || elements.length === 0) return elements;
    return gather(elements, shape, contiguousStrides([...shape].reverse()).reverse());
  });
}

/** Reads an .npz archive of arrays, stored or deflated, by name. @throws FileFormatError */
export function readNpz(from: string | ByteSource): Map<string, StoredTensor> {
  const source = openSource(from);
  const arrays = new Map<string, StoredTensor>();
  for (const [name, entry] of readZip(source)) {
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

/** Writes an .npz archive that `numpy.load` reads, uncompressed, atomically. */
export function writeNpz(path: string, arrays: Iterable<readonly [string, TensorRecord]>): void {
  const inputs = [...arrays].map(([name, array]) => ({ name: `${name}.npy`, content: () => npyBytes(array) }));
  writeZip(path, inputs);
}

/** An array as the bytes of a .npy file. @throws FileFormatError for BF16, which NumPy does not have. */
export function npyBytes(array: TensorRecord): Uint8Array {
  const descr = NUMPY_TYPES.find(([, dtype]) => dtype === array.dtype)?.[0];
  if (!descr) throw damaged('array', `elements of type ${array.dtype}`, 'a type that NumPy has', 'Convert it first.');
  const shape = array.shape.length === 1 ? `${array.shape[0]},` : array.shape.join(', ');
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  const head = Buffer.from(`${MAGIC}\x01\x00\x00\x00${text.padEnd(length - 1)}\n`, 'latin1');
  head.writeUInt16LE(length, 8);
  return Buffer.concat([head, bytesOf(readElements(array))]);
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
  const numbers = (array: TensorRecord) => Float64Array.from(array.data as Float64Array);
  return { mean: numbers(mean), covariance: numbers(covariance), dimension };
}

function parseHeader(file: string, header: string) {
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(header)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(header)?.[1];
  const sides = /'shape'\s*:\s*\(([\d,\sL]*)\)/.exec(header)?.[1];
  const dtype = NUMPY_TYPES.find(([text]) => text === descr || text === descr?.replace('<', '|'))?.[1];
  const shape = (sides ?? '')
    .split(',')
    .map((side) => side.trim().replace(/L$/, ''))
    .filter((side) => side !== '')
    .map(Number);
  if (!dtype || !order || sides === undefined || Number.isNaN(elementCount(shape)) || shape.length > 64) {
    throw damaged(
      file,
      `the array header ${JSON.stringify(header.trim().slice(0, 200))}`,
      `a plain little-endian array of one of ${NUMPY_TYPES.map(([text]) => text).join(', ')}`,
      'Save it in NumPy as float64 or another of these; object arrays are never read.',
    );
  }
  return { dtype, shape, fortran: order === 'True' };
}
