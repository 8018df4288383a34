import { strict as assert } from 'node:assert';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ArraySet, cachedArrays } from '../../src/data/latent-cache';

describe('data/latent-cache', () => {
  let folder: string;
  let made: number;
  const make = async (): Promise<ArraySet> => {
    made++;
    return new Map([['mean', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4.5) }]]);
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-cache-'));
    made = 0;
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('makes once, reads afterwards, and makes anew for other inputs', async () => {
    const first = await cachedArrays(folder, 'latents', { vae: 'a' }, make);
    const second = await cachedArrays(folder, 'latents', { vae: 'a' }, make);
    assert.deepEqual([second, made], [first, 1]);
    await cachedArrays(folder, 'latents', { vae: 'b' }, make);
    assert.equal(made, 2);
  });

  it('checks the content: a changed number, a cut file or another file is not taken', async () => {
    await cachedArrays(folder, 'latents', 1, make);
    const path = join(folder, readdirSync(folder)[0]);
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    changed[changed.length - 1] ^= 1;
    let expected = 1;
    for (const bytes of [changed, whole.subarray(0, 40), Buffer.from('hello')]) {
      writeFileSync(path, bytes);
      const again = await cachedArrays(folder, 'latents', 1, make);
      assert.equal(made, ++expected);
      assert.deepEqual([...again.get('mean')!.data], [1, 2, 3, 4.5]);
      assert.deepEqual(readFileSync(path), whole);
    }
  });

  it('keeps nothing when making fails', async () => {
    await assert.rejects(
      cachedArrays(folder, 'latents', 1, async () => Promise.reject(new Error('encoder'))),
      /encoder/,
    );
    assert.deepEqual(readdirSync(folder), []);
  });
});
