import { strict as assert } from 'node:assert';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { loadImageFolder } from '../../src/data/image-folder';
import { type ArraySet, cachedArrays } from '../../src/data/latent-cache';
import { isWhole, proceduralFolder } from '../../src/data/procedural-folder';
import { loadParameters, saveParameters } from '../../src/io/parameters';
import { IdealConditions } from '../../src/refinement/ideal-conditions';
import { loadIdealConditions, saveIdealConditions } from '../../src/refinement/ideal-file';
import { useBackend } from '../../src/runtime/backend';
import { key } from '../../src/runtime/random';
import { loadCheckpoint, saveCheckpoint } from '../../src/training/checkpoint';
import { train } from '../../src/training/loop';
import { loadTrainedModel, type Provenance, saveTrainedModel } from '../../src/training/trained-model';
import { TOY_OPTIONS, toyTask } from '../training/toy';

/**
 * Flips every `step`th bit of a file in turn and restores it at the end; `read` must fail each time, as `expected` says. Seven goes
 * through all bytes and all places in a byte.
 */
async function expectRefusals(path: string, read: () => unknown, { step = 7, expected = 'FileFormatError' } = {}) {
  const whole = readFileSync(path);
  await read(); // as it is, it is read
  const accepted: number[] = [];
  for (let bit = 0; bit < 8 * whole.length; bit += step) {
    const bytes = Uint8Array.from(whole);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    writeFileSync(path, bytes);
    try {
      await read();
      accepted.push(bit);
    } catch (error) {
      if ((error as Error).name !== expected) throw error;
    }
  }
  writeFileSync(path, whole);
  assert.deepEqual(accepted, [], `bits of ${path} (${whole.length} bytes) whose change nobody saw`);
}

describe('io/bit-rot: one flipped bit of our files is found', function () {
  this.timeout(120_000);
  let folder: string;
  before(async () => {
    await useBackend();
    folder = mkdtempSync(join(tmpdir(), 'cer-rot-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('in weights', async () => {
    const path = join(folder, 'weights.safetensors');
    const x = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]);
    saveParameters(
      path,
      new Map<string, tf.Tensor>([
        ['a.weight', x],
        ['a.bias', x.as1D()],
      ]),
      { model: 'toy' },
    );
    x.dispose();
    await expectRefusals(path, () => tf.dispose([...loadParameters(path).values()]));
  });

  it('in a trained model and its provenance, and in which weights belong to which', async () => {
    const provenance = {
      model: 'mar',
      command: 'cer train',
      seed: 1,
      config: { width: 4 },
      losses: [{ step: 9, loss: 0.123456 }],
    };
    const parameters = new Map<string, tf.Tensor>([['x', tf.tensor1d([1, 2])]]);
    const path = saveTrainedModel(folder, parameters, provenance as unknown as Provenance);
    const load = () => tf.dispose([...loadTrainedModel('mar', folder).parameters.values()]);
    await expectRefusals(path, load);
    await expectRefusals(path.replace('safetensors', 'json'), load);
    saveParameters(path, parameters, { model: 'mar', config: '{"width":5}' });
    assert.throws(load, { name: 'FileFormatError', message: /mar.json: got the provenance of weights/ });
    rmSync(path.replace('safetensors', 'json'));
    load();
    tf.dispose([...parameters.values()]);
  });

  it('in the state of a training', async () => {
    const path = join(folder, 'checkpoint.safetensors');
    const state = { step: 7, tensors: new Map([['parameters.x', { shape: [3], data: Float32Array.of(1, 2, 3) }]]) };
    const losses = new Float64Array(7).fill(0.5);
    saveCheckpoint(path, { state, identity: { seed: 1, schedule: { base: 0.01 } }, seconds: 1.5, log: 'x', losses });
    assert.deepEqual(loadCheckpoint(path)!.state, state);
    await expectRefusals(path, () => loadCheckpoint(path));
  });

  it('in the log beside it, before anything is trained', async () => {
    const out = join(folder, 'training');
    const run = async (steps: number, resume: boolean) => {
      const { parameters, ema, ...rest } = await train(toyTask(3), { ...TOY_OPTIONS, out, steps, resume, logEvery: 1 });
      tf.dispose([...parameters.values(), ...ema.values()]);
      return rest;
    };
    await run(2, false);
    await expectRefusals(join(out, 'log.jsonl'), () => run(2, true), { step: 23 });
    rmSync(join(out, 'log.jsonl'));
    assert.equal((await run(3, true)).firstStep, 2, 'without its log a training goes on');
  });

  it('in a buffer of ideal conditions', async () => {
    const path = join(folder, 'buffer.safetensors');
    const buffer = new IdealConditions({ width: 2, grouping: 'class', capacity: 3, fingerprint: 'abcdef' });
    buffer.add({ conditions: Float32Array.of(1, 2, 3, 4), classes: [0, 0], positions: [0, 1], steps: [0, 0] }, key(0));
    saveIdealConditions(path, buffer);
    await expectRefusals(path, () => loadIdealConditions(path));
  });

  it('in cached latents, which are then made again', async () => {
    const make = async (): Promise<ArraySet> =>
      new Map([['mean', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4.5) }]]);
    const cache = join(folder, 'latents');
    await cachedArrays(cache, 'latents', { vae: 'a' }, make);
    const again = () => Promise.reject(Object.assign(new Error(), { name: 'MadeAgain' }));
    await expectRefusals(
      join(cache, readdirSync(cache)[0]),
      () => cachedArrays(cache, 'latents', { vae: 'a' }, again),
      {
        expected: 'MadeAgain',
      },
    );
  });

  it('in cached images, which are then drawn again, as they are when one is missing or too many', async () => {
    const options = { cache: join(folder, 'images'), perClass: 1 };
    const root = await proceduralFolder(options);
    const { hash } = (await loadImageFolder(root)).dataset;
    const read = () => {
      if (!isWhole(root)) throw Object.assign(new Error(), { name: 'NotWhole' });
    };
    const image = join(root, 'disc-checks', '00000.png');
    await expectRefusals(image, read, { step: 97, expected: 'NotWhole' });
    await expectRefusals(join(root, '.complete.json'), read, { expected: 'NotWhole' });
    const bytes = readFileSync(image);
    for (const harm of [
      () => rmSync(image),
      () => rmSync(join(root, 'disc-checks'), { recursive: true }),
      () => writeFileSync(image, bytes.subarray(0, 100)),
      () => writeFileSync(join(root, 'disc-checks', '00001.png'), bytes),
      () => rmSync(join(root, '.complete.json')),
    ]) {
      harm();
      assert.equal(isWhole(root), false);
      assert.equal(await proceduralFolder(options), root);
      assert.equal((await loadImageFolder(root, { strict: true })).dataset.hash, hash);
    }
  });

  it('in every weight file that is shipped, by a last bit', async () => {
    const shipped = join(__dirname, '../../data/checkpoints');
    const path = join(folder, 'shipped.safetensors');
    const files = readdirSync(shipped, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.safetensors'),
    );
    assert.ok(files.length >= 30);
    for (const file of files.filter((name) => !name.includes('wide'))) {
      const bytes = readFileSync(join(shipped, file));
      bytes[bytes.length - 1] ^= 1;
      writeFileSync(path, bytes);
      assert.throws(() => loadTrainedModel(path), { name: 'FileFormatError', message: /content with checksum/ }, file);
    }
  });
});
