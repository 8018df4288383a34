import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { compile } from '../../src/compile';
import { scan } from '../../src/compile/scan';
import { useBackend } from '../../src/runtime/backend';

const close = (got: tf.Tensor, want: tf.Tensor) => {
  assert.deepEqual(got.shape, want.shape);
  got.dataSync().forEach((x, i) => assert.ok(Math.abs(x - want.dataSync()[i]) < 1e-6, `${i}: ${x}`));
};

describe('compile/scan', () => {
  before(async () => {
    await useBackend();
  });

  it('carries states, takes entries and stacks what is kept: running sums', () => {
    const sums = ({ x }: { x: tf.Tensor }) => {
      const { states, kept } = scan([tf.zeros([2])], [x], ([sum], [entry]) => {
        const next = sum.add(entry);
        return { states: [next], kept: [next] };
      });
      return { last: states[0], all: kept[0] };
    };
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2]);
    const fast = compile(sums);
    for (const { last, all } of [sums({ x }), fast({ x })]) {
      close(last, tf.tensor1d([9, 12]));
      close(all, tf.tensor2d([1, 2, 4, 6, 9, 12], [3, 2]));
    }
    fast.dispose();
  });

  it('a loop in a loop uses weights, values from outside and constants of both', () => {
    const weights = new Map([['w', tf.tensor2d([0.5, -0.25, 0.125, 1], [2, 2])]]);
    const run = ({ x, bias }: { x: tf.Tensor; bias: tf.Tensor }, parameters: Map<string, tf.Tensor>) => {
      const outside = bias.mul(2);
      const { states } = scan([tf.ones([1, 2])], [x], (outer, [rows]) => {
        const shifted = rows.add(outside).mul(0.5);
        return scan(outer, [shifted], ([state], [row]) => ({
          states: [
            tf
              .matMul(state as tf.Tensor2D, parameters.get('w') as tf.Tensor2D)
              .add(row)
              .mul(0.5)
              .add(outside),
          ],
        }));
      });
      return states[0].add(0.5);
    };
    const x = tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [3, 2, 2]);
    const bias = tf.tensor1d([0.25, -1]);
    const fast = compile(run, { freeze: weights });
    close(fast({ x, bias }), run({ x, bias }, weights));
    fast.dispose();
  });

  it('states that a turn passes on, or takes from outside, arrive unchanged', () => {
    const run = ({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => {
      const { states } = scan([x, x], [tf.zeros([2, 1])], ([first, second]) => ({
        states: [second, y.add(first.mul(0))],
      }));
      return { a: states[0], b: states[1] };
    };
    const [x, y] = [tf.tensor1d([1, 2]), tf.tensor1d([3, 4])];
    const fast = compile(run);
    const { a, b } = fast({ x, y });
    close(a, y);
    close(b, y);
    fast.dispose();
  });

  it('has a gradient: there it is a loop', () => {
    const power = (x: tf.Tensor) =>
      scan([x], [tf.zeros([2, 1])], ([state]) => ({ states: [state.mul(x)] })).states[0].sum();
    const fast = compile(({ x }: { x: tf.Tensor }) => tf.grad(power)(x));
    close(fast({ x: tf.tensor1d([2, 3]) }), tf.tensor1d([12, 27]));
    fast.dispose();
  });

  it('runs on several threads at once, each on its own arguments', () => {
    const fast = compile(({ x }: { x: tf.Tensor }) => ({ y: x.square() }), { threads: 2 });
    const inputs = [1, 2].map((n) => ({ x: { data: Float32Array.of(n, n + 1), shape: [2] } }));
    for (let i = 0; i < 3; i++) {
      assert.deepEqual(
        fast.parallel(inputs).map(({ y }) => [...(y.data as Float32Array)]),
        [
          [1, 4],
          [4, 9],
        ],
      );
    }
    assert.equal(fast.traces, 1);
    fast.dispose();
    assert.deepEqual([...(fast.parallel(inputs)[1].y.data as Float32Array)], [4, 9]);
    fast.dispose();
  });
});
