import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../../src/diffusion/noise';
import { convolution, groupNorm, upsample } from '../../../src/models/blocks/image-layers';
import { embed, fillRows, gelu, layerNorm, linear, normalise, silu, takeRows } from '../../../src/models/blocks/layers';
import { timestepFeatures } from '../../../src/models/blocks/timestep-features';
import { useBackend } from '../../../src/runtime/backend';
import { InvalidInputError } from '../../../src/runtime/errors';
import { key } from '../../../src/runtime/random';

const values = (x: tf.Tensor) => [...x.dataSync()];
const indices = (...rows: number[]) => tf.tensor1d(rows, 'int32');

function assertClose(actual: tf.Tensor, expected: tf.Tensor | number[], tolerance: number): void {
  const wanted = Array.isArray(expected) ? expected : values(expected);
  const got = values(actual);
  assert.equal(got.length, wanted.length);
  got.forEach((x, i) => assert.ok(Math.abs(x - wanted[i]) <= tolerance, `entry ${i}: ${x} against ${wanted[i]}`));
}

/** <gradient of <dy, f(x)>, direction> by central differences; float32 leaves three to four digits. */
function slope(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, dy: tf.Tensor, direction: tf.Tensor): number {
  const at = (step: number) =>
    f(x.add(direction.mul(step)))
      .mul(dy)
      .sum()
      .dataSync()[0];
  return (at(1e-2) - at(-1e-2)) / 2e-2;
}

function analyticSlope(f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor, dy: tf.Tensor, direction: tf.Tensor): number {
  return tf.grad(f)(x, dy).mul(direction).sum().dataSync()[0];
}

describe('layers', () => {
  before(async () => {
    await useBackend();
  });

  it('linear multiplies by the transposed PyTorch matrix over the last axis', () => {
    const parameters = new Map<string, tf.Tensor>([
      [
        'l.weight',
        tf.tensor2d([
          [1, 2, 3],
          [4, 5, 6],
        ]),
      ], // prettier-ignore
      ['l.bias', tf.tensor1d([10, 20])],
    ]);
    const x = tf.tensor3d([[[1, 0, 0]], [[0, 1, 1]]]);
    assert.deepEqual(values(linear(parameters, 'l', x)), [11, 24, 15, 31]);
    assert.deepEqual(linear(parameters, 'l', x).shape, [2, 1, 2]);
    assert.throws(() => linear(parameters, 'other', x), InvalidInputError);
  });

  it('normalise gives mean 0 and variance n-divided 1, and its gradient is the derivative', () => {
    const x = normalTensor(key(1), [4, 16]).mul(3).add(5);
    const y = normalise(x);
    assertClose(y.mean(1), [0, 0, 0, 0], 1e-6);
    assertClose(y.square().mean(1), [1, 1, 1, 1], 1e-5); // epsilon 1e-6 against a variance of 9
    const [dy, direction] = [normalTensor(key(2), [4, 16]), normalTensor(key(3), [4, 16])];
    const [exact, numeric] = [analyticSlope, slope].map((method) => method((z) => normalise(z), x, dy, direction));
    assert.ok(Math.abs(exact - numeric) < 2e-3 * Math.max(1, Math.abs(numeric)), `${exact} against ${numeric}`);
  });

  it('layer norm scales and shifts', () => {
    const parameters = new Map<string, tf.Tensor>([
      ['n.weight', tf.tensor1d([2, 2])],
      ['n.bias', tf.tensor1d([1, 0])],
    ]);
    assertClose(layerNorm(parameters, 'n', tf.tensor2d([[1, 3]])), [-1, 2], 1e-5);
  });

  it('gelu is the exact one and silu its own', () => {
    // x Phi(x) from tables of the normal law; erf is accurate to 2e-7 in every backend
    const table = [
      [-1, -0.15865525393],
      [0, 0],
      [0.5, 0.34573123063],
      [2, 1.9544997361],
    ]; // prettier-ignore
    assertClose(
      gelu(tf.tensor1d(table.map(([x]) => x))),
      table.map(([, y]) => y),
      5e-7,
    );
    assertClose(silu(tf.tensor1d([0, 2])), [0, 2 / (1 + Math.exp(-2))], 1e-6);
  });

  it('takeRows gathers, and its gradient scatters', () => {
    const x = tf.tensor2d([[1], [2], [3], [4]]);
    const taken = (given: tf.Tensor) => takeRows(given as tf.Tensor2D, indices(3, 1), indices(2, 1, 2, 0));
    assert.deepEqual(values(taken(x)), [4, 2]);
    assert.deepEqual(values(tf.grad(taken)(x, tf.tensor2d([[10], [20]]))), [0, 20, 0, 10]);
    assert.deepEqual(values(takeRows(x, indices(0, 0))), [1, 1]);
  });

  it('fillRows spreads rows and fills the rest, and its gradient takes both back', () => {
    const placement = { kept: indices(1, 3), filled: indices(0, 2), source: indices(2, 0, 2, 1) };
    const spread = (rows: tf.Tensor, fill: tf.Tensor) => fillRows(rows as tf.Tensor2D, fill as tf.Tensor2D, placement);
    const [rows, fill] = [tf.tensor2d([[5], [6]]), tf.tensor2d([[9]])];
    assert.deepEqual(values(spread(rows, fill)), [9, 5, 9, 6]);
    const [dRows, dFill] = tf.grads(spread)([rows, fill], tf.tensor2d([[1], [2], [3], [4]]));
    assert.deepEqual(values(dRows), [2, 4]);
    assert.deepEqual(values(dFill), [4]);
  });

  it('embed looks labels up, and its gradient adds up repeated labels', () => {
    const table = tf.tensor2d([
      [1, 2],
      [3, 4],
      [5, 6],
    ]); // prettier-ignore
    const looked = (given: tf.Tensor) => embed(given as tf.Tensor2D, indices(2, 0, 2));
    assert.deepEqual(values(looked(table)), [5, 6, 1, 2, 5, 6]);
    const dy = tf.tensor2d([
      [1, 1],
      [10, 10],
      [100, 100],
    ]); // prettier-ignore
    assert.deepEqual(values(tf.grad(looked)(table, dy)), [10, 10, 0, 0, 101, 101]);
  });

  it('timestep features are cosines and sines of float32 angles', () => {
    const features = timestepFeatures(indices(0, 7), 4);
    const angle = 7 * Math.exp(-Math.log(10000) / 2);
    assertClose(features, [1, 1, 0, 0, Math.cos(7), Math.cos(angle), Math.sin(7), Math.sin(angle)], 1e-6);
  });
});

describe('image layers', () => {
  before(async () => {
    await useBackend();
  });

  const kernel = () => normalTensor<tf.Rank.R4>(key(1), [2, 3, 3, 3]);
  const image = () => normalTensor<tf.Rank.R4>(key(2), [2, 6, 6, 3]);
  const weights = (matrix: tf.Tensor) =>
    new Map([
      ['c.weight', matrix],
      ['c.bias', tf.zeros([matrix.shape[0]])],
    ]); // prettier-ignore

  for (const stride of [1, 2] as const) {
    it(`convolution with stride ${stride}: its gradients are the adjoints of a bilinear map`, () => {
      const size = stride === 1 ? 6 : 3;
      const dy = normalTensor<tf.Rank.R4>(key(3), [2, size, size, 2]);
      const apply = (x: tf.Tensor, k: tf.Tensor) => convolution(weights(k), 'c', x as tf.Tensor4D, stride);
      assert.deepEqual(apply(image(), kernel()).shape, dy.shape);
      const [dx, dk] = tf.grads(apply)([image(), kernel()], dy);
      // <dy, conv(x, k)> is linear in each argument: its gradient there gives the value back.
      const value = apply(image(), kernel()).mul(dy).sum().dataSync()[0];
      for (const product of [dx.mul(image()), dk.mul(kernel())]) {
        assert.ok(Math.abs(product.sum().dataSync()[0] - value) < 1e-4 * Math.max(1, Math.abs(value)));
      }
      const other = normalTensor<tf.Rank.R4>(key(4), [2, 3, 3, 3]);
      const along = apply(image(), other).mul(dy).sum().dataSync()[0];
      assert.ok(Math.abs(dk.mul(other).sum().dataSync()[0] - along) < 1e-4 * Math.max(1, Math.abs(along)));
    });
  }

  it('convolution pads all round, down-sampling at the bottom and right only', () => {
    const ones = weights(tf.ones([1, 1, 3, 3]));
    const same = convolution(ones, 'c', tf.ones([1, 3, 3, 1]));
    assert.deepEqual(values(same), [4, 6, 4, 6, 9, 6, 4, 6, 4]);
    const half = convolution(ones, 'c', tf.ones([1, 4, 4, 1]), 2);
    assert.deepEqual(values(half), [9, 6, 6, 4]);
    const point = convolution(weights(tf.tensor4d([[[[2]], [[3]]]])), 'c', tf.tensor4d([[[[1, 10]]]]));
    assert.deepEqual(values(point), [32]);
  });

  it('group norm normalises each group over all pixels', () => {
    const parameters = new Map<string, tf.Tensor>([
      ['g.weight', tf.ones([4])],
      ['g.bias', tf.zeros([4])],
    ]);
    const y = groupNorm(parameters, 'g', normalTensor<tf.Rank.R4>(key(5), [2, 3, 3, 4]).mul(4).add(7), 2);
    const groups = y.reshape([2, 9, 2, 2]);
    assertClose(groups.mean([1, 3]), [0, 0, 0, 0], 1e-5);
    assertClose(groups.square().mean([1, 3]), [1, 1, 1, 1], 1e-4);
    const dy = normalTensor(key(6), [2, 3, 3, 4]);
    const f = (x: tf.Tensor) => groupNorm(parameters, 'g', x as tf.Tensor4D, 2);
    const x = normalTensor(key(7), [2, 3, 3, 4]);
    const direction = normalTensor(key(8), [2, 3, 3, 4]);
    const [exact, numeric] = [analyticSlope, slope].map((method) => method(f, x, dy, direction));
    assert.ok(Math.abs(exact - numeric) < 5e-3 * Math.max(1, Math.abs(numeric)), `${exact} against ${numeric}`);
  });

  it('upsample repeats pixels, and its gradient adds them up', () => {
    const x = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
    assert.deepEqual(values(upsample(x)), [1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4]);
    const dy = tf.range(0, 16).reshape([1, 4, 4, 1]);
    assert.deepEqual(values(tf.grad((z: tf.Tensor) => upsample(z as tf.Tensor4D))(x, dy)), [10, 18, 42, 50]);
  });
});
