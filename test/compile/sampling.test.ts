import { strict as assert } from 'node:assert';
import * as tf from '@tensorflow/tfjs';
import { keyedNoise } from '../../src/diffusion/noise';
import { causalArConfig, initCausalAr } from '../../src/models/ar/causal-ar';
import { sampleCausalAr } from '../../src/models/ar/causal-ar-sample';
import { cdmConfig, initCdm } from '../../src/models/cdm/cdm';
import { sampleCdm } from '../../src/models/cdm/cdm-sample';
import { compiledForm, compileModel, equalParts, releaseCompiled } from '../../src/models/compiled/compile-model';
import { initMar, marConfig } from '../../src/models/mar/mar';
import { keyedMarDraws, sampleMar } from '../../src/models/mar/mar-sample';
import { keyedDraws } from '../../src/models/sample-step';
import { sampleTokens, type TokenSamplerOptions } from '../../src/models/token-sampler';
import { useBackend } from '../../src/runtime/backend';
import type { Parameters } from '../../src/runtime/parameters';
import { foldIn, type Key, key, normal } from '../../src/runtime/random';

const gaussian = (source: Key, shape: number[]) =>
  tf.tensor(
    Float32Array.from(
      normal(
        source,
        shape.reduce((a, b) => a * b, 1),
      ),
    ),
    shape,
  );

/** Zero-initialised layers would make the network's output vanish. */
const stirred = (parameters: Parameters): Parameters =>
  new Map(
    [...parameters].map(([name, x]) => [name, tf.tidy(() => x.add(gaussian(foldIn(key(9), name), x.shape).mul(0.05)))]),
  );

const grid = { imageSize: 8, vaeStride: 2, latentChannels: 4, classes: 5, timestepFrequencies: 32, samplingSteps: '6' };
const head = { headDepth: 2, headWidth: 32, noisesPerToken: 1 };
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
const ar = causalArConfig({ ...grid, ...head, width: 16, depth: 2, heads: 2 });
const cdm = cdmConfig({ ...grid, width: 16, depth: 2, heads: 2 });

/** Samples eagerly and compiled; the reverse process divides by sqrt(abar), so rounding grows more than in one pass. */
async function compare(
  parameters: Parameters,
  sample: (weights: Parameters) => tf.Tensor | Promise<tf.Tensor>,
): Promise<void> {
  const expected = await sample(parameters);
  const compiled = compileModel(parameters);
  assert.ok(compiledForm(compiled));
  assert.equal(compiledForm(parameters), undefined);
  (await sample(compiled)).dispose();
  const before = tf.memory().numTensors;
  const got = await sample(compiled);
  assert.equal(tf.memory().numTensors, before + 1, 'nothing but the result is left');
  assert.deepEqual(got.shape, expected.shape);
  const want = Array.from(expected.dataSync());
  const have = got.dataSync();
  const largest = Math.max(...want.map(Math.abs));
  want.forEach((x, i) =>
    assert.ok(Math.abs(x - have[i]) <= 1e-4 * largest, `${i}: ${have[i]} against ${x} (largest ${largest})`),
  );
  releaseCompiled(compiled);
}

describe('models/compiled', () => {
  it('a batch is cut into the most equal parts that there are threads for', () => {
    assert.deepEqual(
      [16, 50, 7, 11, 1].map((count) => equalParts(count, 8)),
      [8, 5, 7, 1, 1],
    );
  });

  before(async () => {
    await useBackend();
  });

  const weights = () => stirred(initMar(mar, key(1)));
  const variants: Record<string, TokenSamplerOptions> = {
    'ancestral, respaced': { respacing: '6' },
    'ancestral with guidance and temperature': { respacing: '6', guidance: 2.5, temperature: 0.9 },
    'DDIM, deterministic': { respacing: 'ddim5', method: 'ddim' },
    'DDIM with noise and guidance': { respacing: 'ddim5', method: 'ddim', eta: 0.7, guidance: 1.5 },
  };
  for (const [name, options] of Object.entries(variants)) {
    it(`reverse process, ${name}: equals eager, step by step`, async () => {
      const parameters = weights();
      const conditions = gaussian(key(2), [5, 24]) as tf.Tensor2D;
      const unconditional = gaussian(key(3), [5, 24]) as tf.Tensor2D;
      const seen: number[][] = [];
      await compare(parameters, (p) => {
        const starts: number[] = [];
        const onStep: TokenSamplerOptions['onStep'] = (_, { predictedStart }) =>
          starts.push(predictedStart.dataSync()[3]);
        const sampled = sampleTokens(p, conditions, keyedNoise(key(4)), { ...options, unconditional, onStep });
        seen.push(starts);
        return sampled;
      });
      assert.equal(seen[0].length, Number(String(options.respacing).replace('ddim', '')));
      // the first predictions divide by sqrt(abar) of about 1/150
      seen[0].forEach((x, i) => assert.ok(Math.abs(x - seen[2][i]) <= 1e-3 * Math.max(1, Math.abs(x))));
    });
  }

  it('the sampler refuses the same options as the eager one', () => {
    const parameters = compileModel(weights());
    const conditions = tf.zeros([2, 24]) as tf.Tensor2D;
    assert.throws(() => sampleTokens(parameters, conditions, keyedNoise(key(1)), { guidance: 2 }), /unconditional/);
    assert.throws(
      () => sampleTokens(parameters, conditions, keyedNoise(key(1)), { temperature: -1 }),
      /temperature = -1/,
    );
  });

  it('whole images of MAR with guidance equal eager', async () => {
    await compare(weights(), (p) =>
      sampleMar(p, mar, keyedMarDraws(mar, 2, key(5)), { classes: [1, 3], steps: 4, guidance: 2 }),
    );
  });

  it('whole images of MAR without class and with a hook equal eager', async () => {
    const options = {
      classes: 2,
      steps: 3,
      conditionHook: ({ conditions }: { conditions: tf.Tensor2D }) => conditions.mul(0.9) as tf.Tensor2D,
    };
    await compare(weights(), (p) => sampleMar(p, mar, keyedMarDraws(mar, 2, key(5)), options));
  });

  it('whole images of the causal AR with key-value cache equal eager', async () => {
    const parameters = stirred(initCausalAr(ar, key(6)));
    await compare(parameters, (p) => sampleCausalAr(p, ar, keyedDraws(key(7)), { classes: [0, 4], guidance: 1.5 }));
  });

  it('whole images of the CDM equal eager', async () => {
    const parameters = stirred(initCdm(cdm, key(8)));
    await compare(parameters, (p) => sampleCdm(p, cdm, keyedNoise(key(7)), { classes: [0, 4], guidance: 1.5 }));
  });
});
