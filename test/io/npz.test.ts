import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { memorySource } from '../../src/io/byte-source';
import { npyBytes, readFidStatistics, readNpy, readNpz, writeNpz } from '../../src/io/npz';
import type { DType, TensorRecord } from '../../src/io/tensor-record';

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
    assert.throws(() => npyBytes({ dtype: 'BF16', shape: [1], data: new Uint16Array(1) }), { name: 'FileFormatError' });
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

  for (const [what, bytes, message] of [
    ['object arrays', npy(head('|O', '(1,)'), new Uint8Array(8)), /object arrays are never read/],
    ['big-endian arrays', npy(head('>f8', '(1,)'), new Uint8Array(8)), /little-endian/],
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
