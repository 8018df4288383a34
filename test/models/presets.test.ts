import { strict as assert } from 'node:assert';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { readSafetensors } from '../../src/io/safetensors';
import { initCausalAr } from '../../src/models/ar/causal-ar';
import { initCdm } from '../../src/models/cdm/cdm';
import { differenceCount, nearestPreset, requireFit } from '../../src/models/files/presets-fit';
import { initMar } from '../../src/models/mar/mar';
import { countParameters, findPreset, type ModelSpec, PRESETS, shapesOf } from '../../src/models/presets';
import { initVae, type VaeConfig } from '../../src/models/vae/vae';
import { trainingProfile } from '../../src/recipes/profiles';
import { useBackend } from '../../src/runtime/backend';
import { key } from '../../src/runtime/random';
import { CHECKPOINTS } from '../../src/training/trained-model';

const WEIGHTS = join(__dirname, '../../data/reference/mar/mar_small.weights.safetensors');

describe('models/presets', () => {
  // The published figures are rounded up to whole millions: MAR-L has 478.3 million, MAR-H 942.4 million weights.
  for (const [name, exact, published] of [
    ['mar-b', 207_924_768, 208],
    ['mar-l', 478_326_304, 479],
    ['mar-h', 942_403_104, 943],
  ] as const) {
    it(`${name} has the published ${published}M weights, counted without allocating them`, () => {
      const before = [tf.memory().numTensors, process.memoryUsage().arrayBuffers];
      const count = countParameters(findPreset(name));
      assert.equal(count, exact);
      assert.equal(Math.ceil(count / 1e6), published);
      assert.equal(tf.memory().numTensors, before[0]);
      assert.ok(process.memoryUsage().arrayBuffers < before[1] + 2 ** 24);
    });
  }

  it('the reference weights have exactly the shapes of their configuration', () => {
    const { tensors } = readSafetensors(WEIGHTS);
    const config = {
      imageSize: 64,
      vaeStride: 8,
      encoderWidth: 64,
      encoderDepth: 2,
      encoderHeads: 4,
      decoderWidth: 64,
      decoderDepth: 2,
      decoderHeads: 4,
      classes: 10,
      bufferSize: 8,
      headDepth: 3,
      headWidth: 64,
    };
    const base = findPreset('mar-b');
    const spec = { family: 'mar', config: { ...base.config, ...config } } as ModelSpec;
    const given = new Map([...tensors].map(([name, { shape }]) => [name, shape]));
    requireFit('weights', given, spec);
    given.delete('mask_token');
    given.set('extra', [1]).set('z_proj.bias', [3]);
    assert.throws(() => requireFit('weights', given, spec), {
      message:
        /1 missing \(mask_token\); 1 unexpected \(extra\); 1 of another shape \(z_proj\.bias: \[3\] instead of \[64\]\)/,
    });
  });

  it('a 512 preset differs from its 256 one in the number of places alone', () => {
    const [small, large] = [shapesOf(findPreset('mar-l')), shapesOf(findPreset('mar-l-512'))];
    const differing = [...small].filter(([name, shape]) => large.get(name)!.join() !== shape.join());
    assert.deepEqual(
      differing.map(([name]) => name),
      ['encoder_pos_embed_learned', 'decoder_pos_embed_learned', 'diffusion_pos_embed_learned'],
    );
    assert.deepEqual(large.get('diffusion_pos_embed_learned'), [1, 1024, 1024]);
  });

  it('every preset is told from every other by its shapes, and suggestions name it', () => {
    for (const [name, preset] of PRESETS) {
      const nearest = nearestPreset(shapesOf(preset));
      assert.equal(nearest.name, name);
      assert.throws(() => requireFit('file', shapesOf(preset), findPreset(name === 'mar-b' ? 'mar-l' : 'mar-b')), {
        message: new RegExp(`--preset ${name}\\.$`),
      });
    }
    for (const prefix of ['module.', '_orig_mod.module.', 'module._orig_mod.', 'model._orig_mod.']) {
      const wrapped = new Map([...shapesOf(findPreset('mar-b'))].map(([name, shape]) => [`${prefix}${name}`, shape]));
      const message = new RegExp(`begins with "${prefix}", as wrappers`);
      assert.throws(() => requireFit('file', wrapped, findPreset('mar-b')), { message });
    }
    assert.throws(() => findPreset('mar-xxl'), { name: 'InvalidInputError', message: /mar-b, mar-l, mar-h/ });
  });

  it('the shipped checkpoints are recognised: each has the configuration of its small preset, but for the measured scale', () => {
    for (const [file, preset] of [
      ['mar', 'mar-small'],
      ['ar', 'ar-small'],
      ['cdm', 'cdm-small'],
      ['vae', 'vae-small'],
    ]) {
      const { tensors, metadata } = readSafetensors(join(CHECKPOINTS, `${file}.safetensors`));
      const nearest = nearestPreset(new Map([...tensors].map(([name, { shape }]) => [name, shape])));
      assert.equal(nearest.name, preset);
      assert.equal(differenceCount(nearest.differences), 0);
      const { latentScale: _, ...given } = JSON.parse(metadata.config);
      const { latentScale: __, ...expected } = findPreset(preset).config as VaeConfig;
      assert.deepEqual(given, expected);
    }
  });

  it('training profiles take their sizes from the presets', () => {
    for (const name of ['smoke', 'small', 'full']) {
      const { mar, ar, cdm, vae } = trainingProfile(name);
      assert.deepEqual(
        [mar(10), ar(10), cdm(10), vae],
        ['mar-small', 'ar-small', 'cdm-small', 'vae-small'].map((preset) => findPreset(preset).config),
      );
      assert.equal(mar(3).classes, 3);
    }
    assert.throws(() => trainingProfile('smal'), { message: /Did you mean small\?/ });
    assert.throws(() => findPreset('mar-smal'), { message: /Did you mean mar-small\?/ });
  });

  it('the small presets have the shapes that their initialisers make', async () => {
    await useBackend();
    for (const name of ['mar-small', 'ar-small', 'cdm-small', 'vae-small']) {
      const preset = findPreset(name);
      const made =
        preset.family === 'mar'
          ? initMar(preset.config, key(0))
          : preset.family === 'ar'
            ? initCausalAr(preset.config, key(0))
            : preset.family === 'cdm'
              ? initCdm(preset.config, key(0))
              : initVae(preset.config, key(0));
      assert.deepEqual(
        [...made].map(([weight, { shape }]) => [weight, shape]),
        [...shapesOf(preset)],
      );
      tf.dispose([...made.values()]);
    }
  });
});
