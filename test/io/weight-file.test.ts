import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWeights } from '../../src/io/parameters';
import { writeSafetensors } from '../../src/io/safetensors';
import { openWeightFile } from '../../src/io/weight-file';

describe('telling formats by their first bytes', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-format-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  /** A safetensors file with a header of exactly so many bytes. */
  function withHeader(bytes: number): string {
    const path = join(folder, `${bytes}.safetensors`);
    const write = (note: string) =>
      writeSafetensors(path, [['x', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }]], { note });
    write('');
    const bare = readFileSync(path).readUInt32LE(0);
    write(' '.repeat(bytes - bare));
    assert.equal(readFileSync(path).readUInt32LE(0), bytes);
    return path;
  }

  for (const [name, bytes] of [
    ['a pickle', 0x2780],
    ['a zip archive', 0x4b50],
  ] as const) {
    it(`a safetensors file whose length of header begins as ${name} is one`, () => {
      const path = withHeader(bytes);
      const { format, tensors } = openWeightFile(path);
      assert.equal(format, 'safetensors');
      assert.deepEqual([...tensors.get('x')!.data], [1, 2]);
      assert.deepEqual([...openWeights(path).get('x')!.data], [1, 2]);
    });
  }

  it('a pickle from before PyTorch 1.6 is called what it is', () => {
    const path = join(folder, 'old.pth');
    writeFileSync(path, Buffer.from('80028a0a6cfc9c46f9206aa850192e80024de9032e', 'hex'));
    assert.throws(() => openWeightFile(path), /bare pickle/);
  });
});
