import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { checkInceptionWeights, inception, inceptionInput } from '../../../src/models/features/inception';
import { useBackend } from '../../../src/runtime/backend';
import type { Parameters } from '../../../src/runtime/parameters';
import { inceptionImages, inceptionWeights } from '../../generators/inception';

const { cases } = JSON.parse(readFileSync('test/reference/inception/expected.json', 'utf8'));

/** float32 through 48 layers against float64: 2e-5 of the largest value (measured 2e-6). */
function near(what: string, got: ArrayLike<number>, expected: number[], tolerance = 2e-5): void {
  const scale = expected.reduce((largest, x) => Math.max(largest, Math.abs(x)), 0);
  expected.forEach((x, i) => assert.ok(Math.abs(got[i] - x) <= tolerance * scale, `${what} ${i}: ${got[i]}, ${x}`));
}

/** Mean and root mean square, in float64: a sum of half a million float32 would lose four digits. */
function summary(x: tf.Tensor): [number, number] {
  const values = x.dataSync() as Float32Array;
  let sum = 0;
  let squares = 0;
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return [sum / values.length, Math.sqrt(squares / values.length)];
}

describe('models/features/inception against PyTorch on random weights', function () {
  this.timeout(120_000);
  let weights: Parameters;
  let images: tf.Tensor4D;

  before(async () => {
    await useBackend();
    weights = inceptionWeights();
    images = inceptionImages();
  });
  after(() => tf.dispose([images, ...weights.values()]));

  it('both ways to make the input', () => {
    for (const kind of ['tensorflow', 'pytorch'] as const) {
      const input = inceptionInput(images, kind);
      assert.deepEqual(input.shape, [2, 299, 299, 3]);
      const { mean, rms } = cases[kind].input;
      near(kind, summary(input), [mean, rms], 1e-5); // one interpolation in float32
      input.dispose();
    }
  });

  it('every map, the features and the logits of an image', () => {
    const tensors = tf.memory().numTensors;
    tf.tidy(() => {
      // Another side than 299, not square, which shows a swapped axis; the reference has two images, both used here.
      const small = images.tile([1, 3, 3, 1]).slice([0, 0, 0, 0], [2, 107, 95, 3]).div(127.5).sub(1) as tf.Tensor4D;
      const expected = cases.small;
      const seen: string[] = [];
      const { features, logits } = inception(weights, small, {
        onMap: (name, map) => {
          const known = expected.maps[name];
          if (!known) return;
          seen.push(name);
          const [batch, channels, height, width] = known.shape;
          assert.deepEqual(map.shape, [batch, height, width, channels], name);
          near(name, summary(map), [known.mean, known.rms]);
        },
      });
      assert.deepEqual(seen, Object.keys(expected.maps));
      assert.deepEqual([features.shape, logits.shape], [[2, 2048], [2, 1008]]); // biome-ignore format: two shapes
      near('features', features.stridedSlice([0, 0], [2, 2048], [1, 64]).dataSync(), expected.features);
      near('logits', logits.stridedSlice([0, 0], [2, 1008], [1, 63]).dataSync(), expected.logits_without_bias);
    });
    assert.equal(tf.memory().numTensors, tensors);
  });

  it('an image of 299 x 299 from its bytes, with the bias of the last layer', () => {
    tf.tidy(() => {
      const input = inceptionInput(images.slice([0, 0, 0, 0], [1, -1, -1, -1]));
      const { features, logits } = inception(weights, input, { bias: true });
      near(
        'features',
        features.stridedSlice([0, 0], [1, 2048], [1, 64]).dataSync(),
        cases.tensorflow.features.slice(0, 32),
      );
      near('logits', logits.stridedSlice([0, 0], [1, 1008], [1, 63]).dataSync(), cases.tensorflow.logits.slice(0, 16));
    });
  });

  it('weights of another network are refused by name', () => {
    checkInceptionWeights(weights);
    const torchvision = new Map<string, { shape: number[] }>(weights).set('fc.weight', { shape: [1000, 2048] });
    assert.throws(() => checkInceptionWeights(torchvision), /fc.weight of shape \[1000,2048\].*\[1008,2048\]/);
    const without = new Map<string, { shape: number[] }>(weights);
    without.delete('Mixed_7c.branch_pool.conv.weight');
    assert.throws(() => checkInceptionWeights(without), /no Mixed_7c.branch_pool.conv.weight/);
  });
});
