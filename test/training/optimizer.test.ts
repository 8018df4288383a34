import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { readSafetensors } from '../../src/io/safetensors';
import { useBackend } from '../../src/runtime/backend';
import type { Parameters } from '../../src/runtime/parameters';
import { key, normal } from '../../src/runtime/random';
import { emaParameters, initEma, updateEma, warmEmaRate } from '../../src/training/ema';
import { adamW, decays, initAdamW } from '../../src/training/optimizer';
import { learningRateAt, scaledRate } from '../../src/training/schedule';

const parametersOf = (values: Record<string, { shape: number[]; data: number[] }>): Parameters =>
  new Map(Object.entries(values).map(([name, { shape, data }]) => [name, tf.tensor(data, shape)]));
const values = (x: tf.Tensor) => [...x.dataSync()];

describe('training/optimizer, ema, schedule', () => {
  before(async () => {
    await useBackend();
  });

  it('sorts parameters into the decay groups of the reference', () => {
    const { weight_decay_groups: groups } = JSON.parse(
      readFileSync('data/reference/mar/mar_small.train3.json', 'utf8'),
    );
    const { tensors } = readSafetensors('data/reference/mar/mar_small.weights.safetensors');
    assert.ok(groups.decay.length > 20 && groups.no_decay.length > 60);
    for (const name of groups.decay) assert.equal(decays(name, tensors.get(name)!.shape), true, name);
    for (const name of groups.no_decay) assert.equal(decays(name, tensors.get(name)!.shape), false, name);
  });

  it('moves by the learning rate against the sign of the first gradient, and decays matrices only', () => {
    const start = parametersOf({
      'a.weight': { shape: [1, 2], data: [1, -2] },
      'a.bias': { shape: [2], data: [1, -2] },
    });
    const gradients = parametersOf({
      'a.weight': { shape: [1, 2], data: [3, -4] },
      'a.bias': { shape: [2], data: [3, -4] },
    });
    const { parameters, gradientNorm } = adamW(start, gradients, initAdamW(start), {
      learningRate: 0.1,
      weightDecay: 0.5,
    });
    // float32 weights of order one
    const close = (got: number[], expected: number[]) =>
      got.forEach((x, i) => assert.ok(Math.abs(x - expected[i]) < 2e-7));
    close(values(parameters.get('a.bias')!), [0.9, -1.9]);
    close(values(parameters.get('a.weight')!), [1 * 0.95 - 0.1, -2 * 0.95 + 0.1]);
    assert.ok(Math.abs(gradientNorm - Math.sqrt(50)) < 1e-12);
    assert.deepEqual(values(start.get('a.weight')!), [1, -2]);
  });

  it('three steps equal the rule written out in float64', () => {
    let parameters = parametersOf({ w: { shape: [2, 3], data: [...normal(key(1), 6)] } });
    let state = initAdamW(parameters);
    const w = Float64Array.from(values(parameters.get('w')!));
    const m = new Float64Array(6);
    const v = new Float64Array(6);
    for (let step = 1; step <= 3; step++) {
      const gradient = [...normal(key(10 + step), 6)].map(Math.fround);
      const norm = Math.hypot(...gradient);
      const result = adamW(parameters, parametersOf({ w: { shape: [2, 3], data: gradient } }), state, {
        learningRate: 0.01 * step,
        clipNorm: 1,
      });
      assert.ok(norm > 1, 'the clipping must be active');
      for (let i = 0; i < 6; i++) {
        const g = gradient[i] / (norm + 1e-6);
        m[i] = 0.9 * m[i] + 0.1 * g;
        v[i] = 0.95 * v[i] + 0.05 * g * g;
        const first = m[i] / (1 - 0.9 ** step);
        const second = v[i] / (1 - 0.95 ** step);
        w[i] = w[i] * (1 - 0.01 * step * 0.02) - (0.01 * step * first) / (Math.sqrt(second) + 1e-8);
      }
      ({ parameters, state } = result);
    }
    // weights and moments are rounded to float32 at each step
    values(parameters.get('w')!).forEach((x, i) => assert.ok(Math.abs(x - w[i]) < 1e-6));
  });

  it('clipping changes nothing below its norm', () => {
    const start = parametersOf({ w: { shape: [2], data: [1, 2] } });
    const gradients = parametersOf({ w: { shape: [2], data: [0.3, 0.4] } });
    const free = adamW(start, gradients, initAdamW(start), { learningRate: 0.1 });
    const clipped = adamW(start, gradients, initAdamW(start), { learningRate: 0.1, clipNorm: 0.6 });
    assert.deepEqual(values(clipped.parameters.get('w')!), values(free.parameters.get('w')!));
  });

  it('names a missing or non-finite gradient', () => {
    const start = parametersOf({ a: { shape: [2], data: [1, 2] }, b: { shape: [2], data: [1, 2] } });
    const bad = parametersOf({ a: { shape: [2], data: [1, 2] }, b: { shape: [2], data: [1, Number.NaN] } });
    assert.throws(
      () => adamW(start, bad, initAdamW(start), { learningRate: 1 }),
      /Gradient of b: got NaN at element 1/,
    );
    bad.delete('b');
    assert.throws(() => adamW(start, bad, initAdamW(start), { learningRate: 1 }), /none for b/);
  });

  it('moving averages follow their rule and forget the start when warmed up', () => {
    const first = parametersOf({ w: { shape: [2], data: [0, 8] } });
    const second = parametersOf({ w: { shape: [2], data: [1, 4] } });
    const averages = updateEma(initEma(first), second, 0.75);
    assert.deepEqual(values(emaParameters(averages, second).get('w')!), [0.25, 7]);
    assert.deepEqual([warmEmaRate(0.999, 0), warmEmaRate(0.999, 10), warmEmaRate(0.999, 1e6)], [0.1, 0.55, 0.999]);
  });

  it('learning rates equal the reference at each fractional epoch', () => {
    const { runs } = JSON.parse(readFileSync('data/reference/mar/lr_sched.json', 'utf8'));
    assert.ok(runs.length >= 3);
    for (const run of runs) {
      const base = Math.max(...run.lr);
      run.epoch.forEach((epoch: number, i: number) => {
        const schedule = { warmup: run.warmup_epochs, shape: run.lr_schedule, total: run.epochs, minimum: run.min_lr };
        assert.ok(Math.abs(learningRateAt(epoch, { base, ...schedule }) - run.lr[i]) <= 1e-12 * base);
      });
    }
    assert.equal(scaledRate(1e-4, 2048), 8e-4);
  });
});
