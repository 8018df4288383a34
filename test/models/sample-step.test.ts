import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { keyedNoise } from '../../src/diffusion/noise';
import { causalArConfig, initCausalAr } from '../../src/models/ar/causal-ar';
import { sampleCausalAr } from '../../src/models/ar/causal-ar-sample';
import { cdmConfig, initCdm } from '../../src/models/cdm/cdm';
import { sampleCdm } from '../../src/models/cdm/cdm-sample';
import { checkClasses } from '../../src/models/classes';
import { compileModel, releaseCompiled } from '../../src/models/compiled/compile-model';
import { keyedMarDraws, sampleMar } from '../../src/models/mar/mar-sample';
import { keyedDraws, type SamplingOptions } from '../../src/models/sample-step';
import { useBackend } from '../../src/runtime/backend';
import { InvalidInputError } from '../../src/runtime/errors';
import type { Parameters } from '../../src/runtime/parameters';
import { key } from '../../src/runtime/random';
import { livelyMar, TINY } from '../generators/tiny-mar';

const grid = { imageSize: 8, vaeStride: 2, latentChannels: 4, classes: 5, timestepFrequencies: 32, samplingSteps: '6' };
const ar = causalArConfig({ ...grid, headDepth: 1, headWidth: 16, width: 16, depth: 1, heads: 2 });
const cdm = cdmConfig({ ...grid, width: 16, depth: 1, heads: 2 });

type Sample = (parameters: Parameters, options: SamplingOptions) => Promise<tf.Tensor4D>;
const families: [name: string, weights: () => Parameters, sample: Sample][] = [
  ['MAR', livelyMar, (weights, options) => sampleMar(weights, TINY, keyedMarDraws(TINY, 2, key(1)), options)],
  [
    'causal AR',
    () => initCausalAr(ar, key(1)),
    (weights, options) => sampleCausalAr(weights, ar, keyedDraws(key(1)), options),
  ],
  [
    'causal AR without its cache',
    () => initCausalAr(ar, key(1)),
    (weights, options) => sampleCausalAr(weights, ar, keyedDraws(key(1)), { ...options, cache: false }),
  ],
];

/** Three ways to end a generation in the middle, and what it is refused with. */
const failures: [what: string, options: Partial<SamplingOptions>, message: RegExp][] = [
  [
    'a hook of the wrong shape',
    { conditionHook: () => tf.zeros([1, 2]) as tf.Tensor2D },
    /Condition hook: got conditions of shape \[1,2\]/,
  ],
  ['a respacing that there is not', { respacing: 'ddim300' }, /300/],
  [
    'a hook that asks for such a short sampling',
    { conditionHook: ({ conditions, shortSample }) => shortSample(conditions, 300) },
    /300/,
  ],
  ['a hook that throws', { conditionHook: () => Promise.reject(new Error('from the hook')) }, /from the hook/],
  [
    'an observer that throws',
    {
      onDenoise: () => {
        throw new Error('from the observer');
      },
    },
    /from the observer/,
  ],
];

describe('models/sample-step', () => {
  before(async () => {
    await useBackend();
  });

  for (const [name, weights, sample] of families) {
    for (const mode of ['eager', 'compiled']) {
      it(`${name}, ${mode}: leaves no tensor when a generation fails in the middle`, async () => {
        const plain = weights();
        const parameters = mode === 'compiled' ? compileModel(plain) : plain;
        const options = { classes: [0, 3], guidance: 2, respacing: '3' };
        (await sample(parameters, options)).dispose();
        for (const [what, wrong, message] of failures) {
          const before = tf.memory().numTensors;
          await assert.rejects(sample(parameters, { ...options, ...wrong }), { message });
          assert.equal(tf.memory().numTensors, before, what);
        }
        releaseCompiled(parameters);
        tf.dispose([...plain.values()]);
      });
    }
  }

  it('CDM leaves no tensor when an observer throws or an option is refused', () => {
    const weights = initCdm(cdm, key(1));
    const sample = (options: object) => () =>
      sampleCdm(weights, cdm, keyedNoise(key(2)), { classes: [1, 2], guidance: 2, respacing: '3', ...options });
    sample({})().dispose();
    const before = tf.memory().numTensors;
    const onStep = () => {
      throw new Error('from the observer');
    };
    assert.throws(sample({ onStep }), /from the observer/);
    assert.throws(sample({ respacing: 'ddim300' }), /300/);
    assert.throws(sample({ temperature: -1 }), InvalidInputError);
    assert.throws(sample({ classes: [5] }), InvalidInputError);
    assert.equal(tf.memory().numTensors, before);
    tf.dispose([...weights.values()]);
  });

  it('classes are labels, or a number of samples without any', () => {
    assert.deepEqual(checkClasses(5, [0, 4]), Int32Array.from([0, 4]));
    assert.deepEqual(checkClasses(5, 2), Int32Array.from([-1, -1]));
    assert.deepEqual(checkClasses(5, [-1, -1]), Int32Array.from([-1, -1]));
    for (const wrong of [[5], [0.5], [-1, 2], []]) assert.throws(() => checkClasses(5, wrong), InvalidInputError);
  });

  it('compiled, the temperature is a float32 number as it is in eager operations', async () => {
    const parameters = compileModel(livelyMar());
    const run = async (temperature: number) => {
      const draws = keyedMarDraws(TINY, 2, key(1));
      const latents = await sampleMar(parameters, TINY, draws, {
        classes: [0, 3],
        steps: 2,
        respacing: '6',
        temperature,
      });
      return [...latents.dataSync()];
    };
    assert.deepEqual(await run(0.9), await run(Math.fround(0.9)));
    releaseCompiled(parameters);
  });
});
