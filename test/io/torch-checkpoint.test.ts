import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memorySource } from '../../src/io/byte-source';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { bytesOf, type TensorRecord, toFloat64 } from '../../src/io/tensor-record';
import { readTorchCheckpoint, stateDict, stateDicts } from '../../src/io/torch-checkpoint';
import { writeZip } from '../../src/io/zip-writer';
import { InvalidInputError } from '../../src/runtime/errors';
import { PickleWriter } from '../generators/pickle';

const REFERENCE = join(__dirname, '../../data/reference/mar');
const described = (name: string) => JSON.parse(readFileSync(join(REFERENCE, name), 'utf8'));

/** Names (sorted), types, shapes and raw bytes, for comparisons of every bit. */
const bits = (tensors: Iterable<readonly [string, TensorRecord]>) =>
  [...tensors]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { dtype, shape, data }]) => [name, dtype, [...shape], Buffer.from(bytesOf(data)).toString('hex')]);

describe('io/torch-checkpoint', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-torch-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A checkpoint whose pickle is written by hand, over storage 0, by default of four floats. */
  function crafted(write: (pickle: PickleWriter) => void, { storage = new Uint8Array(16), root = 'a' } = {}): string {
    const pickle = new PickleWriter();
    write(pickle);
    const bytes = pickle.finish();
    const path = join(folder, 'crafted.pth');
    writeZip(path, [
      { name: `${root}/data.pkl`, content: () => bytes },
      { name: `${root}/data/0`, content: () => storage },
    ]);
    return path;
  }
  interface Crafted {
    offset?: number;
    count?: number;
    key?: string;
    /** Writes version 3 with this type, over a storage of 8 bytes. */
    type?: string;
    properties?: [string, boolean][];
  }
  function tensor(pickle: PickleWriter, shape: number[], strides: number[], options: Crafted = {}) {
    const { offset = 0, type, count = type ? 8 : 4, key = '0', properties = [] } = options;
    const numbers = (values: number[]) => pickle.tuple(() => values.forEach((value) => pickle.number(value)));
    pickle.global('torch._utils', type ? '_rebuild_tensor_v3' : '_rebuild_tensor_v2');
    pickle.tuple(() => {
      pickle.tuple(() => {
        pickle.text('storage');
        pickle.global(type ? 'torch.storage' : 'torch', type ? 'UntypedStorage' : 'FloatStorage');
        pickle.text(key);
        pickle.text('cpu');
        pickle.number(count);
      });
      pickle.persistentId();
      pickle.number(offset);
      numbers(shape);
      numbers(strides);
      pickle.boolean(false);
      pickle.emptyOrderedDict();
      if (type) pickle.global('torch', type);
      if (properties.length > 0) pickle.dictionary(properties, (set) => pickle.boolean(set));
    });
    pickle.reduce();
  }

  it('reads a training checkpoint: model bit for bit, model_ema, epoch and args', () => {
    const checkpoint = readTorchCheckpoint(join(REFERENCE, 'mar_small_fitted.pth'));
    const about = described('mar_small_fitted.pth.json');
    const expected = readSafetensors(join(REFERENCE, 'mar_small_fitted.weights.safetensors')).tensors;
    assert.deepEqual(bits(stateDict(checkpoint, 'model')), bits(expected));
    const ema = stateDict(checkpoint, 'model_ema');
    assert.equal(ema.size, Object.keys(about.tensors.model_ema).length);
    for (const [name, tensor] of ema) {
      const values = toFloat64(tensor);
      const { shape, sum_float64, sum_squares_float64 } = about.tensors.model_ema[name];
      assert.deepEqual(tensor.shape, shape);
      const sum = values.reduce((total, x) => total + x, 0);
      const squares = values.reduce((total, x) => total + x * x, 0);
      // float64 sums of the same float32 numbers in another order: rounding of about n * 1e-16
      assert.ok(Math.abs(sum - sum_float64) < 1e-9 * (1 + values.length), `${name}: sum ${sum}, not ${sum_float64}`);
      assert.ok(Math.abs(squares - sum_squares_float64) < 1e-10 * squares, name);
    }
    const content = checkpoint.content as Map<string, unknown>;
    assert.equal(content.get('epoch'), 3);
    assert.deepEqual(Object.fromEntries(content.get('args') as Map<string, unknown>), about.args);
  });

  it('reads views, shared storage, eight types, scalars, empty tensors and plain values', () => {
    const { content, tensors } = readTorchCheckpoint(join(REFERENCE, 'odd_tensors.pth'));
    const { tensors: expected, plain } = described('odd_tensors.pth.json');
    for (const [name, { shape, values }] of Object.entries<{ shape: number[]; values: (number | string)[] }>(
      expected,
    )) {
      const found = tensors.get(`nested.odd.${name}`)!;
      assert.deepEqual(found.shape, shape, name);
      const numbers = found.dtype === 'I64' ? Array.from(found.data, String) : [...toFloat64(found)];
      assert.deepEqual(numbers, values, name);
    }
    const top = content as Map<string, unknown>;
    assert.deepEqual(top.get('list'), plain.list);
    assert.equal(String(top.get('big')), plain.big_as_text);
    assert.equal(top.get('neg'), plain.neg);
    assert.equal((top.get('tuple') as unknown[])[1], -7);
    assert.deepEqual([...tensors.get('tuple.0')!.data], [1, 1]);
  });

  it('.pth to .safetensors keeps every bit', () => {
    const { tensors } = readTorchCheckpoint(join(REFERENCE, 'odd_tensors.pth'));
    const path = join(folder, 'odd.safetensors');
    writeSafetensors(path, tensors);
    assert.deepEqual(bits(readSafetensors(path).tensors), bits(tensors));
  });

  it('negates what PyTorch stores with a negative bit: torch.tensor([1+2j, 3-4j]).conj().imag is [-2, 4]', () => {
    const stored = Float32Array.of(1, 2, 3, -4);
    const imaginary = (properties: [string, boolean][]) =>
      crafted((p) => tensor(p, [2], [2], { offset: 1, properties }), { storage: new Uint8Array(stored.buffer) });
    const read = (properties: [string, boolean][]) => [
      ...readTorchCheckpoint(imaginary(properties)).tensors.get('')!.data,
    ];
    assert.deepEqual(read([]), [2, -4]);
    assert.deepEqual(read([['neg', false]]), [2, -4]);
    assert.deepEqual(read([['neg', true]]), [-2, 4]);
    for (const other of ['conj', 'zero']) {
      const message = new RegExp(`type F32 with the properties ${other}.*resolve_conj`);
      assert.throws(() => read([[other, true]]), { name: 'FileFormatError', message });
    }
  });

  it('reads version 3 of a tensor: unsigned types, and 8-bit floats by name only', () => {
    const storage = Uint8Array.of(1, 0, 2, 0, 255, 255, 4, 0);
    const open = (type: string, shape: number[]) =>
      readTorchCheckpoint(crafted((p) => tensor(p, shape, [1], { offset: 1, type }), { storage })).tensors.get('')!;
    assert.deepEqual([open('uint16', [3]).dtype, ...open('uint16', [3]).data], ['U16', 2, 65535, 4]);
    const small = open('float8_e4m3fn', [7]);
    assert.deepEqual([small.dtype, small.shape], ['F8_E4M3', [7]]);
    assert.throws(() => small.data, { name: 'InvalidInputError', message: /elements of type F8_E4M3/ });
    assert.throws(() => open('uint16', [4]), { message: /shape \[4\].*storage of 4 elements/ });
  });

  for (const [what, write, message] of [
    [
      'the keys 1 and "1"',
      [
        [1, 'a'],
        ['1', 'b'],
      ],
      /text and another key that both read "1"/,
    ],
    [
      'the keys "a.b" and a: {b}',
      [
        ['a.b', null],
        ['a', [['b', null]]],
      ],
      /two tensors that are both called "a\.b"/,
    ],
  ] as const) {
    it(`refuses ${what}, which one dictionary cannot hold by name`, () => {
      const dictionary = (pickle: PickleWriter, entries: readonly (readonly [unknown, unknown])[]) =>
        pickle.dictionary(entries, (value) => {
          if (value === null) tensor(pickle, [1], [1]);
          else if (Array.isArray(value)) dictionary(pickle, value);
          else pickle.text(String(value));
        });
      assert.throws(() => readTorchCheckpoint(crafted((p) => dictionary(p, write))), {
        name: 'FileFormatError',
        message,
      });
    });
  }

  it('reads archives with a colon in their name, as torch.save("a:b.pth") gives them', () => {
    const path = crafted((pickle) => tensor(pickle, [1], [1]), { root: 'C:b\\c\u001b' });
    assert.equal(readTorchCheckpoint(path).tensors.size, 1);
    assert.throws(() => readTorchCheckpoint(crafted((p) => p.text('x'), { root: '..' })), InvalidInputError);
  });

  it('names the dictionaries when the key is wrong', () => {
    const checkpoint = readTorchCheckpoint(join(REFERENCE, 'mar_small_fitted.pth'));
    assert.deepEqual([...stateDicts(checkpoint).keys()], ['model', 'model_ema']);
    assert.throws(() => stateDict(checkpoint, 'ema'), { name: 'InvalidInputError', message: /"model", "model_ema"/ });
    assert.throws(() => stateDict(checkpoint), InvalidInputError);
  });

  for (const [module, name] of [
    ['os', 'system'],
    ['builtins', 'eval'],
    ['__builtin__', 'getattr'],
    ['torch', 'load'],
    ['constructor', 'constructor'],
    ['argparse', 'Namespace.__init__'],
  ]) {
    it(`refuses ${module}.${name} by name`, () => {
      const path = crafted((pickle) => {
        pickle.global(module, name);
        pickle.tuple(() => pickle.text('echo hostile'));
        pickle.reduce();
      });
      assert.throws(
        () => readTorchCheckpoint(path),
        (error: Error) => {
          assert.equal(error.name, 'FileFormatError');
          return error.message.includes(`${module}.${name}`) && error.message.includes('not executed');
        },
      );
    });
  }

  const bad: [what: string, write: (pickle: PickleWriter) => void, message: RegExp][] = [
    ['a view beyond its storage', (p) => tensor(p, [2, 3], [3, 1]), /view of shape \[2,3\].*storage of 4 elements/],
    ['an offset beyond its storage', (p) => tensor(p, [1], [1], { offset: 4 }), /offset 4/],
    ['a negative stride', (p) => tensor(p, [2], [-1], { offset: 3 }), /strides \[-1\]/],
    ['strides of another length', (p) => tensor(p, [2, 2], [1]), /shape \[2,2\], strides \[1\]/],
    ['a huge shape', (p) => tensor(p, [2 ** 40, 2 ** 40], [0, 0]), /shape/],
    ['a view that unfolds a few bytes to terabytes', (p) => tensor(p, [2 ** 40], [0]), /unfold to far more/],
    ['a storage of the wrong size', (p) => tensor(p, [4], [1], { count: 5 }), /storage 0 of 5 elements in 16 bytes/],
    ['a storage that is not there', (p) => tensor(p, [4], [1], { key: '../0' }), /storage \.\.\/0/],
    [
      'a call of a label',
      (p) => {
        p.global('torch', 'FloatStorage');
        p.tuple(() => {});
        p.reduce();
      },
      /not a function/,
    ],
  ];
  for (const [what, write, message] of bad) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readTorchCheckpoint(crafted(write)), { name: 'FileFormatError', message });
    });
  }

  it('refuses a pickle that shares lists into an exponential tree, and one that contains itself', () => {
    // l0 = []; each next list holds the last one twice: 2^60 leaves from 300 bytes
    const doubling = [0x80, 2, 0x5d, 0x71, 0];
    for (let i = 0; i < 60; i++) doubling.push(0x5d, 0x28, 0x68, i, 0x68, i, 0x65, 0x71, i + 1);
    // leaves 61 lists on the stack: wrap them into a tuple
    const bytes = Uint8Array.from([0x80, 2, 0x28, ...doubling.slice(2), 0x74, 0x2e]);
    const itself = Uint8Array.from([0x80, 2, 0x5d, 0x71, 0, 0x68, 0, 0x61, 0x2e]);
    for (const content of [bytes, itself]) {
      const path = join(folder, 'nested.pth');
      writeZip(path, [{ name: 'a/data.pkl', content: () => content }]);
      assert.throws(() => readTorchCheckpoint(path), { name: 'FileFormatError', message: /nested without end/ });
    }
  });

  it('explains formats that it does not read', () => {
    const old = memorySource(Uint8Array.of(0x80, 2, 0x8a, 0x0a));
    assert.throws(() => readTorchCheckpoint(old), { message: /before 1\.6.*torch\.save it again/ });
    assert.throws(() => readTorchCheckpoint(memorySource(new Uint8Array(0))), { name: 'FileFormatError' });
  });
});
