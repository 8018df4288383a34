import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { loadParameters } from '../../src/io/parameters';
import { denoisingCurves } from '../../src/measurements/signal-to-noise';
import { marConfig } from '../../src/models/mar/mar';
import { marModel } from '../../src/models/mar/mar-model';
import { conditionRefinement } from '../../src/refinement/condition-refinement';
import { learnIdealLaw } from '../../src/refinement/learn-ideal-law';
import { optimalTransportRefiner } from '../../src/refinement/optimal-transport';
import { useBackend } from '../../src/runtime/backend';
import { key, normal } from '../../src/runtime/random';

/** The fitted reference weights: not a useful model, but its samples stay of order one. */
const config = marConfig({
  imageSize: 64,
  vaeStride: 8,
  latentChannels: 16,
  encoderWidth: 64,
  encoderDepth: 1,
  encoderHeads: 4,
  decoderWidth: 64,
  decoderDepth: 1,
  decoderHeads: 4,
  bufferSize: 8,
  classes: 10,
  headDepth: 3,
  headWidth: 64,
  attentionDropout: 0,
  projectionDropout: 0,
  samplingSteps: 'ddim20',
});
const weights = join(__dirname, '..', '..', 'data', 'reference', 'mar', 'mar_small_fitted.weights.safetensors');
const tokens = 64;
const channels = 16;
const count = 24;

describe('models: generation with a small MAR', () => {
  let model: ReturnType<typeof marModel>;
  const labels = Int32Array.from({ length: count }, (_, i) => i % 3);
  const latents = { values: Float32Array.from(normal(key(1), count * tokens * channels)), labels };

  before(async () => {
    await useBackend();
    model = marModel(loadParameters(weights), config, { steps: 4 });
  });

  it('teacher forcing visits every token once, in the order of the generation, with its real latent', async () => {
    const seen = new Map<string, number>();
    const generated: number[][] = [];
    const real = tf.tensor4d(latents.values, [count, 8, 8, channels]);
    for await (const rows of model.teacherForced!(real, labels)) {
      rows.positions.forEach((position, i) => {
        const name = `${Math.floor(i / (rows.positions.length / count))}:${position}`;
        seen.set(name, (seen.get(name) ?? 0) + 1);
      });
      const image = 5;
      const perImage = rows.positions.length / count;
      const row = image * perImage;
      const at = (image * tokens + rows.positions[row]) * channels;
      assert.deepEqual(
        [...rows.latents.subarray(row * channels, (row + 1) * channels)],
        [...latents.values.subarray(at, at + channels)],
      );
      assert.equal(rows.classes[row], labels[image]);
      generated.push([...new Set(rows.positions)]);
    }
    assert.equal(seen.size, count * tokens);
    assert.ok([...seen.values()].every((count) => count === 1));
    const sampled: number[][] = [];
    const out = await model.generate({
      labels,
      key: key(2),
      hook: ({ conditions, positions }) => {
        sampled.push([...new Set(positions)]);
        return conditions.clone();
      },
    });
    assert.deepEqual(sampled, generated);
    tf.dispose([real, out]);
  });

  it('the first step of teacher forcing and of generation have the same conditions: nothing is known yet', async () => {
    const real = tf.tensor4d(latents.values, [count, 8, 8, channels]);
    let forced = new Float32Array();
    for await (const rows of model.teacherForced!(real, labels)) if (rows.step === 0) forced = rows.conditions.slice();
    const out = await model.generate({
      labels,
      key: key(2),
      hook: ({ step, conditions }) => {
        const own = conditions.dataSync();
        if (step === 0) own.forEach((value, i) => assert.ok(Math.abs(value - forced[i]) < 1e-5)); // one float32 network, two batches
        return conditions.clone();
      },
    });
    tf.dispose([real, out]);
  });

  it('refines inside a generation, reports every group, and leaks nothing', async () => {
    const ideal = await learnIdealLaw(model, latents, key(3), { capacity: 8 });
    assert.equal(ideal.groups.size, 3 * tokens);
    const before = tf.memory().numTensors;
    const { hook, report } = conditionRefinement({
      refiner: optimalTransportRefiner({ lambda: 0.2 }),
      ideal,
      fingerprint: model.fingerprint,
      priorSteps: 2,
    });
    const plain = await model.generate({ labels, key: key(4) });
    const refined = await model.generate({ labels, key: key(4), hook });
    assert.equal(tf.memory().numTensors, before + 2);
    assert.equal(report.groups.length, 3 * tokens);
    assert.ok(report.groups.filter(({ skipReason }) => skipReason === undefined).length > (3 * tokens) / 2);
    assert.ok(refined.sub(plain).abs().max().dataSync()[0] > 0);
    tf.dispose([plain, refined]);
  });

  it('denoising curves end where the generation ends, and their SNR grows at the end', async () => {
    const before = tf.memory().numTensors;
    const decode = (z: tf.Tensor4D) => tf.tanh(z.slice([0, 0, 0, 0], [-1, -1, -1, 3]));
    const curves = await denoisingCurves(model, decode, { labels, key: key(4) });
    assert.equal(curves.signalToNoise.length, 19);
    assert.equal(curves.noiseIntensity.length, 20);
    assert.ok(curves.signalToNoise[18] > curves.signalToNoise[0]);
    assert.equal(tf.memory().numTensors, before);
  });
});
