import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { plain } from '../../src/compile/compile';
import { normalTensor } from '../../src/diffusion/noise';
import { causalArConfig, causalArLoss, drawCausalAr, initCausalAr } from '../../src/models/ar/causal-ar';
import { cdmConfig, cdmLoss, drawCdm, initCdm } from '../../src/models/cdm/cdm';
import { drawMar, initMar, marConfig, marLoss } from '../../src/models/mar/mar';
import { useBackend } from '../../src/runtime/backend';
import type { Parameters } from '../../src/runtime/parameters';
import { foldIn, type Key, key, normal } from '../../src/runtime/random';
import { refinedCausalAr, refinedMar } from '../../src/training/refined-model';
import { type PlainBatch, sampleShards, tokenShards } from '../../src/training/shards';
import type { Batch, Loss } from '../../src/training/step';

const SAMPLES = 4;
const grid = { imageSize: 8, vaeStride: 2, latentChannels: 4, classes: 5, timestepFrequencies: 32 };
const head = { headDepth: 1, headWidth: 16, noisesPerToken: 2 };
const mar = marConfig({
  ...grid,
  ...head,
  encoderWidth: 16,
  encoderDepth: 1,
  encoderHeads: 2,
  decoderWidth: 24,
  decoderDepth: 1,
  decoderHeads: 4,
  bufferSize: 3,
});
const ar = causalArConfig({ ...grid, ...head, width: 16, depth: 1, heads: 2 });
const cdm = cdmConfig({ ...grid, width: 16, depth: 1, heads: 2 });

const images = (source: Key): Batch => ({
  latents: tf.tensor(Float32Array.from(normal(source, SAMPLES * 64)), [SAMPLES, 4, 4, 4]),
  labels: tf.tensor1d([0, 4, 2, 1], 'int32'),
});
const gaussian = (name: string, shape: number[]) => normalTensor(foldIn(key(4), name), shape);
/** Zero-initialised layers would make the loss blind to conditions. */
const stirred = (parameters: Parameters): Parameters =>
  new Map(
    [...parameters].map(([name, x]) => {
      const noise = Float32Array.from(normal(foldIn(key(9), name), x.size), (v) => 0.05 * v);
      return [name, x.add(tf.tensor(noise, x.shape))];
    }),
  );
const dropoutOf = (batch: Batch) =>
  Object.fromEntries(
    Object.entries(batch).flatMap(([name, x]) => (/^dropout\./.test(name) ? [[name.slice(8), x]] : [])),
  );

const MODELS: { name: string; repeats?: number; initial(): Parameters; batch(): Batch; loss: Loss }[] = [
  {
    name: 'MAR with dropout',
    repeats: 2,
    initial: () => initMar(mar, key(1)),
    batch: () => {
      const { dropout, ...draws } = drawMar(
        { ...mar, attentionDropout: 0.1, projectionDropout: 0.1 },
        SAMPLES,
        key(2),
        {
          masked: 11,
        },
      );
      const named = Object.fromEntries(Object.entries(dropout ?? {}).map(([name, x]) => [`dropout.${name}`, x]));
      return { ...draws, ...named, ...images(key(3)) };
    },
    loss: (p, batch) => marLoss(p, mar, batch as never, { ...batch, dropout: dropoutOf(batch) } as never),
  },
  {
    name: 'causal AR',
    repeats: 2,
    initial: () => initCausalAr(ar, key(1)),
    batch: () => ({ ...drawCausalAr(ar, SAMPLES, key(2)), ...images(key(3)) }),
    loss: (p, batch) => causalArLoss(p, ar, batch as never, batch as never),
  },
  {
    name: 'CDM',
    initial: () => initCdm(cdm, key(1)),
    batch: () => ({ ...drawCdm(cdm, SAMPLES, key(2)), ...images(key(3)) }),
    loss: (p, batch) => cdmLoss(p, cdm, batch as never, batch as never),
  },
  ...[refinedCausalAr(ar), refinedMar(mar)].map((model) => ({
    name: `refined ${model.name}`,
    repeats: 2,
    initial: () => model.initial(key(1)),
    batch: () => ({
      ...model.draw(SAMPLES, key(2)),
      ...images(key(3)),
      history: gaussian('history', [SAMPLES, model.tokens, model.channels]),
      offset: gaussian('offset', [SAMPLES, model.tokens, model.width]),
      passThrough: gaussian('passThrough', [SAMPLES, model.tokens, 1]),
    }),
    loss: model.loss,
  })),
];

const tensors = (batch: PlainBatch): Batch =>
  Object.fromEntries(
    Object.entries(batch).map(([name, { data, shape }]) => [
      name,
      tf.tensor(data, [...shape], data instanceof Int32Array ? 'int32' : 'float32'),
    ]),
  );

describe('training/shards', () => {
  before(async () => {
    await useBackend();
  });

  for (const { name, repeats, initial, batch, loss } of MODELS) {
    it(`${name}: the loss of a batch is the mean of the losses of its parts`, () => {
      const parameters = stirred(initial());
      const whole = batch();
      const expected = loss(parameters, whole).dataSync()[0];
      for (const parts of [2, 4]) {
        const cut = tokenShards(repeats)(plain(whole), parts)!;
        assert.equal(cut.length, parts);
        const losses = cut.map((part) => loss(parameters, tensors(part)).dataSync()[0]);
        const mean = losses.reduce((sum, x) => sum + x, 0) / parts;
        // float32 sums in another order
        assert.ok(Math.abs(mean - expected) < 1e-5 * Math.abs(expected), `${mean} against ${expected}`);
        assert.ok(new Set(losses).size === parts, 'the parts are different samples');
      }
    });
  }

  it('a batch that cannot be cut equally, or has an array of unknown meaning, is left whole', () => {
    const { initial: _, batch } = MODELS[0];
    const whole = plain(batch());
    assert.equal(tokenShards(2)(whole, 3), undefined);
    assert.equal(tokenShards(2)({ ...whole, unheardOf: whole.latents }, 2), undefined);
    const rows = { data: new Float32Array(6), shape: [3, 2] };
    assert.equal(sampleShards({ rows }, 2), undefined);
    assert.equal(sampleShards({ rows, other: { data: new Float32Array(2), shape: [2] } }, 3), undefined);
    assert.equal(sampleShards({}, 2), undefined);
    assert.deepEqual(
      sampleShards({ rows: { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] } }, 2)?.map(({ rows }) => [
        ...rows.data,
      ]),
      [
        [1, 2],
        [3, 4],
      ],
    );
  });
});
