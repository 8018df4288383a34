import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../../src/diffusion/noise';
import { takeRows } from '../../../src/models/blocks/layers';
import {
  classEmbedding,
  drawMar,
  initMar,
  type MarBatch,
  type MarConfig,
  marConditions,
  marConfig,
  marLoss,
  marShapes,
  marWantedConditions,
  patchify,
  placementTensors,
  tokenChannels,
  tokenCount,
  unpatchify,
} from '../../../src/models/mar/mar';
import { placeTokens } from '../../../src/models/mar/masking';
import { useBackend } from '../../../src/runtime/backend';
import { InvalidInputError } from '../../../src/runtime/errors';
import type { Parameters } from '../../../src/runtime/parameters';
import { key, randint } from '../../../src/runtime/random';
import { valueAndGradients } from '../../../src/training/step';
import { livelyMar, TINY } from '../../generators/tiny-mar';

function batchOf(config: MarConfig, count: number): MarBatch {
  const side = config.imageSize / config.vaeStride;
  return {
    latents: normalTensor<tf.Rank.R4>(key(1), [count, side, side, config.latentChannels]),
    labels: tf.tensor1d(randint(key(2), count, 0, config.classes), 'int32'),
  };
}

describe('mar', () => {
  before(async () => {
    await useBackend();
  });

  it('patches are channel-major, raster order, and fit together again', () => {
    // value = 100 channel + 10 row + column
    const latents = tf.tensor4d(
      Array.from({ length: 32 }, (_, i) => 100 * (i % 2) + 10 * Math.floor(i / 8) + (Math.floor(i / 2) % 4)),
      [1, 4, 4, 2],
    );
    const tokens = patchify(latents, 2);
    assert.deepEqual(tokens.shape, [1, 4, 8]);
    assert.deepEqual([...tokens.slice([0, 1, 0], [1, 1, 8]).dataSync()], [2, 3, 12, 13, 102, 103, 112, 113]);
    assert.deepEqual([...unpatchify(tokens, 2).dataSync()], [...latents.dataSync()]);
    assert.deepEqual([...unpatchify(patchify(latents, 1), 1).dataSync()], [...latents.dataSync()]);
  });

  it('fresh weights have the shapes of the table and the laws of the reference', () => {
    const parameters = initMar(TINY, key(4));
    for (const [name, shape] of marShapes(TINY)) assert.deepEqual(parameters.get(name)?.shape, shape, name);
    const largest = (name: string) => parameters.get(name)!.abs().max().dataSync()[0];
    assert.equal(largest('z_proj.bias'), 0);
    assert.equal(largest('diffloss.net.final_layer.linear.weight'), 0);
    assert.equal(parameters.get('encoder_blocks.0.norm1.weight')!.min().dataSync()[0], 1);
    assert.equal(parameters.get('z_proj_ln.weight')!.min().dataSync()[0], 1);
    assert.ok(largest('decoder_embed.weight') <= Math.sqrt(6 / 28));
    const embedding = parameters.get('decoder_pos_embed_learned')!;
    const std = Math.sqrt(embedding.square().mean().dataSync()[0]);
    assert.ok(Math.abs(std / 0.02 - 1) < 4 / Math.sqrt(2 * embedding.size), `${std}`);
  });

  it('masked tokens are not seen, unmasked ones are', () => {
    const parameters = livelyMar();
    const { latents, labels } = batchOf(TINY, 2);
    const tokens = patchify(latents, 2);
    const mask = Uint8Array.from({ length: 32 }, (_, i) => (i % 4 === 0 ? 1 : 0));
    const placement = placementTensors(placeTokens(mask, 16, TINY.bufferSize));
    const classes = classEmbedding(parameters, labels);
    const of = (x: tf.Tensor3D) => marConditions(parameters, TINY, x, classes, placement);
    const hidden = tf.tensor3d(
      [...mask].flatMap((m) => [m]),
      [2, 16, 1],
    );
    const plain = of(tokens);
    assert.deepEqual([...of(tokens.add(hidden.mul(5))).dataSync()], [...plain.dataSync()]);
    assert.ok(
      of(tokens.add(tf.sub(1, hidden).mul(5)))
        .sub(plain)
        .abs()
        .max()
        .dataSync()[0] > 1e-3,
    );
    assert.deepEqual(plain.shape, [2, 16, 16]);
  });

  it('a dropped label is the fake latent', () => {
    const parameters = livelyMar();
    const rows = classEmbedding(parameters, tf.tensor1d([1, 4], 'int32'), tf.tensor2d([[0], [1]]));
    const expected = tf.concat([parameters.get('fake_latent')!, parameters.get('class_emb.weight')!.slice(4, 1)], 0);
    assert.deepEqual([...rows.dataSync()], [...expected.dataSync()]);
  });

  it('every weight has a gradient, and the loss falls along it as fast as it says', () => {
    const parameters = livelyMar();
    const batch = batchOf(TINY, 3);
    const draws = drawMar({ ...TINY, labelDrop: 0.5 }, 3, key(7), { masked: 9 });
    const loss = (weights: Parameters) => marLoss(weights, TINY, batch, draws);
    const { gradients } = valueAndGradients(loss, parameters, {});
    for (const [name, gradient] of gradients) assert.ok(gradient.abs().max().dataSync()[0] > 0, name);
    const squared = [...gradients.values()].reduce((sum, g) => sum + g.square().sum().dataSync()[0], 0);
    const step = 1e-2 / Math.sqrt(squared);
    const moved = (sign: number) =>
      loss(
        new Map([...parameters].map(([name, w]) => [name, w.add(gradients.get(name)!.mul(sign * step))])),
      ).dataSync()[0];
    const slope = (moved(1) - moved(-1)) / (2 * step);
    assert.ok(Math.abs(slope / squared - 1) < 0.02, `${slope} against ${squared}`); // float32 differences
  });

  it('the conditions of wanted tokens are those rows of all conditions, and so are their gradients', () => {
    const parameters = livelyMar();
    const tokens = patchify(batchOf(TINY, 2).latents, 2);
    const mask = Uint8Array.from({ length: 32 }, (_, i) => (i % 4 === 0 ? 1 : 0));
    const wanted = mask.map((masked, i) => (masked === 1 && i % 8 === 0 ? 1 : 0));
    const placement = placementTensors(placeTokens(mask, 16, TINY.bufferSize, wanted));
    const classes = tf.zeros([2, TINY.encoderWidth]) as tf.Tensor2D;
    const few = (weights: Parameters) => marWantedConditions(weights, TINY, tokens, classes, placement);
    const all = (weights: Parameters) => {
      const conditions = marConditions(weights, TINY, tokens, classes, placement).reshape([32, -1]) as tf.Tensor2D;
      return takeRows(conditions, placement.wanted, placement.wantedSource);
    };
    const gradients = (rows: (weights: Parameters) => tf.Tensor) =>
      valueAndGradients((weights) => rows(weights).sin().sum() as tf.Scalar, parameters, {}).gradients;
    const close = (got: tf.Tensor, want: tf.Tensor, what: string) => {
      const bound = 1e-5 * Math.max(1, want.abs().max().dataSync()[0]); // sums in another order
      assert.ok(got.sub(want).abs().max().dataSync()[0] <= bound, what);
    };
    close(few(parameters), all(parameters), 'conditions');
    const expected = gradients(all);
    for (const [name, gradient] of gradients(few)) close(gradient, expected.get(name)!, name);
  });

  it('draws have the laws that they should, repeat by key, and dropout of nothing changes nothing', () => {
    const values = (key_: number) => [...drawMar(TINY, 2, key(key_), { masked: 8 }).noise.dataSync()];
    assert.deepEqual(values(1), values(1));
    assert.notDeepEqual(values(1), values(2));
    const dropping = { ...TINY, attentionDropout: 0.25, projectionDropout: 0.5 };
    const { dropout, ...rest } = drawMar(dropping, 4, key(3), { masked: 8 });
    const hidden = dropout!['decoder_blocks.1.mlp.fc1'];
    assert.deepEqual(hidden.shape, [4, 19, 32]);
    assert.deepEqual([...new Set(hidden.dataSync())].sort(), [0, 2]);
    assert.ok(Math.abs(hidden.mean().dataSync()[0] - 1) < 4 / Math.sqrt(hidden.size));
    const [parameters, batch] = [livelyMar(), batchOf(TINY, 4)];
    const ones = Object.fromEntries(Object.entries(dropout!).map(([name, x]) => [name, tf.onesLike(x)]));
    const at = (factors?: typeof ones) => marLoss(parameters, TINY, batch, { ...rest, dropout: factors }).dataSync()[0];
    assert.equal(at(ones), at());
    assert.notEqual(at(dropout), at());
    assert.equal(tokenCount(TINY) * tokenChannels(TINY), 16 * 8);
  });

  it('names wrong configurations', () => {
    for (const wrong of [
      { encoderHeads: 5 },
      { patchSize: 3 },
      { labelDrop: 2 },
      { maskRatioMin: 0 },
      { classes: 0 },
    ]) {
      assert.throws(() => marConfig({ ...TINY, ...wrong }), InvalidInputError, JSON.stringify(wrong));
    }
  });
});
