import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import {
  type ConditionSource,
  exchangeDecay,
  measureConditions,
  scoreDecay,
} from '../../src/measurements/condition-measures';
import { decaySummary, decayTable } from '../../src/measurements/decay';
import { collectConditions, staticConditions } from '../../src/measurements/trained-conditions';
import { causalArConfig } from '../../src/models/ar/causal-ar';
import { HEAD_IN_MODEL, initDiffusionHead } from '../../src/models/blocks/diffusion-loss';
import type { ImageModel } from '../../src/models/image-model';
import { useBackend } from '../../src/runtime/backend';
import { InvalidInputError } from '../../src/runtime/errors';
import { foldIn, key, normal } from '../../src/runtime/random';

const near = (got: number, expected: number, tolerance: number) =>
  assert.ok(Math.abs(got - expected) <= tolerance, `${got} is not ${expected} +- ${tolerance}`);

/** A stationary chain with factor `a`, and the same chain with c_0 redrawn and every innovation kept. */
function chainSource(a: number, samples = 200, steps = 10, width = 4): ConditionSource {
  const run = (start: string) => {
    const first = normal(foldIn(key(1), start), samples * width);
    const noise = normal(foldIn(key(1), 'innovations'), samples * steps * width);
    const data = new Float64Array(samples * steps * width);
    for (let at = 0; at < data.length; at++) {
      const sample = Math.floor(at / (steps * width));
      const step = Math.floor(at / width) % steps;
      data[at] =
        step === 0 ? first[sample * width + (at % width)] : a * data[at - width] + Math.sqrt(1 - a * a) * noise[at];
    }
    return { data, samples, steps, width };
  };
  return { name: 'chain', conditions: run('one'), exchanged: run('other') };
}

describe('measurements/condition-measures', () => {
  before(() => useBackend());

  it('finds the factor of a chain by correlation and by exchange, and the Markov property', () => {
    const report = measureConditions(chainSource(0.7), { source: key(2), origin: 0 });
    assert.ok(report.influence!.beta.low <= 0.7 && report.influence!.beta.high >= 0.7);
    const { values, beta } = report.exchange!;
    near(values[0], 1, 0.1); // two unrelated draws on both sides: ratio 1 with 800 squares each
    near(values[3] / values[0], 0.7 ** 3, 0.05); // the numerator falls exactly, the denominators are 800 sampled squares each
    assert.ok(beta.low <= 0.71 && beta.high >= 0.69);
    assert.ok(report.markov[0].probability > 1e-3 && report.gaussianity.every((test) => test.probability > 1e-3));
  });

  it('finds no decay of a static condition, and says nothing where nothing varies', () => {
    const labels = Int32Array.from({ length: 60 }, (_, s) => s % 5);
    const table = tf.tensor2d(Float32Array.from(normal(key(3), 5 * 8)), [5, 8]);
    const source = staticConditions('static', table, labels, 8);
    const report = measureConditions(source, { source: key(4), origin: 0 });
    near(report.exchange!.beta.value, 1, 1e-3);
    near(report.influence!.beta.value, 1, 1e-3);
    assert.deepEqual([report.gaussianity, report.markov], [[], []]);
    const within = measureConditions({ ...source, classes: labels }, { source: key(4) });
    assert.equal(within.influence, undefined);
    assert.deepEqual(within.gaussianity, []);
  });

  it('calls a decay by its whole interval, and the static control the other way round', () => {
    const labels = Int32Array.from({ length: 60 }, (_, s) => s % 5);
    const table = tf.tensor2d(Float32Array.from(normal(key(3), 5 * 8)), [5, 8]);
    const options = { source: key(4), origin: 0, resamples: 20 };
    const held = measureConditions(staticConditions('CDM (static)', table, labels, 8), options);
    const chain = measureConditions(chainSource(0.7), options);
    const verdicts = (...reports: (typeof held)[]) => decaySummary(reports).map(({ verdict }) => verdict);
    assert.deepEqual(verdicts(chain, held), ['holds', 'holds']);
    assert.deepEqual(verdicts({ ...chain, name: 'a static one' }, { ...held, name: 'one that should decay' }), [
      'fails',
      'fails',
    ]);
    assert.deepEqual(verdicts({ ...chain, name: 'AR, untrained' }), []);
    assert.equal(decayTable([chain, held]).length, 2);
    // Theorem 2's own quantity: falling, rising and flat gradient norms of 40 samples over 6 steps.
    const noise = normal(key(11), 240);
    const norms = (mean: (step: number) => number) => noise.map((z, at) => mean(at % 6) + 0.1 * z);
    const verdictOf = (mean: (step: number) => number) => {
      const score = scoreDecay(norms(mean), 40, key(12), 40);
      return decaySummary([{ ...chain, steps: 6, exchange: undefined, score }])[0].verdict;
    };
    assert.equal(
      verdictOf((step) => 1 + 2 * 0.5 ** step),
      'holds',
    );
    assert.equal(
      verdictOf((step) => 1 + 0.2 * step),
      'fails',
    );
    assert.notEqual(
      verdictOf(() => 1),
      'holds',
    );
  });

  it('exchanging something that is not read changes nothing later', () => {
    const { conditions, exchanged } = chainSource(0);
    const { values } = exchangeDecay(conditions, exchanged!, key(5), 20);
    near(values[1], 0, 1e-12);
  });
});

describe('measurements/trained-conditions', () => {
  /** A model whose condition is the mean of the real tokens before it: exchanging the first leaves 1 / step of it. */
  function averagingModel(): ImageModel {
    return {
      name: 'averaging',
      parameters: new Map(),
      fingerprint: '',
      conditionWidth: 3,
      spec: { family: 'ar', config: causalArConfig() },
      tokens: 9,
      channels: 3,
      side: 3,
      steps: 9,
      denoisingSteps: 1,
      toLatents: () => assert.fail('not used'),
      generate: () => assert.fail('not used'),
      async *teacherForced(latents, labels) {
        const values = latents.dataSync() as Float32Array;
        for (let step = 0; step < 9; step++) {
          const conditions = new Float32Array(labels.length * 3);
          const own = new Float32Array(labels.length * 3);
          labels.forEach((_, s) => {
            for (let k = 0; k < 3; k++) {
              for (let j = 0; j < step; j++) conditions[s * 3 + k] += values[s * 27 + j * 3 + k] / step;
              own[s * 3 + k] = values[s * 27 + step * 3 + k];
            }
          });
          const positions = new Int32Array(labels.length).fill(step);
          const samples = Int32Array.from(labels.keys());
          yield { step, conditions, latents: own, samples, classes: labels, positions };
        }
      },
    };
  }

  it('follows the first token through a model whose answer is known, and leaks no tensor', async () => {
    await useBackend();
    const head = { channels: 3, conditionWidth: 3, width: 16, depth: 1 };
    const parameters = initDiffusionHead(head, key(1), HEAD_IN_MODEL);
    const labels = Int32Array.from({ length: 64 }, (_, s) => s % 4);
    const values = Float32Array.from(normal(key(6), 64 * 27));
    const before = tf.memory().numTensors;
    const source = await collectConditions({ ...averagingModel(), parameters }, { values, labels }, { source: key(7) });
    assert.equal(tf.memory().numTensors, before);
    const { values: decay } = exchangeDecay(source.conditions, source.exchanged!, key(8), 20);
    // Change (x - x') / step against a difference of two means of `step` tokens: step^(-1/2), sampled over 64 images.
    assert.equal(decay.length, 8);
    for (const i of [0, 3, 7]) near(decay[i], 1 / Math.sqrt(i + 1), 0.15);
    assert.equal(source.scoreNorms!.length, 64 * 9);
    assert.ok(source.scoreNorms!.every((norm) => norm === 0)); // the head's last layer starts at zero
    assert.deepEqual(Array.from(source.tokens!.data.subarray(0, 27)), Array.from(values.subarray(0, 27)));
  });

  it('refuses a model without history', async () => {
    const { teacherForced: _, ...model } = averagingModel();
    const latents = { values: new Float32Array(27), labels: Int32Array.of(0) };
    await assert.rejects(collectConditions(model, latents, { source: key(0) }), InvalidInputError);
  });
});
