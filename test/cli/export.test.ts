import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as verb from '../../src/cli/verbs/export';
import { saveParameters } from '../../src/io/parameters';
import { initMar, marConfig } from '../../src/models/mar/mar';
import { initVae, type VaeConfig } from '../../src/models/vae/vae';
import { useBackend } from '../../src/runtime/backend';
import { key } from '../../src/runtime/random';
import { runVerb } from './run-verb';

const vae: VaeConfig = {
  imageChannels: 3,
  width: 8,
  multipliers: [1, 2],
  blocks: 1,
  resolution: 8,
  encoderAttention: [],
  decoderAttention: [],
  bottleneck: 4,
  latentChannels: 4,
  groups: 4,
  latentScale: 0.5,
};

describe('cer export', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cer-export-'));
  const vaeFile = join(folder, 'vae.safetensors');
  before(async () => {
    await useBackend();
    saveParameters(vaeFile, initVae(vae, key(1)), { model: 'vae', config: JSON.stringify(vae) });
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const part of ['decoder', 'encoder']) {
    it(`writes a ${part} that a fresh process runs to the same result`, async () => {
      const out = join(folder, `${part}.onnx`);
      const text = await runVerb(
        verb,
        'export',
        '--weights',
        vaeFile,
        '--part',
        part,
        '--batch',
        '2',
        '--out',
        out,
        '--json',
      );
      const report = JSON.parse(text);
      assert.ok(existsSync(out));
      assert.ok(report.error <= 1e-5, `differs by ${report.error}`);
      assert.deepEqual(report.inputs[0].shape, part === 'decoder' ? [2, 4, 4, 4] : [2, 8, 8, 3]);
    });
  }

  it('writes the denoiser of a MAR', async () => {
    const config = marConfig({
      imageSize: 8,
      vaeStride: 2,
      latentChannels: 4,
      encoderWidth: 16,
      encoderDepth: 1,
      encoderHeads: 2,
      decoderWidth: 16,
      decoderDepth: 1,
      decoderHeads: 2,
      headDepth: 1,
      headWidth: 16,
    });
    const file = join(folder, 'mar.safetensors');
    saveParameters(file, initMar(config, key(1)), { model: 'mar', config: JSON.stringify(config) });
    const out = join(folder, 'mar.onnx');
    const text = await runVerb(verb, 'export', '--weights', file, '--batch', '3', '--out', out);
    assert.match(text, /noised float32 \[3, 4\], steps int32 \[3\], conditions float32 \[3, 16\]/);
    assert.match(text, /a fresh process agrees/);
  });

  it('refuses a part that the family does not have, and a batch that is no number', async () => {
    await assert.rejects(runVerb(verb, 'export', '--weights', vaeFile, '--part', 'denoiser'), /decoder or encoder/);
    await assert.rejects(runVerb(verb, 'export', '--weights', vaeFile, '--batch', '0'), /a positive integer/);
  });
});
