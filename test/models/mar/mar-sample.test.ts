import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs';
import { normalTensor } from '../../../src/diffusion/noise';
import type { ConditionStep } from '../../../src/models/conditions';
import { patchify, tokenChannels, tokenCount } from '../../../src/models/mar/mar';
import {
  keyedMarDraws,
  type MarSamplingOptions,
  type MarStepResult,
  sampleMar,
} from '../../../src/models/mar/mar-sample';
import { useBackend } from '../../../src/runtime/backend';
import { InvalidInputError } from '../../../src/runtime/errors';
import { key } from '../../../src/runtime/random';
import { livelyMar, TINY } from '../../generators/tiny-mar';

const TOKENS = tokenCount(TINY);
const CHANNELS = tokenChannels(TINY);

function sample(options: Partial<MarSamplingOptions> = {}, seed = 1): Promise<tf.Tensor4D> {
  const classes = options.classes ?? [0, 3];
  const batch = typeof classes === 'number' ? classes : classes.length;
  return sampleMar(livelyMar(), TINY, keyedMarDraws(TINY, batch, key(seed)), { classes, steps: 4, ...options });
}

function assertSame(a: tf.Tensor, b: tf.Tensor): void {
  const scale = b.abs().max().dataSync()[0];
  assert.ok(a.sub(b).abs().max().dataSync()[0] <= 1e-5 * scale); // float32, through four steps
}

describe('mar sampling', () => {
  before(async () => {
    await useBackend();
  });

  it('predicts every token once, in steps that the law states, and repeats by key', async () => {
    const steps: MarStepResult[] = [];
    const times = new Uint8Array(2 * TOKENS);
    const latents = await sample({
      guidance: 3,
      onStep: (result) => {
        steps.push(result);
        result.predicted.forEach((p, i) => {
          times[i] += p;
        });
      },
    });
    assert.deepEqual(latents.shape, [2, 8, 8, 2]);
    assert.deepEqual([...times], Array(2 * TOKENS).fill(1));
    // masked after each step of 16 tokens in 4: floor(16 cos(pi/8 k)) = 14, 11, 6, then 1 by the law
    assert.deepEqual(
      steps.map(({ guidance }) => guidance),
      [14, 11, 6, 1].map((masked) => 1 + (2 * (16 - masked)) / 16),
    );
    assertSame(await sample({ guidance: 3 }), latents);
    assert.ok((await sample({ guidance: 3 }, 2)).sub(latents).abs().max().dataSync()[0] > 1e-3);
  });

  it('classes and guidance matter; without a class only the fake latent does', async () => {
    const plain = await sample();
    assert.ok((await sample({ classes: [1, 3] })).sub(plain).abs().max().dataSync()[0] > 1e-3);
    assert.ok((await sample({ guidance: 2 })).sub(plain).abs().max().dataSync()[0] > 1e-3);
    const free = await sample({ classes: 2 });
    assertSame(await sample({ classes: 2, guidance: 2 }), free);
  });

  it('an identity hook changes nothing and sees every row with its place, class and sample', async () => {
    const rows: string[] = [];
    const hook = (step: ConditionStep) => {
      assert.equal(step.steps, 4);
      assert.equal(step.conditions.shape[0], step.positions.length);
      step.positions.forEach((position, i) => {
        rows.push(`${step.samples[i]}:${position}`);
        assert.equal(step.classes[i], step.samples[i] === 0 ? 0 : 3);
      });
      const prior = step.shortSample(step.conditions, 2);
      assert.deepEqual(prior.shape, [step.positions.length, CHANNELS]);
      prior.dispose();
      return step.conditions;
    };
    assertSame(await sample({ conditionHook: hook, guidance: 2 }), await sample({ guidance: 2 }));
    assert.equal(new Set(rows).size, 2 * TOKENS);
  });

  it('a hook steers, and one of the wrong shape is refused', async () => {
    const moved = await sample({ conditionHook: ({ conditions }) => conditions.add(1) as tf.Tensor2D });
    assert.ok(
      moved
        .sub(await sample())
        .abs()
        .max()
        .dataSync()[0] > 1e-3,
    );
    await assert.rejects(sample({ conditionHook: () => tf.zeros([1, 2]) as tf.Tensor2D }), InvalidInputError);
  });

  it('inpainting keeps the known tokens and sees them', async () => {
    const mask = Uint8Array.from({ length: 2 * TOKENS }, (_, i) => (i % TOKENS < 6 ? 1 : 0));
    const tokens = normalTensor(key(9), [2 * TOKENS, CHANNELS]).dataSync() as Float32Array;
    const filled = patchify(await sample({ known: { tokens, mask } }), TINY.patchSize).dataSync();
    const other = patchify(await sample({ known: { tokens: tokens.map((x) => -x), mask } }), TINY.patchSize).dataSync();
    let difference = 0;
    filled.forEach((value, i) => {
      if (mask[Math.floor(i / CHANNELS)]) assert.equal(value, tokens[i]);
      else difference = Math.max(difference, Math.abs(value - other[i]));
    });
    assert.ok(difference > 1e-4, 'the unknown tokens depend on the known ones');
    const unequal = mask.map((m, i) => (i === 0 ? 0 : m));
    await assert.rejects(sample({ known: { tokens, mask: unequal } }), InvalidInputError);
  });

  it('takes fewer diffusion steps late when told to', async () => {
    const asked: number[] = [];
    const noisy = keyedMarDraws(TINY, 2, key(1));
    const counted = {
      ...noisy,
      noise: (step: number) => {
        const source = noisy.noise(step);
        asked.push(0);
        const count = (t: number, shape: [number, number]) => {
          asked[step]++;
          return source.step(t, shape);
        };
        return { ...source, step: count };
      },
    };
    const respacing = (step: number) => 8 - 2 * step;
    await sampleMar(livelyMar(), TINY, counted, { classes: [0, 3], steps: 4, respacing });
    assert.deepEqual(asked, [7, 5, 3, 1]); // step 0 of each reverse process adds no noise
  });

  it('names what cannot be', async () => {
    await assert.rejects(sample({ steps: 17 }), InvalidInputError);
    await assert.rejects(sample({ classes: [5] }), InvalidInputError);
    await assert.rejects(sample({ classes: [] }), InvalidInputError);
  });

  it('leaves no tensor but its result', async () => {
    const parameters = livelyMar();
    const draws = keyedMarDraws(TINY, 2, key(1));
    const options = {
      classes: [0, 1],
      steps: 3,
      guidance: 2,
      conditionHook: (s: ConditionStep) => s.conditions.clone(),
    };
    (await sampleMar(parameters, TINY, draws, options)).dispose();
    const before = tf.memory().numTensors;
    (await sampleMar(parameters, TINY, draws, options)).dispose();
    assert.equal(tf.memory().numTensors, before);
    const failing = () => {
      throw new Error('from the hook');
    };
    await assert.rejects(sampleMar(parameters, TINY, draws, { ...options, conditionHook: failing }), /from the hook/);
    const wrong = () => tf.zeros([1, 2]) as tf.Tensor2D;
    await assert.rejects(sampleMar(parameters, TINY, draws, { ...options, conditionHook: wrong }), InvalidInputError);
    assert.equal(tf.memory().numTensors, before);
  });
});
