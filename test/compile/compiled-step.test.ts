import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { combineCall, squaresCall, updateCall, updateKernel } from '../../src/compile/update-kernel';
import { useBackend } from '../../src/runtime/backend';
import { NumericalError } from '../../src/runtime/errors';
import type { Parameters } from '../../src/runtime/parameters';
import { key, normal } from '../../src/runtime/random';
import { compiledStep } from '../../src/training/compiled-step';
import { sampleShards } from '../../src/training/shards';
import { eagerStep, type Loss, type TrainStep } from '../../src/training/step';
import { partsThatFit } from '../../src/training/step-team';

const numbers = (seed: number, count: number) => Float32Array.from(normal(key(seed), count));
const weights = (): Parameters =>
  new Map<string, tf.Tensor>([
    ['layer.weight', tf.tensor(numbers(1, 20), [5, 4])],
    ['layer.bias', tf.tensor(numbers(2, 5), [5])],
    ['diffloss.weight', tf.tensor(numbers(3, 10), [2, 5])],
    ['unused.weight', tf.tensor(numbers(4, 9), [3, 3])],
  ]);
const loss: Loss = (p, { x, y }) => {
  const hidden = tf.tanh(
    tf.matMul(x as tf.Tensor2D, p.get('layer.weight') as tf.Tensor2D, false, true).add(p.get('layer.bias')!),
  );
  return tf
    .matMul(hidden as tf.Tensor2D, p.get('diffloss.weight') as tf.Tensor2D, false, true)
    .sub(y)
    .square()
    .mean() as tf.Scalar;
};
const batch = (i: number) => ({ x: tf.tensor(numbers(10 + i, 12), [3, 4]), y: tf.tensor(numbers(50 + i, 6), [3, 2]) });
const values = (step: TrainStep) =>
  new Map([...step.exportState().tensors].map(([name, { data }]) => [name, [...data]]));

describe('training/compiled-step', () => {
  before(async () => {
    await useBackend();
  });

  it('the SIMD kernel is built and equals the loops in TypeScript', () => {
    const count = 64;
    const simd = updateKernel(5 * count);
    const plain = updateKernel(5 * count, 'plain');
    assert.equal(simd.name, 'simd');
    const start = Float32Array.from(normal(key(5), 5 * count), (x, i) => (i >= 3 * count && i < 4 * count ? x * x : x));
    const arrays = { weights: 0, gradients: count, first: 2 * count, second: 3 * count, average: 4 * count };
    const settings = {
      clip: 0.5,
      beta1: 0.9,
      beta2: 0.95,
      stepSize: 1e-2,
      inverseRootCorrection: 1.3,
      epsilon: 1e-8,
      emaRate: 0.99,
    };
    for (const kernel of [simd, plain]) {
      kernel.memory.set(start);
      kernel.run(updateCall(arrays, 16, 32, 0.999, settings));
    }
    // a few float32 operations on numbers of order one, against float64 rounded at each store
    simd.memory.forEach((x, i) =>
      assert.ok(Math.abs(x - plain.memory[i]) < 1e-6, `${i}: ${x} against ${plain.memory[i]}`),
    );
    const outside = (i: number) => i % count < 16 || i % count >= 48;
    simd.memory.forEach((x, i) => outside(i) && assert.equal(x, start[i]));
    assert.ok(start.some((x, i) => !outside(i) && x !== simd.memory[i]));
    const exact = [...simd.memory.subarray(count, 2 * count)].reduce((sum, x) => sum + x * x, 0);
    assert.ok(Math.abs(simd.run(squaresCall(count, count)) - exact) < 1e-12 * exact);
    simd.memory[count + 3] = 1e30; // its square is beyond float32
    assert.ok(Math.abs(simd.run(squaresCall(count, count)) / 1e60 - 1) < 1e-6);
  });

  it('gradients of two parts are averaged, with the sum of squares of the average', () => {
    const count = 32;
    for (const kernel of [updateKernel(2 * count, 'shared'), updateKernel(2 * count, 'plain')]) {
      const start = numbers(6, 2 * count);
      kernel.memory.set(start);
      const squares = kernel.run(combineCall(0, count, count, 0.5));
      const mean = start.subarray(0, count).map((x, i) => (x + start[count + i]) / 2);
      mean.forEach((x, i) => assert.ok(Math.abs(kernel.memory[i] - x) < 1e-6));
      assert.deepEqual([...kernel.memory.subarray(count)], [...start.subarray(count)], 'the other part stays');
      const exact = mean.reduce((sum, x) => sum + x * x, 0);
      assert.ok(Math.abs(squares / exact - 1) < 1e-6, `${kernel.name}: ${squares} against ${exact}`);
    }
  });

  it('equals the eager step in decay groups, clipping, moments and averages, also of unused weights', async () => {
    const options = { weightDecay: 0.5, clipNorm: 0.1, emaRate: 0.9 };
    const fast = compiledStep((p, b) => loss(p, b), weights(), options);
    // tf.valueAndGrads refuses weights that a loss does not use; here they count with factor zero
    const slow = eagerStep((p, b) => loss(p, b).add(p.get('unused.weight')!.sum().mul(0)), weights(), options);
    for (let i = 0; i < 4; i++) {
      const [a, b] = [await fast.update(batch(i), 0.05), await slow.update(batch(i), 0.05)];
      assert.ok(Math.abs(a.loss - b.loss) < 1e-5 && Math.abs(a.gradientNorm - b.gradientNorm) < 1e-5);
      assert.ok(a.gradientNorm > 0.1, 'clipping is not active');
    }
    const expected = values(slow);
    for (const [name, got] of values(fast)) {
      // four float32 updates of numbers of order one
      got.forEach((x, i) =>
        assert.ok(Math.abs(x - expected.get(name)![i]) < 5e-6, `${name}[${i}]: ${x} against ${expected.get(name)![i]}`),
      );
    }
  });

  it('cut over two threads it equals the whole batch, also where a batch cannot be cut', async () => {
    const options = { weightDecay: 0.5, clipNorm: 0.1, emaRate: 0.9 };
    const two = compiledStep(loss, weights(), { ...options, shards: sampleShards, threads: 2 });
    const one = compiledStep(loss, weights(), { ...options, threads: 1 });
    const rows = (i: number, count: number) => ({
      x: tf.tensor(numbers(10 + i, 4 * count), [count, 4]),
      y: tf.tensor(numbers(50 + i, 2 * count), [count, 2]),
    });
    for (const [i, count] of [6, 3, 8, 6].entries()) {
      const [a, b] = [await two.update(rows(i, count), 0.05), await one.update(rows(i, count), 0.05)];
      assert.ok(Math.abs(a.loss - b.loss) < 1e-5 && Math.abs(a.gradientNorm - b.gradientNorm) < 1e-5);
    }
    const expected = values(one);
    for (const [name, got] of values(two)) {
      got.forEach((x, i) => assert.ok(Math.abs(x - expected.get(name)![i]) < 5e-6, `${name}[${i}]`));
    }
    // and the same bits each time, whether or not the caller's thread takes a part
    for (const spare of [false, true]) {
      const again = compiledStep(loss, weights(), { ...options, shards: sampleShards, threads: 2, spare });
      for (const [i, count] of [6, 3, 8, 6].entries()) await again.update(rows(i, count), 0.05);
      assert.deepEqual(values(again), values(two), `spare ${spare}`);
      again.dispose();
    }
    for (const step of [one, two]) step.dispose();
  });

  it('a batch is cut into as many equal parts as there are threads for', async () => {
    for (const spare of [false, true]) {
      const four = compiledStep(loss, weights(), { shards: sampleShards, threads: 4, spare });
      const one = compiledStep(loss, weights(), { threads: 1 });
      for (const [i, count] of [4, 6, 2, 5, 3].entries()) {
        const rows = {
          x: tf.tensor(numbers(10 + i, 4 * count), [count, 4]),
          y: tf.tensor(numbers(50 + i, 2 * count), [count, 2]),
        };
        const [a, b] = [await four.update(rows, 0.05), await one.update(rows, 0.05)];
        assert.ok(
          Math.abs(a.loss - b.loss) < 1e-5 && Math.abs(a.gradientNorm - b.gradientNorm) < 1e-5,
          `${count} rows`,
        );
      }
      const expected = values(one);
      for (const [name, got] of values(four)) {
        got.forEach((x, i) => assert.ok(Math.abs(x - expected.get(name)![i]) < 5e-6, `${name}[${i}]`));
      }
      for (const step of [one, four]) step.dispose();
    }
  });

  it('large weights are shared by fewer threads: their gradients must fit into one memory of 4 GiB', () => {
    assert.deepEqual(
      [1e6, 100e6, 120e6, 200e6, 400e6].map((size) => partsThatFit(size, 8)),
      [8, 6, 4, 1, 1],
    );
    assert.equal(partsThatFit(1e6, 1), 1);
  });

  it('threads that cannot see the shared memory without copies compute the same', async function () {
    try {
      require('koffi');
    } catch {
      console.log('      skipped: koffi, an optional package, has no binary for this platform');
      this.skip();
    }
    const options = { shards: sampleShards, threads: 2, spare: false };
    const run = async () => {
      const step = compiledStep(loss, weights(), options);
      const rows = { x: tf.tensor(numbers(1, 16), [4, 4]), y: tf.tensor(numbers(2, 8), [4, 2]) };
      for (let i = 0; i < 3; i++) await step.update(rows, 0.05);
      const result = values(step);
      step.dispose();
      return result;
    };
    const expected = await run();
    const { koffi, view } = { koffi: require('koffi'), view: require('koffi').view };
    let asked = 0;
    koffi.view = () => {
      asked++;
      throw new Error('as where the package is missing');
    };
    try {
      assert.deepEqual(await run(), expected); // this thread copies, the helper does not
    } finally {
      koffi.view = view;
    }
    assert.equal(asked, 1);
  });

  it('with a thread to spare, the next batch is made while helpers compute', async () => {
    for (const spare of [false, true]) {
      const step = compiledStep(loss, weights(), { shards: sampleShards, threads: 2, spare });
      const rows = { x: tf.tensor(numbers(1, 16), [4, 4]), y: tf.tensor(numbers(2, 8), [4, 2]) };
      let calls = 0;
      for (let i = 0; i < 3; i++) await step.update(rows, 0.05, () => calls++);
      assert.equal(calls, 3);
      const before = step.exportState();
      const fails = step.update(rows, 0.05, () => {
        throw new Error('no more data');
      });
      await assert.rejects(fails, /no more data/);
      assert.deepEqual(step.exportState(), before, 'a failed step leaves the old state whole');
      await step.update(rows, 0.05);
      step.dispose();
    }
  });

  it('a part that is not finite stops the step and leaves everything as it was', async () => {
    const step = compiledStep(loss, weights(), { shards: sampleShards, threads: 2 });
    const good = { x: tf.tensor(numbers(1, 8), [2, 4]), y: tf.tensor(numbers(2, 4), [2, 2]) };
    await step.update(good, 1e-2);
    const before = step.exportState();
    const x = numbers(1, 8);
    x[7] = Number.NaN; // the helper's row
    await assert.rejects(step.update({ ...good, x: tf.tensor(x, [2, 4]) }, 1e-2), /with x not finite/);
    assert.deepEqual(step.exportState(), before);
    await step.update(good, 1e-2);
    step.dispose();
  });

  it('resumes with the very same bits', async () => {
    const whole = compiledStep(loss, weights());
    for (let i = 0; i < 3; i++) await whole.update(batch(i), 1e-2);
    const resumed = compiledStep(loss, weights());
    resumed.importState(whole.exportState());
    for (let i = 3; i < 6; i++) {
      assert.deepEqual(await resumed.update(batch(i), 1e-2), await whole.update(batch(i), 1e-2));
    }
    assert.deepEqual(values(resumed), values(whole));
    assert.throws(() => resumed.importState({ step: 1, tensors: new Map() }), /no weights\.layer\.weight/);
    assert.deepEqual(values(resumed), values(whole), 'a refused state changes nothing');
  });

  it('a step that is not finite names the tensor and leaves everything as it was', async () => {
    const step = compiledStep(loss, weights());
    await step.update(batch(0), 1e-2);
    const before = step.exportState();
    const broken = { ...batch(1), x: tf.fill([3, 4], Number.NaN) };
    await assert.rejects(
      step.update(broken, 1e-2),
      (error: Error) => error instanceof NumericalError && /with x not finite/.test(error.message),
    );
    const overflowing = compiledStep(
      (p, { x }) => p.get('layer.weight')!.mul(1e30).square().mul(x.sum()).sum() as tf.Scalar,
      weights(),
    );
    await assert.rejects(overflowing.update(batch(0), 1), /all weights and inputs finite.*layer\.weight/);
    // the root has an infinite slope at zero: a finite loss with gradients that are not
    const kinked = compiledStep(
      (p) => p.get('layer.weight')!.sub(p.get('layer.weight')!).sqrt().sum() as tf.Scalar,
      weights(),
    );
    await assert.rejects(kinked.update({}, 1), /Gradient of layer\.weight/);
    assert.deepEqual([...kinked.exportState().tensors.get('weights.layer.weight')!.data], [...numbers(1, 20)]);
    assert.deepEqual(step.exportState(), before);
    await step.update(batch(1), 1e-2);
  });

  it('parameters and averages are copies that later steps do not touch', async () => {
    const step = compiledStep(loss, weights(), { emaWarmup: false, emaRate: 0 });
    const initial = step.parameters().get('layer.bias')!;
    assert.deepEqual([...initial.dataSync()], [...weights().get('layer.bias')!.dataSync()]);
    await step.update(batch(0), 1e-1);
    assert.deepEqual([...initial.dataSync()], [...weights().get('layer.bias')!.dataSync()]);
    assert.deepEqual(
      [...step.ema().get('layer.bias')!.dataSync()],
      [...step.parameters().get('layer.bias')!.dataSync()],
    );
  });

  it('refuses more batch shapes than maxTraces', async () => {
    const step = compiledStep(loss, weights(), { maxTraces: 1 });
    await step.update(batch(0), 1e-2);
    const smaller = { x: tf.ones([2, 4]), y: tf.ones([2, 2]) };
    await assert.rejects(step.update(smaller, 1e-2), /2th combination.*x:float32\[2,4\]/);
  });

  it('resident memory stays flat over 2,000 steps and no tensor is left behind', async function () {
    this.timeout(120_000);
    const x = batch(0);
    const step = compiledStep(loss, weights());
    const run = async (count: number) => {
      for (let i = 0; i < count; i++) await step.update(x, 1e-3);
      return process.memoryUsage.rss();
    };
    await run(500);
    const tensors = tf.memory().numTensors;
    const before = await run(500);
    const after = await run(1000);
    assert.equal(tf.memory().numTensors, tensors);
    // the 5 %
    assert.ok(after < 1.05 * before, `${before} to ${after} bytes`);
    step.dispose();
  });
});
