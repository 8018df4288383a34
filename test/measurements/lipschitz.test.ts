import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { lipschitzSummary, measureConditionLipschitz, oneTokenPerImage } from '../../src/measurements/lipschitz';
import { diffusionHeadShapes, HEAD_IN_MODEL, trainingDiffusion } from '../../src/models/blocks/diffusion-loss';
import type { ImageModel } from '../../src/models/image-model';
import { useBackend } from '../../src/runtime/backend';
import { InvalidInputError } from '../../src/runtime/errors';
import type { Parameters } from '../../src/runtime/parameters';
import { key, normal } from '../../src/runtime/random';

const ROWS = 12;
const WIDTH = 4;

/**
 * A head without blocks whose noise prediction is linear in the condition: `embedding` [4, conditionWidth] goes through a SiLU far
 * on its linear side (bias 30), the final shift and the output are the identity. So the Jacobian is the first two rows of it.
 */
function linearHead(embedding: number[], conditionWidth: number): Parameters {
  const shapes = diffusionHeadShapes(
    { channels: 2, conditionWidth, width: WIDTH, depth: 0, frequencies: 8 },
    HEAD_IN_MODEL,
  );
  const parameters: Parameters = new Map([...shapes].map(([name, shape]) => [name, tf.zeros(shape)]));
  const put = (name: string, value: tf.Tensor) => parameters.set(`${HEAD_IN_MODEL}${name}`, value);
  put('cond_embed.weight', tf.tensor2d(embedding, [WIDTH, conditionWidth]));
  put('cond_embed.bias', tf.fill([WIDTH], 30));
  put('input_proj.weight', tf.tensor2d(Float32Array.from(normal(key(5), WIDTH * 2)), [WIDTH, 2]));
  put('final_layer.adaLN_modulation.1.weight', tf.concat([tf.eye(WIDTH), tf.zeros([WIDTH, WIDTH])]));
  put('final_layer.linear.weight', tf.eye(WIDTH));
  return parameters;
}

const given = (width: number) => ({
  conditions: normal(key(1), ROWS * width),
  width,
  tokens: Float32Array.from(normal(key(2), ROWS * 2)),
  channels: 2,
});

describe('measurements/lipschitz', () => {
  before(async () => {
    await useBackend();
  });

  it('finds the constant of a linear denoiser at every diffusion step, and that of its score', async () => {
    const parameters = linearHead([3, 4, 7, 7], 1); // outputs 3 c and 4 c; the variance values 7 c must not count
    const found = await measureConditionLipschitz('linear', parameters, given(1), {
      diffusionSteps: [500, 0, 999],
      resamples: 10,
      source: key(3),
    });
    for (const { diffusionStep, scoreFactor, median, high, largest, upperMedian, upperLargest, samples } of found) {
      // float32 values near 100 over a step of 0.01: a few 1e-3
      for (const value of [median.value, median.low, median.high, high, largest, upperMedian, upperLargest]) {
        assert.ok(Math.abs(value - 5) < 0.01, `${value} at ${diffusionStep}`);
      }
      assert.ok(Math.abs(scoreFactor * Math.sqrt(1 - trainingDiffusion.tables.alphaBar[diffusionStep]) - 1) < 1e-12);
      assert.equal(samples, ROWS);
    }
    assert.match(lipschitzSummary(found)[0].ours, /at diffusion step 0, the steepest of 3/);
  });

  it('encloses the spectral norm of a wider one', async () => {
    const embedding = [3, 0, 0, 0, 0.5, 0, 0, 0, 0, 0, 0, 0]; // [4, 3]: outputs 3 c_0 and 0.5 c_1
    const [found] = await measureConditionLipschitz('wide', linearHead(embedding, 3), given(3), {
      diffusionSteps: [500],
      directions: 200,
      resamples: 10,
      source: key(3),
    });
    // below the spectral norm 3 but near it with 200 directions in 3 dimensions; Frobenius norm within its sampling error
    assert.ok(found.largest <= 3.01 && found.median.value > 2.9, `${found.median.value} ${found.largest}`);
    assert.ok(Math.abs(found.upperMedian / Math.hypot(3, 0, 0.5) - 1) < 0.1, `${found.upperMedian}`);
  });

  it('is zero where the condition is ignored', async () => {
    const parameters = linearHead([0, 0, 0, 0], 1);
    const [found] = await measureConditionLipschitz('static', parameters, given(1), {
      diffusionSteps: [250],
      source: key(3),
    });
    assert.equal(found.largest, 0);
  });

  it('takes the wanted token of each image, whatever the step that makes it', async () => {
    const tokens = 4;
    const images = 20;
    const model = {
      tokens,
      channels: 1,
      side: 2,
      conditionWidth: 2,
      // two steps of two positions; conditions [image, position], latents 10 image + position
      async *teacherForced() {
        for (const step of [0, 1]) {
          const rows = Array.from({ length: images * 2 }, (_, row) => [row >> 1, 2 * step + (row % 2)]);
          yield {
            step,
            conditions: Float32Array.from(rows.flat()),
            latents: Float32Array.from(rows, ([image, position]) => 10 * image + position),
            classes: new Int32Array(images * 2),
            positions: Int32Array.from(rows, ([, position]) => position),
          };
        }
      },
    } as unknown as ImageModel;
    const latents = { values: new Float32Array(images * tokens), labels: new Int32Array(images) };
    const found = await oneTokenPerImage(model, latents, key(4));
    const positions = new Set<number>();
    for (let image = 0; image < images; image++) {
      const position = found.conditions[2 * image + 1];
      positions.add(position);
      assert.equal(found.conditions[2 * image], image);
      assert.equal(found.tokens[image], 10 * image + position);
    }
    assert.equal(positions.size, tokens);
  });

  it('refuses a step that the process does not have', async () => {
    const wrong = { diffusionSteps: [1000], source: key(0) };
    await assert.rejects(
      measureConditionLipschitz('x', linearHead([1, 1, 1, 1], 1), given(1), wrong),
      InvalidInputError,
    );
  });
});
