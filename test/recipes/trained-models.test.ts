import { strict as assert } from 'node:assert';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import * as sample from '../../src/cli/verbs/sample';
import { saveParameters } from '../../src/io/parameters';
import { loadTrainedModels } from '../../src/recipes/trained-models';
import { useBackend } from '../../src/runtime/backend';
import { key } from '../../src/runtime/random';
import { CHECKPOINTS, loadTrainedModel } from '../../src/training/trained-model';
import { runVerb } from '../cli/run-verb';

describe('recipes/trained-models', () => {
  let folder: string;
  before(async () => {
    await useBackend();
    folder = mkdtempSync(join(tmpdir(), 'cer-trained-models-'));
    for (const name of ['mar', 'classifier'])
      for (const ending of ['safetensors', 'json'])
        copyFileSync(join(CHECKPOINTS, `${name}.${ending}`), join(folder, `${name}.${ending}`));
    // an autoencoder of the same shapes, as a second training would give
    const { parameters, config } = loadTrainedModel('vae');
    const other = new Map([...parameters].map(([name, x]) => [name, tf.tidy(() => x.mul(1.01))]));
    saveParameters(join(folder, 'vae.safetensors'), other, { model: 'vae', config: JSON.stringify(config) });
    tf.dispose([...parameters.values(), ...other.values()]);
  });
  after(() => rmSync(folder, { recursive: true }));

  it('owns all weights, those of models loaded later too: dispose leaves no tensor', async () => {
    const before = tf.memory().numTensors;
    const { models, decode, dispose } = await loadTrainedModels({ referencePerClass: 2 });
    const latents = await models.mar.generate({ labels: Int32Array.of(1, 2), key: key(1), respacing: 'ddim2' });
    const images = decode(latents);
    assert.equal(models.mar.parameters.get('class_emb.weight')?.shape[0], 10);
    tf.dispose([latents, images]);
    assert.ok(tf.memory().numTensors > before);
    dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  const refusal = {
    name: 'InvalidInputError',
    message:
      /mar\.safetensors: got .*vae\.safetensors with the weights [0-9a-f]{16}; expected the weights [0-9a-f]{16}, .*madeWith/,
  };

  it('refuses a model that was trained with another autoencoder', async () => {
    const before = tf.memory().numTensors;
    const { models, dispose } = await loadTrainedModels({ checkpoints: folder, referencePerClass: 2 });
    assert.throws(() => models.mar, refusal);
    dispose();
    assert.equal(tf.memory().numTensors, before);
  });

  it('so does the command sample, in a dry run too', async () => {
    const before = tf.memory().numTensors;
    const args = ['--weights', join(folder, 'mar.safetensors'), '--out', join(folder, 'x.png'), '--count', '1'];
    const other = ['--vae', join(folder, 'vae.safetensors')];
    await assert.rejects(runVerb(sample, 'sample', ...args, ...other), refusal);
    await assert.rejects(runVerb(sample, 'sample', ...args, ...other, '--dry-run'), refusal);
    const own = ['--vae', join(CHECKPOINTS, 'vae.safetensors')];
    await runVerb(sample, 'sample', ...args, ...own, '--diffusion-steps', 'ddim2');
    assert.equal(tf.memory().numTensors, before);
  });

  it('leaves no tensor when the classifier is missing', async () => {
    const before = tf.memory().numTensors;
    rmSync(join(folder, 'classifier.safetensors'));
    await assert.rejects(loadTrainedModels({ checkpoints: folder }), /classifier\.safetensors/);
    assert.equal(tf.memory().numTensors, before);
  });
});
