import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { memorySource } from '../../src/io/byte-source';
import { loadParameters, saveParameters } from '../../src/io/parameters';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { type TensorRecord, toFloat32 } from '../../src/io/tensor-record';
import { useBackend } from '../../src/runtime/backend';
import { FileFormatError, InvalidInputError, MissingDependencyError } from '../../src/runtime/errors';

const REFERENCE = join(__dirname, '../../data/reference/mar');

/** A safetensors file from a header (a value, or a text taken literally) and a number of data bytes. */
function file(header: unknown, dataBytes = 0, declared?: number): Uint8Array {
  const text = typeof header === 'string' ? header : JSON.stringify(header);
  const json = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(declared ?? json.length), true);
  bytes.set(json, 8);
  return bytes;
}

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('io/safetensors', () => {
  let folder: string;
  before(async () => {
    await useBackend();
    folder = mkdtempSync(join(tmpdir(), 'cer-io-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('reads every reference file as its JSON describes it', () => {
    let files = 0;
    for (const name of readdirSync(REFERENCE).filter((entry) => entry.endsWith('.safetensors'))) {
      const described = JSON.parse(readFileSync(join(REFERENCE, name.replace(/safetensors$/, 'json')), 'utf8')).tensors;
      const { tensors } = readSafetensors(join(REFERENCE, name));
      assert.deepEqual(
        Object.fromEntries([...tensors].map(([key, { dtype, shape }]) => [key, { dtype, shape }])),
        Object.fromEntries(
          Object.entries(described).map(([key, entry]) => {
            const { dtype, shape } = entry as TensorRecord;
            return [key, { dtype, shape }];
          }),
        ),
        name,
      );
      for (const { data, shape } of tensors.values()) {
        assert.equal(
          data.length,
          shape.reduce((product, side) => product * side, 1),
        );
      }
      files++;
    }
    assert.ok(files >= 20);
  });

  it('keeps every bit of every type through a round trip, NaN payloads and scalars included', () => {
    const bits = Uint32Array.of(0x7fc00001, 0xffffffff, 0x80000000, 1);
    const given: [string, TensorRecord][] = [
      ['f32', { dtype: 'F32', shape: [2, 2], data: new Float32Array(bits.buffer) }],
      ['f64', { dtype: 'F64', shape: [2], data: new Float64Array(bits.buffer) }],
      ['f16', { dtype: 'F16', shape: [8, 1], data: new Uint16Array(bits.buffer) }],
      ['bf16', { dtype: 'BF16', shape: [8], data: new Uint16Array(bits.buffer) }],
      ['i64', { dtype: 'I64', shape: [2], data: new BigInt64Array(bits.buffer) }],
      ['i32', { dtype: 'I32', shape: [4], data: new Int32Array(bits.buffer) }],
      ['u8', { dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 255) }],
      ['bool', { dtype: 'BOOL', shape: [], data: Uint8Array.of(1) }],
      ['empty', { dtype: 'F32', shape: [0, 4], data: new Float32Array(0) }],
      ['__proto__', { dtype: 'I8', shape: [1], data: Int8Array.of(-1) }],
    ];
    const [first, second] = [join(folder, 'deep/a.safetensors'), join(folder, 'b.safetensors')];
    writeSafetensors(first, given, { origin: 'test' });
    const read = readSafetensors(first);
    assert.deepEqual(read.metadata, { origin: 'test' });
    assert.deepEqual(
      [...read.tensors].map(([name, { dtype, shape, data }]) => [name, dtype, shape, Buffer.from(data.buffer)]),
      given.map(([name, { dtype, shape, data }]) => [name, dtype, shape, Buffer.from(data.buffer.slice(0))]),
    );
    writeSafetensors(second, read.tensors, read.metadata);
    assert.deepEqual(readFileSync(second), readFileSync(first));
    assert.equal(readFileSync(first).readBigUint64LE() % 8n, 0n, 'the data begin at a multiple of 8 bytes');
  });

  it('lists types whose values it does not read, and names them when they are asked for', () => {
    const header = {
      a: f32(0, 4),
      f8: { dtype: 'F8_E4M3', shape: [3], data_offsets: [4, 7] },
      f4: { dtype: 'F4', shape: [2, 1], data_offsets: [7, 8] },
    };
    const { tensors } = readSafetensors(memorySource(file(header, 8)));
    assert.deepEqual(
      [...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape]),
      [
        ['a', 'F32', [1]],
        ['f8', 'F8_E4M3', [3]],
        ['f4', 'F4', [2, 1]],
      ],
    );
    assert.equal(tensors.get('a')!.data[0], 0);
    assert.throws(() => tensors.get('f8')!.data, {
      name: 'InvalidInputError',
      message: /elements of type F8_E4M3; expected one of F64/,
    });
    assert.throws(() => writeSafetensors(join(folder, 'f8'), tensors), { message: /elements of type F4/ });
    assert.ok(!existsSync(join(folder, 'f8')));
  });

  it('keeps the order of names that look like integers, reading and writing', () => {
    const names = ['b', '10', '2', '__proto__', 'a', '0'];
    const path = join(folder, 'ordered');
    writeSafetensors(
      path,
      names.map((name, i) => [name, { dtype: 'F32', shape: [1], data: Float32Array.of(i) }]),
    );
    assert.deepEqual(
      [...readSafetensors(path).tensors].map(([name, { data }]) => [name, data[0]]),
      names.map((name, i) => [name, i]),
    );
  });

  it('refuses to write what readers refuse, and leaves no file', () => {
    const path = join(folder, 'refused');
    const one = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
    const cases: [string, TensorRecord][][] = [
      [
        ['a', one],
        ['a', one],
      ],
      [['__metadata__', one]],
      [['\ud800', one]],
      [['x'.repeat(5000), one]],
      [['a', { ...one, shape: [2] }]],
      [['a', { ...one, shape: [-1] }]],
      [['a', { ...one, dtype: 'F64' }]],
    ];
    for (const tensors of cases) assert.throws(() => writeSafetensors(path, tensors), { name: 'InvalidInputError' });
    assert.ok(!existsSync(path));
  });

  it('reads files of others without a checksum, and refuses one of ours whose content differs from it', () => {
    const path = join(folder, 'sealed');
    const tensors: [string, TensorRecord][] = [['a', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]];
    writeSafetensors(path, tensors, { note: 'x' });
    const { checksum, metadata } = readSafetensors(path);
    assert.match(checksum!, /^[0-9a-f]{64}$/);
    assert.deepEqual(metadata, { note: 'x' });
    assert.equal(
      readSafetensors(memorySource(file({ a: f32(0, 4), __metadata__: { sha256: 'x' } }, 4))).checksum,
      undefined,
    );
    // By its definition, so that a change of the format is seen.
    const parts = ['{"note":"x"}', '["a","F32",[2]]', new Uint8Array(Float32Array.of(1, 2).buffer)];
    const hash = createHash('sha256');
    for (const part of parts) hash.update(`${part.length}:`).update(part);
    assert.equal(checksum, hash.digest('hex'));
    const bytes = readFileSync(path);
    bytes[bytes.length - 1] ^= 1;
    const damaged = readSafetensors(memorySource(bytes)).tensors.get('a')!;
    assert.throws(() => damaged.data, {
      name: 'FileFormatError',
      message: /content with checksum .*Bits of the file changed/,
    });
    // The same tensors in another order and place are the same content.
    const other = join(folder, 'reversed');
    const more: [string, TensorRecord] = ['b', { dtype: 'I8', shape: [1], data: Int8Array.of(3) }];
    writeSafetensors(path, [...tensors, more]);
    writeSafetensors(other, [more, ...tensors]);
    assert.equal(readSafetensors(other).checksum, readSafetensors(path).checksum);
  });

  it('widens half types exactly', () => {
    // All 65536 patterns: binary16 decoded from its definition, bfloat16 as the upper half of a float32.
    const data = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const half = toFloat32({ dtype: 'F16', data });
    const brain = toFloat32({ dtype: 'BF16', data });
    const view = new DataView(new ArrayBuffer(4));
    for (let i = 0; i < 65536; i++) {
      const [sign, exponent, fraction] = [i >> 15 ? -1 : 1, (i >> 10) & 31, i & 1023];
      const value =
        exponent === 31
          ? fraction
            ? Number.NaN
            : sign * Infinity
          : exponent === 0
            ? sign * fraction * 2 ** -24
            : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
      if (!Object.is(half[i], value)) assert.fail(`half ${i}: ${half[i]}, not ${value}`);
      view.setUint16(0, i);
      if (!Object.is(brain[i], view.getFloat32(0))) assert.fail(`bfloat16 ${i}: ${brain[i]}`);
    }
  });

  it('bridges to tensors and back, and leaves no partial file when it fails', () => {
    const source = join(REFERENCE, 'mar_small_fitted.weights.safetensors');
    const target = join(folder, 'copy.safetensors');
    const before = tf.memory().numTensors;
    const weights = loadParameters(source);
    saveParameters(target, weights);
    for (const [name, { data }] of readSafetensors(source).tensors) {
      assert.deepEqual(readSafetensors(target).tensors.get(name)!.data, data, name);
    }
    const bad = new Map([['x', tf.tensor(['text'])]]);
    assert.throws(() => saveParameters(join(folder, 'never'), bad), InvalidInputError);
    const wrong = { dtype: 'F32', shape: [3], data: new Float32Array(2) } as const;
    assert.throws(() => writeSafetensors(target, [['x', wrong]]), InvalidInputError);
    assert.deepEqual(readSafetensors(target).tensors.size, weights.size, 'the old file is untouched');
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes('partial') || name === 'never'),
      [],
    );
    tf.dispose([...weights.values(), ...bad.values()]);
    assert.equal(tf.memory().numTensors, before);
  });

  const hostile: [what: string, bytes: Uint8Array, message: RegExp][] = [
    ['nothing', new Uint8Array(0), /no safetensors file \(it begins with ""\)/],
    ['a header longer than the file', file({}, 0, 1000), /header of 1000 bytes/],
    ['a header of 2^63 bytes', file({}, 0, 2 ** 63), /no safetensors file/],
    ['a page of text', Buffer.from('# Title\n\n{curly} words'), /no safetensors file \(it begins with "# Title\\n/],
    ['text that is not JSON', file('{"a":'), /does not parse/],
    ['bad UTF-8', file('{}').map((byte, i) => (i === 9 ? 0xff : byte)), /does not parse/],
    ['a list', file('[]'), /no safetensors file/],
    ['a leading space', file(' {}'), /no safetensors file/],
    ['an unknown type', file({ a: { ...f32(0, 4), dtype: 'F31' } }, 4), /"a" of type "F31"/],
    ['a type from the prototype', file({ a: { ...f32(0, 4), dtype: 'constructor' } }, 4), /of type "constructor"/],
    ['a negative side', file({ a: f32(0, 4, [-1]) }, 4), /shape \[-1\]/],
    ['a fractional side', file({ a: f32(0, 4, [0.5, 2]) }, 4), /shape \[0.5,2\]/],
    ['a huge shape', file({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), /safe product/],
    ['a shape too large for its bytes', file({ a: f32(0, 4, [2 ** 40]) }, 4), /4 bytes; expected 4398046511104 bytes/],
    ['offsets backwards', file({ a: f32(4, 0, [0]) }, 4), /offsets \[4,0\]/],
    ['offsets beyond the end', file({ a: f32(0, 8) }, 4), /beyond the end/],
    ['an overlap', file({ a: f32(0, 8), b: f32(4, 12) }, 12), /"b" at 4 .. 12, which overlaps/],
    ['a gap', file({ a: f32(0, 4), b: f32(8, 12) }, 12), /"b" at 8 .. 12, which leaves a gap/],
    ['bytes left over', file({ a: f32(0, 4) }, 5), /5 bytes of data; expected 4/],
    ['a truncated file', file({ a: f32(0, 400) }, 396), /beyond the end/],
    ['metadata that is a number', file({ __metadata__: { a: 1 } }), /__metadata__/],
    ['a tensor that is null', file({ a: null }), /"a" of type nothing/],
    [
      'a name twice',
      file(`{"a":${JSON.stringify(f32(0, 4))},"\\u0061":${JSON.stringify(f32(0, 4))}}`, 4),
      /the name "a" twice/,
    ],
    [
      'a field of a tensor twice',
      file(`{"a":{"dtype":"F32","dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4),
      /the name "dtype" twice/,
    ],
    ['a key of the metadata twice', file('{"__metadata__":{"a":"1","a":"2"}}'), /the name "a" twice/],
    [
      'an 8-bit float whose bytes do not fit',
      file({ a: { ...f32(0, 4), dtype: 'F8_E4M3' } }, 4),
      /4 bytes; expected 1 bytes/,
    ],
    ['text after the header', file('{} {}'), /more text after the value at character 3/],
    ['a value that is no JSON', file('{"a":01}'), /does not parse \(no }/],
  ];
  for (const [what, bytes, message] of hostile) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readSafetensors(memorySource(bytes)), { name: 'FileFormatError', message });
    });
  }

  it('names a missing file and one that changed under it', () => {
    assert.throws(() => readSafetensors(join(folder, 'no-such-file')), MissingDependencyError);
    const path = join(folder, 'changing');
    writeFileSync(path, file({ a: f32(0, 4) }, 4));
    const { tensors } = readSafetensors(path);
    writeFileSync(path, file({}, 0));
    assert.throws(() => tensors.get('a')!.data, FileFormatError);
  });
});
