import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { CompileError, compile } from '../../src/compile';
import { useBackend } from '../../src/runtime/backend';
import { key, normal } from '../../src/runtime/random';

const x23 = () => tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
const doubled = ({ x }: { x: tf.Tensor }) => x.mul(2);

/** Checks the three parts of an error and that it names this file. */
function refuses(run: () => unknown, given: RegExp, { line = true } = {}): void {
  assert.throws(run, (error: Error) => {
    assert.ok(error instanceof CompileError, String(error));
    assert.match(error.given, given);
    if (line) assert.match(error.given, /compile\.test\.ts:\d+:\d+/);
    assert.ok(error.remedy.length > 10);
    return true;
  });
}

describe('compile', () => {
  before(async () => {
    await useBackend();
  });

  it('gives a tensor for a tensor and a record for a record, and leaks none', () => {
    const x = x23();
    const one = compile(doubled);
    const many = compile(({ x }: { x: tf.Tensor }) => ({ sum: x.sum(), large: x.greater(3), count: x.cast('int32') }));
    one({ x }).dispose();
    tf.dispose(many({ x }));
    const before = tf.memory().numTensors;
    const first = one({ x });
    const second = many({ x });
    assert.deepEqual(first.arraySync(), [
      [2, 4, 6],
      [8, 10, 12],
    ]);
    assert.equal(second.sum.arraySync(), 21);
    assert.deepEqual([second.large.dtype, second.count.dtype], ['bool', 'int32']);
    assert.deepEqual(Array.from(second.large.dataSync()), [0, 0, 0, 1, 1, 1]);
    assert.equal(tf.memory().numTensors, before + 4);
    tf.dispose([x, first, second]);
  });

  it('keeps one graph per shape and type, and refuses more than maxTraces', () => {
    const fast = compile(doubled, { maxTraces: 2 });
    for (const shape of [[2], [3], [2], [3]]) fast({ x: tf.ones(shape) });
    assert.equal(fast.traces, 2);
    refuses(() => fast({ x: tf.ones([4]) }), /3th combination.*x:float32\[4\]/, { line: false });
    fast.dispose();
    assert.equal(fast.traces, 0);
    fast({ x: tf.ones([4]) });
  });

  it('allows a result to be called like an argument', () => {
    const next = compile(({ x }: { x: tf.Tensor }) => ({ x: x.add(1) }));
    assert.deepEqual([...next({ x: tf.tensor1d([1, 2]) }).x.dataSync()], [2, 3]);
  });

  it('works on plain arrays without tfjs tensors', () => {
    const fast = compile(doubled);
    const before = tf.memory().numTensors;
    const { result } = fast.arrays({ x: { data: Float32Array.of(1, 2), shape: [2] } });
    assert.deepEqual([...result.data], [2, 4]);
    assert.equal(tf.memory().numTensors, before);
  });

  it('freezes weights, and takes new ones with refreeze', () => {
    const fast = compile(({ x }: { x: tf.Tensor }, weights) => x.mul(weights.get('w')!), {
      freeze: new Map([['w', tf.scalar(3)]]),
    });
    assert.equal(fast({ x: tf.scalar(2) }).arraySync(), 6);
    fast.refreeze(new Map([['w', tf.scalar(5)]]));
    assert.equal(fast({ x: tf.scalar(2) }).arraySync(), 10);
  });

  it('keeps tensors captured from outside usable', () => {
    const weights = tf.tensor2d(Float32Array.from(normal(key(1), 6)), [3, 2]);
    const fast = compile(({ x }: { x: tf.Tensor }) => tf.matMul(x as tf.Tensor2D, weights));
    const x = x23();
    const expected = tf.matMul(x, weights).dataSync();
    const got = fast({ x }).dataSync();
    expected.forEach((value, i) => assert.ok(Math.abs(value - got[i]) < 1e-5));
    assert.deepEqual(tf.matMul(x, weights).dataSync(), expected);
    // a second function, and a second shape, with the same tensor
    const other = compile(({ y }: { y: tf.Tensor }) => y.sin().matMul(weights).add(weights.sum()));
    const sum = Array.from(weights.dataSync()).reduce((total, w) => total + w, 0);
    other({ y: tf.zeros([4, 3]) })
      .dataSync()
      .forEach((value) => assert.ok(Math.abs(value - sum) < 1e-5));
    assert.deepEqual(fast({ x: tf.zeros([1, 3]) }).shape, [1, 2]);
  });

  it('refuses a tensor kept from another trace', () => {
    let kept: tf.Tensor | undefined;
    compile(({ x }: { x: tf.Tensor }) => {
      kept = tf.keep(x.exp());
      return x.add(1);
    })({ x: x23() });
    refuses(() => compile(({ x }: { x: tf.Tensor }) => x.add(kept!))({ x: x23() }), /made while compiling another/);
  });

  it('runs as it is inside a gradient, inside another compiled function and with CER_COMPILE=off', () => {
    const inner = compile(({ x }: { x: tf.Tensor }) => x.square().sum());
    const gradient = tf.grad((x) => inner({ x }) as tf.Scalar)(tf.tensor1d([1, 2]));
    assert.deepEqual([...gradient.dataSync()], [2, 4]);
    const outer = compile(({ x }: { x: tf.Tensor }) => inner({ x }).add(1));
    assert.equal(outer({ x: tf.tensor1d([1, 2]) }).arraySync(), 6);
    const before = process.env.CER_COMPILE;
    process.env.CER_COMPILE = 'off';
    try {
      const eager = compile(doubled);
      assert.equal(eager({ x: tf.scalar(2) }).arraySync(), 4);
      assert.equal(eager.traces, 0);
    } finally {
      if (before === undefined) delete process.env.CER_COMPILE;
      else process.env.CER_COMPILE = before;
    }
  });

  it('refuses random numbers, of tfjs and of runtime/random, and names the line', () => {
    const x = x23();
    refuses(() => compile(({ x }: { x: tf.Tensor }) => x.add(tf.randomNormal([2, 3])))({ x }), /tf\.randomNormal/);
    refuses(() => compile(({ x }: { x: tf.Tensor }) => tf.dropout(x, 0.5))({ x }), /tf\.(dropout|randomUniform)/);
    refuses(() => compile(({ x }: { x: tf.Tensor }) => x.mul(normal(key(1), 1)[0]))({ x }), /runtime\/random/);
    normal(key(1), 1); // and allows them again afterwards
  });

  it('refuses to read values, results that are no tensors, and kernels it does not know', () => {
    const x = x23();
    refuses(() => compile(({ x }: { x: tf.Tensor }) => x.mul(x.dataSync()[0]))({ x }), /dataSync/);
    refuses(() => compile((() => Promise.resolve(x)) as never)({ x } as never), /a promise/, { line: false });
    refuses(() => compile((({ x }: { x: tf.Tensor }) => ({ x, n: 3 })) as never)({ x } as never), /number for "n"/, {
      line: false,
    });
    refuses(() => compile(({ x }: { x: tf.Tensor }) => tf.topk(x, 2).values)({ x }), /kernel TopK at/);
    assert.deepEqual(
      compile(({ x }: { x: tf.Tensor }) => x.mul(tf.tensor1d([3, 4, 5]).dataSync()[1]))({ x }).shape,
      [2, 3],
    );
  });

  it('is as it was after a refusal: same backend, no tensor more', () => {
    const x = x23();
    const [backend, tensors] = [tf.getBackend(), tf.memory().numTensors];
    assert.throws(() => compile(({ x }: { x: tf.Tensor }) => tf.topk(x.mul(2), 2).values)({ x }), CompileError);
    assert.equal(tf.getBackend(), backend);
    assert.equal(tf.memory().numTensors, tensors);
    assert.deepEqual([...compile(doubled)({ x }).dataSync()], [2, 4, 6, 8, 10, 12]);
  });

  it('shares common subexpressions, folds neutral elements and drops what nothing needs', () => {
    const fast = compile(({ x }: { x: tf.Tensor }) => {
      x.exp().sum(); // needed by nothing
      const wave = x
        .sin()
        .mul(1)
        .add(tf.zeros([2, 3]));
      return wave.add(x.sin().div(1)).mul(tf.ones([2, 3]));
    });
    // one sine and one addition
    assert.equal(fast.onnx({ x: { shape: [2, 3], dtype: 'float32' } }).nodes, 2);
  });

  it('a saved graph runs in a fresh process on any ONNX Runtime', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-'));
    try {
      const fast = compile(({ x }: { x: tf.Tensor }) => ({ y: x.matMul(tf.tensor2d([1, 2, 3], [3, 1])) }));
      const file = join(folder, 'model.onnx');
      writeFileSync(file, fast.onnx({ x: { shape: [2, 3], dtype: 'float32' } }).bytes);
      const script = `const ort = require('onnxruntime-node');
        ort.InferenceSession.create(${JSON.stringify(file)}).then(async (session) => {
          const x = new ort.Tensor('float32', Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
          console.log(Array.from((await session.run({ x })).y.data).join());
        });`;
      const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' });
      assert.equal(stdout.trim(), '14,32', stderr);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
