import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { evaluate, extractFeatures, makeReference } from '../../src/evaluation/image-quality';
import { compileModel, releaseCompiled } from '../../src/models/compiled/compile-model';
import { classifierSide, initClassifier } from '../../src/models/features/classifier';
import { useBackend } from '../../src/runtime/backend';
import { type Key, key, normal } from '../../src/runtime/random';

/** Images of noise `[count, side, side, 3]` around a mean. */
const noise = (source: Key, count: number, side: number, mean = 0) =>
  tf.tensor4d(
    Float32Array.from(normal(source, count * side * side * 3), (z) => mean + 0.2 * z),
    [count, side, side, 3],
  );

describe('evaluation/image-quality', () => {
  let weights: ReturnType<typeof initClassifier>;
  before(async () => {
    await useBackend();
    weights = initClassifier({ size: 8, classes: 2, width: 8, features: 6 }, key(1));
  });
  after(() => tf.dispose([...weights.values()]));

  it('images of the reference law are nearer to it than those of another law, and nothing leaks', () => {
    const tensors = tf.memory().numTensors;
    const [real, near, far] = [noise(key(1), 200, 8), noise(key(2), 60, 8), noise(key(3), 60, 8, 0.5)];
    const reference = makeReference(extractFeatures(weights, real).features);
    const labels = new Int32Array(60);
    assert.ok(evaluate(weights, reference, near, labels).fid < evaluate(weights, reference, far, labels).fid);
    tf.dispose([real, near, far]);
    assert.equal(tf.memory().numTensors, tensors);
  });

  it('judges bytes: values beyond [-1, 1] count as the limits', () => {
    const images = noise(key(4), 50, 8);
    const reference = makeReference(extractFeatures(weights, images).features);
    const [loud, limits] = [tf.mul<tf.Tensor4D>(images, 1e9), tf.sign<tf.Tensor4D>(images)];
    const labels = new Int32Array(50);
    assert.deepEqual(evaluate(weights, reference, loud, labels), evaluate(weights, reference, limits, labels));
    tf.dispose([images, loud, limits]);
  });

  it("larger images are averaged down to the classifier's size; other sizes are refused", () => {
    assert.equal(classifierSide(weights), 8);
    const small = noise(key(5), 4, 8);
    // whole bytes, so that the mean of four equal ones is the byte itself
    const bytes = tf.tidy(() => small.clipByValue(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)) as tf.Tensor4D;
    const large = tf.tidy(() => tf.image.resizeNearestNeighbor(bytes, [16, 16]));
    const [a, b] = [bytes, large].map((images) => extractFeatures(weights, images).features.data);
    a.forEach((value, i) => assert.ok(Math.abs(value - b[i]) < 1e-5 * (1 + Math.abs(value)), `${value} ${b[i]}`));
    const odd = noise(key(6), 2, 12);
    assert.throws(() => extractFeatures(weights, odd), { name: 'InvalidInputError', message: /12 pixels/ });
    tf.dispose([small, bytes, large, odd]);
  });

  it('compiled it describes as eagerly', () => {
    const images = noise(key(7), 20, 8);
    const eager = extractFeatures(weights, images);
    const compiled = compileModel(weights);
    const fast = extractFeatures(compiled, images);
    releaseCompiled(compiled);
    // one native graph against operations one by one, in float32
    eager.features.data.forEach((value, i) => assert.ok(Math.abs(value - fast.features.data[i]) < 1e-4));
    images.dispose();
  });
});
