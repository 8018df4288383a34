import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { causalArConfig, initCausalAr } from '../../../src/models/ar/causal-ar';
import { sineCosinePositions, startFromPositions } from '../../../src/models/blocks/position-embedding';
import { initMar, type MarConfig } from '../../../src/models/mar/mar-config';
import { PRESETS } from '../../../src/models/presets';
import { useBackend } from '../../../src/runtime/backend';
import type { Parameters } from '../../../src/runtime/parameters';
import { key } from '../../../src/runtime/random';

describe('models/blocks/position-embedding', () => {
  before(() => useBackend());

  it('has unit circles of the stated amplitude: every place has the same length', () => {
    const width = 64;
    const values = sineCosinePositions(4, width);
    for (let place = 0; place < 16; place++) {
      const row = values.subarray(place * width, (place + 1) * width);
      const meanSquare = row.reduce((sum, x) => sum + x * x, 0) / width;
      assert.ok(Math.abs(meanSquare - 0.25) < 1e-6, `place ${place}: ${meanSquare}`); // sin^2 + cos^2 = 1, in float32
    }
  });

  it('puts the neighbours of a place nearer than any other place', () => {
    const width = 64;
    const values = sineCosinePositions(4, width);
    const distance = (a: number, b: number) => {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += (values[a * width + k] - values[b * width + k]) ** 2;
      return sum;
    };
    const neighbours = [1, 4, 6, 9].map((place) => distance(5, place));
    const others = [0, 2, 3, 7, 8, 10, 11, 12, 13, 14, 15].map((place) => distance(5, place));
    assert.ok(Math.max(...neighbours) < Math.min(...others));
    assert.ok(Math.abs(neighbours[0] - neighbours[1]) < 1e-6, 'rows and columns alike');
  });

  it('changes the transformer places of tokens only', async () => {
    const config = PRESETS.get('mar-small')?.config as MarConfig;
    const [plain, placed] = [initMar(config, key(1)), startFromPositions(initMar(config, key(1)), 4)];
    const changed = [...plain].filter(([name, x]) => {
      const other = placed.get(name) as tf.Tensor;
      return tf.tidy(() => x.sub(other).abs().max().dataSync()[0]) > 0;
    });
    assert.deepEqual(changed.map(([name]) => name).sort(), ['decoder_pos_embed_learned', 'encoder_pos_embed_learned']);
    const buffer = (weights: Parameters) =>
      (weights.get('encoder_pos_embed_learned') as tf.Tensor3D).slice([0, 0, 0], [1, config.bufferSize, -1]).dataSync();
    assert.deepEqual(buffer(plain), buffer(placed));
    const ar = causalArConfig({ ...(PRESETS.get('ar-small')?.config as object) });
    const [before, after] = [initCausalAr(ar, key(1)), startFromPositions(initCausalAr(ar, key(1)), 4)];
    const moved = tf.tidy(() =>
      (after.get('pos_embed_learned') as tf.Tensor)
        .sub(before.get('pos_embed_learned') as tf.Tensor)
        .flatten()
        .dataSync(),
    );
    const expected = sineCosinePositions(4, ar.width);
    assert.ok(moved.every((value, i) => Math.abs(value - expected[i]) < 1e-6)); // one float32 rounding
    for (const weights of [plain, placed, before, after]) tf.dispose([...weights.values()]);
  });
});
