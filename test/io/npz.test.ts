import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { memorySource } from '../../src/io/byte-source';
import { npyBytes, readFidStatistics, readNpy, readNpz, writeNpz } from '../../src/io/npz';
import { type DType, type TensorRecord, toFloat64 } from '../../src/io/tensor-record';

/** A .npy file by its definition. */
function npy(header: string, data: Uint8Array, version = 1): Uint8Array {
  const lead = version === 1 ? 2 : 4;
  const bytes = Buffer.alloc(8 + lead + header.length + data.length);
  bytes.write('\x93NUMPY', 0, 'latin1');
  bytes[6] = version;
  if (version === 1) bytes.writeUInt16LE(header.length, 8);
  else bytes.writeUInt32LE(header.length, 8);
  bytes.write(header, 8 + lead, 'latin1');
  bytes.set(data, 8 + lead + header.length);
  return new Uint8Array(bytes);
}
const head = (descr: string, shape: string, fortran = 'False') =>
  `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }\n`;
const read = (bytes: Uint8Array) => readNpy(memorySource(bytes));

describe('io/npz', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-npz-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads header versions 1 to 3, scalars, vectors and empty arrays', () => {
    const data = new Uint8Array(Float64Array.of(1.5, -2).buffer);
    for (const version of [1, 2, 3]) {
      const { dtype, shape, data: values } = read(npy(head('<f8', '(2,)'), data, version));
      assert.deepEqual([dtype, shape, [...values]], ['F64', [2], [1.5, -2]]);
    }
    assert.deepEqual([...read(npy(head('<f4', '()'), new Uint8Array(Float32Array.of(3).buffer))).data], [3]);
    assert.deepEqual(read(npy(head('<i8', '(0, 3)'), new Uint8Array(0))).shape, [0, 3]);
    assert.deepEqual([...read(npy(head('|b1', '(2L,)'), Uint8Array.of(1, 0))).data], [1, 0]);
  });

  it('turns Fortran order into row-major order', () => {
    // a[i][j][k] = 100 i + 10 j + k of shape [2, 3, 2], first index fastest in the file
    const file: number[] = [];
    for (let k = 0; k < 2; k++) for (let j = 0; j < 3; j++) for (let i = 0; i < 2; i++) file.push(100 * i + 10 * j + k);
    const bytes = npy(head('<i4', '(2, 3, 2)', 'True'), new Uint8Array(Int32Array.from(file).buffer));
    assert.deepEqual([...read(bytes).data], [0, 1, 10, 11, 20, 21, 100, 101, 110, 111, 120, 121]);
  });

  it('round trip of every type keeps every bit; stored and deflated archives agree', () => {
    const bits = Uint32Array.of(0x7fc00001, 0xffffffff, 0x80000000, 1).buffer;
    const arrays = new Map<string, TensorRecord>([
      ['f64', { dtype: 'F64', shape: [2, 1], data: new Float64Array(bits) }],
      ['f32', { dtype: 'F32', shape: [4], data: new Float32Array(bits) }],
      ['f16', { dtype: 'F16', shape: [8], data: new Uint16Array(bits) }],
      ['i64', { dtype: 'I64', shape: [2], data: new BigInt64Array(bits) }],
      ['i32', { dtype: 'I32', shape: [1, 4], data: new Int32Array(bits) }],
      ['bool', { dtype: 'BOOL', shape: [], data: Uint8Array.of(1) }],
    ]);
    const path = join(folder, 'all.npz');
    writeNpz(path, arrays);
    const deflated = zipSync(Object.fromEntries([...arrays].map(([name, array]) => [`${name}.npy`, npyBytes(array)])));
    for (const found of [readNpz(path), readNpz(memorySource(deflated))]) {
      assert.deepEqual(
        [...found].map(([name, { dtype, shape, data }]) => [
          name,
          dtype,
          shape,
          Buffer.from(data.buffer).toString('hex'),
        ]),
        [...arrays].map(([name, { dtype, shape, data }]) => [
          name,
          dtype,
          shape,
          Buffer.from(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)).toString('hex'),
        ]),
      );
    }
    for (const [array, message] of [
      [{ dtype: 'BF16', shape: [1], data: new Uint16Array(1) }, /type BF16/],
      [{ dtype: 'F32', shape: [3], data: new Float32Array(2) }, /2 elements of 4 bytes/],
      [{ dtype: 'F32', shape: [2], data: new Float64Array(2) }, /2 elements of 8 bytes/],
      [{ dtype: 'F32', shape: [-1], data: new Float32Array(1) }, /shape \[-1\]/],
      [{ dtype: 'F32', shape: new Array(33).fill(1), data: new Float32Array(1) }, /33 axes/],
    ] as [TensorRecord, RegExp][]) {
      assert.throws(() => npyBytes(array), { name: 'InvalidInputError', message });
    }
    const twice: [string, TensorRecord][] = [
      ['a', arrays.get('f32')!],
      ['a', arrays.get('f64')!],
    ];
    assert.throws(() => writeNpz(join(folder, 'twice.npz'), twice), {
      name: 'InvalidInputError',
      message: /a second time/,
    });
  });

  it('reads FID statistics and refuses ones that do not fit', () => {
    const path = join(folder, 'fid.npz');
    const array = (dtype: DType, shape: number[], values: number[]): TensorRecord =>
      dtype === 'F32'
        ? { dtype, shape, data: Float32Array.from(values) }
        : { dtype, shape, data: Float64Array.from(values) };
    writeNpz(path, [
      ['mu', array('F64', [2], [1, 2])],
      ['sigma', array('F32', [2, 2], [1, 0.5, 0.5, 2])],
    ]);
    const { mean, covariance, dimension } = readFidStatistics(path);
    assert.deepEqual([[...mean], [...covariance], dimension], [[1, 2], [1, 0.5, 0.5, 2], 2]);
    writeNpz(path, [['mu', array('F64', [3], [1, 2, 3])]]);
    assert.throws(() => readFidStatistics(path), { message: /mu: F64 \[3\], sigma: none/ });
  });

  // Bytes as NumPy 2.4 wrote them, little- and big-endian: extremes that tell signs and widths apart.
  for (const [type, dtype, little, big, ...values] of [
    ['f8', 'F64', '9a9999999999f13f0100000000000080', '3ff199999999999a8000000000000001', 1.1, -(2 ** -1074)],
    ['f4', 'F32', '0000c03f01000080', '3fc0000080000001', 1.5, -(2 ** -149)],
    ['f2', 'F16', '003e0180', '3e008001', 1.5, -(2 ** -24)],
    ['i8', 'I64', '00000000000000800100000000002000', '80000000000000000020000000000001', -(2 ** 63), 2 ** 53],
    ['i4', 'I32', '0000008007000000', '8000000000000007', -(2 ** 31), 7],
    ['i2', 'I16', '00800700', '80000007', -(2 ** 15), 7],
    ['i1', 'I8', '8007', '8007', -128, 7],
    ['u8', 'U64', 'ffffffffffffffff0100000000000000', 'ffffffffffffffff0000000000000001', 2 ** 64, 1],
    ['u4', 'U32', 'ffffffff01000000', 'ffffffff00000001', 2 ** 32 - 1, 1],
    ['u2', 'U16', 'ffff0100', 'ffff0001', 65535, 1],
    ['u1', 'U8', 'ff01', 'ff01', 255, 1],
    ['b1', 'BOOL', '0100', '0100', 1, 0],
  ] as const) {
    it(`reads ${type} in both byte orders, also as the mean of FID statistics`, () => {
      for (const [order, hex] of [
        ['<', little],
        ['>', big],
      ]) {
        const bytes = npy(head(`${order}${type}`, '(2,)'), Buffer.from(hex, 'hex'));
        const array = read(bytes);
        assert.equal(array.dtype, dtype);
        assert.deepEqual([...toFloat64(array)], values); // 64-bit integers to the nearest float64
        const path = join(folder, 'typed.npz');
        const sigma = npyBytes({ dtype: 'F64', shape: [2, 2], data: Float64Array.of(1, 0, 0, 1) });
        writeFileSync(path, zipSync({ 'mu.npy': bytes, 'sigma.npy': sigma }));
        assert.deepEqual([...readFidStatistics(path).mean], values);
      }
    });
  }

  it('turns big-endian Fortran order into little-endian row-major order', () => {
    const bytes = npy(head('>i2', '(2, 2)', 'True'), Uint8Array.of(0, 1, 0, 3, 0, 2, 0, 4));
    assert.deepEqual([...read(bytes).data], [1, 2, 3, 4]);
  });

  for (const [descr, name] of [
    ["'<c8'", 'complex numbers, "<c8"'],
    ["'>c16'", 'complex numbers, ">c16"'],
    ["'|S3'", 'byte strings, "\\|S3"'],
    ["'<U2'", 'texts, "<U2"'],
    ["'|O'", 'Python objects, which are pickles and never read, "\\|O"'],
    ["'<M8[s]'", 'dates, "<M8\\[s]"'],
    ["'<m8'", 'spans of time, "<m8"'],
    ["'<f16'", 'floating-point numbers of this width, "<f16"'],
    ["'|V3'", 'raw bytes or records, "\\|V3"'],
    ["[('a', '<f4')]", 'records \\(a structured type\\)'],
    ["[('a', [('b', '<f4')])]", 'records \\(a structured type\\)'],
    ["'<x4'", 'an unknown type, "<x4"'],
  ]) {
    it(`refuses ${descr} by name`, () => {
      const header = `{'descr': ${descr.replace('\\', '')}, 'fortran_order': False, 'shape': (1,), }\n`;
      const message = new RegExp(`an array of ${name}; expected numbers of type f8, .* Convert it in NumPy`);
      assert.throws(() => read(npy(header, new Uint8Array(16))), { name: 'FileFormatError', message });
    });
  }

  for (const [what, bytes, message] of [
    ['a shape larger than the data', npy(head('<f8', '(1000000000000,)'), new Uint8Array(8)), /8 bytes of data/],
    ['an unsafe shape', npy(head('<f8', '(9007199254740993, 9007199254740993)'), new Uint8Array(8)), /array header/],
    ['a shape with a call', npy(head('<f8', '(exec(1),)'), new Uint8Array(8)), /array header/],
    ['another format', new Uint8Array(16), /no array header/],
    ['nothing', new Uint8Array(0), /no array header/],
    ['a truncated header', npy(head('<f8', '(1,)'), new Uint8Array(8)).slice(0, 40), /header of/],
  ] as const) {
    it(`refuses ${what}`, () => assert.throws(() => read(bytes), { name: 'FileFormatError', message }));
  }

  it('refuses archives with other entries', () => {
    const path = join(folder, 'other.npz');
    writeFileSync(path, zipSync({ 'a.txt': new Uint8Array(1) }));
    assert.throws(() => readNpz(path), { name: 'FileFormatError', message: /a\.txt/ });
    assert.ok(readFileSync(path).length > 0);
  });
});
