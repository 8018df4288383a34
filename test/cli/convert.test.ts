import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as verb from '../../src/cli/verbs/convert';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import { bytesOf, type TensorRecord } from '../../src/io/tensor-record';
import { runVerb } from './run-verb';

const REFERENCE = join(__dirname, '../../data/reference/mar');
const CHECKPOINT = join(REFERENCE, 'mar_small_fitted.pth');

const bits = (path: string) =>
  new Map(
    [...readSafetensors(path).tensors]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { dtype, shape, data }]: [string, TensorRecord]) => [
        name,
        [dtype, shape, Buffer.from(bytesOf(data)).toString('base64')],
      ]),
  );

describe('cli/convert', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-convert-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  const path = (name: string) => join(folder, name);

  it('.pth to .safetensors keeps every bit, and takes `model` by default', async () => {
    const said = await runVerb(verb, 'convert', CHECKPOINT, path('a.safetensors'));
    assert.match(said, /76 tensors \(model of .*also holds model_ema/s);
    const expected = bits(join(REFERENCE, 'mar_small_fitted.weights.safetensors'));
    assert.deepEqual(bits(path('a.safetensors')), expected);
  });

  it('--key and --all choose other weights', async () => {
    await runVerb(verb, 'convert', CHECKPOINT, path('ema.safetensors'), '--key', 'model_ema');
    const report = JSON.parse(await runVerb(verb, 'convert', CHECKPOINT, path('all.safetensors'), '--all', '--json'));
    assert.equal(report.tensors, 152);
    const [ema, all] = [bits(path('ema.safetensors')), bits(path('all.safetensors'))];
    for (const [name, value] of ema) assert.deepEqual(all.get(`model_ema.${name}`), value);
    assert.notDeepEqual(ema.get('mask_token'), all.get('model.mask_token'));
    await runVerb(verb, 'convert', join(REFERENCE, 'odd_tensors.pth'), path('odd.safetensors'));
    assert.equal(bits(path('odd.safetensors')).size, 16);
  });

  it('keeps metadata between safetensors files and half types as they are', async () => {
    const half = join(REFERENCE, 'mar_small_fitted.bf16.safetensors');
    await runVerb(verb, 'convert', half, path('half.safetensors'));
    assert.deepEqual(bits(path('half.safetensors')), bits(half));
    const one = { dtype: 'F32', shape: [1], data: Float32Array.of(1) } as const;
    writeSafetensors(path('m.safetensors'), [['x', one]], { model: 'mar' });
    await runVerb(verb, 'convert', path('m.safetensors'), path('n.safetensors'));
    assert.deepEqual(readFileSync(path('n.safetensors')), readFileSync(path('m.safetensors')));
  });

  it('refuses unknown keys and endings, and writes nothing then', async () => {
    const wrong = runVerb(verb, 'convert', CHECKPOINT, path('x.safetensors'), '--key', 'ema');
    await assert.rejects(wrong, { name: 'InvalidInputError', message: /"model", "model_ema"/ });
    await assert.rejects(runVerb(verb, 'convert', CHECKPOINT, path('x.bin')), { message: /\.safetensors or \.npz/ });
    await assert.rejects(runVerb(verb, 'convert', CHECKPOINT, path('x.pth')), { message: /load_file/ });
    assert.ok(!existsSync(path('x.bin')) && !existsSync(path('x.pth')) && !existsSync(path('x.safetensors')));
  });
});
