import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memorySource } from '../../src/io/byte-source';
import { PickleWriter } from '../../src/io/pickle-writer';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { bytesOf, type TensorRecord, toFloat64 } from '../../src/io/tensor-record';
import { readTorchCheckpoint, stateDict, stateDicts } from '../../src/io/torch-checkpoint';
import { writeTorchCheckpoint } from '../../src/io/torch-writer';
import { writeZip } from '../../src/io/zip-writer';
import { InvalidInputError } from '../../src/runtime/errors';

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

  /** A checkpoint whose pickle is written by hand, over storage 0 of four floats. */
  function crafted(write: (pickle: PickleWriter) => void, name = 'crafted.pth'): string {
    const pickle = new PickleWriter();
    write(pickle);
    const bytes = pickle.finish();
    const path = join(folder, name);
    writeZip(path, [
      { name: 'a/data.pkl', content: () => bytes },
      { name: 'a/data/0', content: () => new Uint8Array(16) },
    ]);
    return path;
  }
  function tensor(pickle: PickleWriter, shape: number[], strides: number[], offset = 0, count = 4, key = '0') {
    const numbers = (values: number[]) => pickle.tuple(() => values.forEach((value) => pickle.number(value)));
    pickle.global('torch._utils', '_rebuild_tensor_v2');
    pickle.tuple(() => {
      pickle.tuple(() => {
        pickle.text('storage');
        pickle.global('torch', 'FloatStorage');
        pickle.text(key);
        pickle.text('cpu');
        pickle.number(count);
      });
      pickle.persistentId();
      pickle.number(offset);
      numbers(shape);
      numbers(strides);
      pickle.value(false, () => false);
      pickle.emptyOrderedDict();
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

  it('.pth to .safetensors to .pth keeps every bit', () => {
    const { tensors } = readTorchCheckpoint(join(REFERENCE, 'odd_tensors.pth'));
    const [middle, end] = [join(folder, 'middle.safetensors'), join(folder, 'end.pth')];
    writeSafetensors(middle, tensors);
    writeTorchCheckpoint(end, readSafetensors(middle).tensors);
    const back = readTorchCheckpoint(end);
    assert.deepEqual(bits(stateDict(back)), bits(tensors));
    assert.deepEqual(bits(readSafetensors(middle).tensors), bits(tensors));
  });

  it('writes what PyTorch reads back, every bit kept', function () {
    this.timeout(60000);
    const python = [process.env.CER_PYTHON, 'python3'].find(
      (name) => name && spawnSync(name, ['-c', 'import torch']).status === 0,
    );
    if (!python) {
      console.log('      skipped: no Python with torch (set CER_PYTHON to one)');
      this.skip();
    }
    const original = join(REFERENCE, 'odd_tensors.pth');
    const { tensors } = readTorchCheckpoint(original);
    const path = join(folder, 'for-torch.pth');
    const plain = [1, 2.5, 'text', null, true, 2n ** 70n, -(2n ** 70n), -12345678901, 1e300, -1];
    writeTorchCheckpoint(path, new Map<string, never>([['odd', tensors] as never, ['list', plain] as never]));
    const script = `
import sys, inspect, torch
safe = {'weights_only': True} if 'weights_only' in inspect.signature(torch.load).parameters else {}
ours, theirs = torch.load(sys.argv[1], **safe), torch.load(sys.argv[2])
assert ours['list'] == [1, 2.5, 'text', None, True, 2**70, -2**70, -12345678901, 1e300, -1], ours['list']
flat = {**{'nested.odd.' + k: v for k, v in theirs['nested']['odd'].items()}, 'tuple.0': theirs['tuple'][0]}
assert list(ours['odd']) == list(flat)
for name, tensor in flat.items():
    mine = ours['odd'][name]
    assert mine.dtype == tensor.dtype and mine.shape == tensor.shape and torch.equal(mine, tensor.data), name
print('equal', len(flat))
`;
    const { stdout, stderr } = spawnSync(python, ['-c', script, path, original], { encoding: 'utf8' });
    assert.equal(stdout.trim(), `equal ${tensors.size}`, stderr);
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
    ['an offset beyond its storage', (p) => tensor(p, [1], [1], 4), /offset 4/],
    ['a negative stride', (p) => tensor(p, [2], [-1], 3), /strides \[-1\]/],
    ['strides of another length', (p) => tensor(p, [2, 2], [1]), /shape \[2,2\], strides \[1\]/],
    ['a huge shape', (p) => tensor(p, [2 ** 40, 2 ** 40], [0, 0]), /shape/],
    ['a view that unfolds a few bytes to terabytes', (p) => tensor(p, [2 ** 40], [0]), /unfold to far more/],
    ['a storage of the wrong size', (p) => tensor(p, [4], [1], 0, 5), /storage 0 of 5 elements in 16 bytes/],
    ['a storage that is not there', (p) => tensor(p, [4], [1], 0, 4, '../0'), /storage \.\.\/0/],
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
    const tensors = [['x', { dtype: 'U32', shape: [1], data: new Uint32Array(1) }]] as const;
    assert.throws(() => writeTorchCheckpoint(join(folder, 'u32.pth'), new Map(tensors)), InvalidInputError);
  });
});
