import { strict as assert } from 'node:assert';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { type ByteSource, memorySource } from '../../src/io/byte-source';
import { npyBytes, readNpy, readNpz } from '../../src/io/npz';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors';
import type { StoredTensor, TensorRecord } from '../../src/io/tensor-record';
import { readTorchCheckpoint } from '../../src/io/torch-checkpoint';
import { CerError } from '../../src/runtime/errors';
import { bits, foldIn, type Key, key } from '../../src/runtime/random';

const PER_FAMILY = 4200; // times 5 families: 21,000 files
const SLOWEST = 2000; // ms for one file of at most a few KB, with much room for a busy machine
const LARGEST = 200 * 2 ** 20; // bytes of new array memory: the expansion limit of 64 MiB, and garbage not yet collected

const tensors = new Map<string, TensorRecord>([
  ['a.weight', { dtype: 'F32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['b', { dtype: 'BF16', shape: [3], data: Uint16Array.of(1, 2, 3) }],
  ['c', { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) }],
  ['d', { dtype: 'BOOL', shape: [2, 0], data: new Uint8Array(0) }],
]);

/** A few edits of the bytes, from single bits to moved and multiplied parts and extreme fields. */
function mutate(seed: Uint8Array, source: Key): Uint8Array {
  const words = bits(source, 64);
  let at = 0;
  const below = (limit: number) => words[at++] % Math.max(1, limit);
  let bytes = Uint8Array.from(seed);
  for (let edits = 1 + below(4); edits > 0; edits--) {
    const place = below(bytes.length);
    const length = 1 + below(16);
    const part = bytes.slice(place, place + length);
    switch (below(8)) {
      case 0:
        bytes[place] ^= 1 << below(8);
        break;
      case 1:
        bytes[place] = below(256);
        break;
      case 2:
        bytes = bytes.slice(0, place);
        break;
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, place), ...bytes.subarray(place + length)]);
        break;
      case 4:
        bytes = Uint8Array.from([...bytes.subarray(0, place), ...part, ...part, ...bytes.subarray(place)]);
        break;
      case 5:
        bytes.fill(below(2) * 255, place, place + below(9));
        break;
      case 6:
        bytes.copyWithin(below(bytes.length), place, place + length);
        break;
      default: // a digit or letter of a header or a name
        bytes[place] = '0123456789-.,[]{}"\\eELF'.charCodeAt(below(24));
    }
    if (bytes.length === 0) break;
  }
  return bytes;
}

describe('io under fuzzing', () => {
  const seeds: Record<string, Uint8Array> = {};
  before(() => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-fuzz-'));
    writeSafetensors(join(folder, 'x'), tensors, { note: 'äöü' });
    seeds.safetensors = new Uint8Array(readFileSync(join(folder, 'x')));
    rmSync(folder, { recursive: true });
    seeds.npz = zipSync(
      Object.fromEntries([...tensors].filter(([name]) => name !== 'b').map(([n, t]) => [`${n}.npy`, npyBytes(t)])),
    );
    seeds.npy = npyBytes(tensors.get('a.weight')!);
    seeds.torch = new Uint8Array(readFileSync(join(__dirname, '../../data/reference/mar/odd_tensors.pth')));
    seeds.pickle = unzipSync(seeds.torch)['odd_tensors/data.pkl'];
  });

  const readAll = (found: Iterable<StoredTensor>) => {
    for (const tensor of found) tensor.read();
  };
  const families: Record<string, (source: ByteSource) => void> = {
    safetensors: (source) => readAll(readSafetensors(source).tensors.values()),
    torch: (source) => readAll(readTorchCheckpoint(source).tensors.values()),
    npz: (source) => readAll(readNpz(source).values()),
    npy: (source) => readAll([readNpy(source)]),
  };
  let original: Record<string, Uint8Array> | undefined;
  // A damaged pickle in a sound archive, since the archive's checksums would refuse it first.
  families.pickle = (source) => {
    original ??= unzipSync(seeds.torch);
    const archive = { ...original, 'odd_tensors/data.pkl': source.read(0, source.size) };
    families.torch(memorySource(zipSync(archive, { level: 0 })));
  };

  for (const family of Object.keys(families)) {
    it(`${PER_FAMILY} damaged ${family} files are read or refused with an explanation, in bounded time and memory`, () => {
      const root = foldIn(key(20260101), family);
      families[family](memorySource(seeds[family])); // the sound file is read
      let refused = 0;
      for (let i = 0; i < PER_FAMILY; i++) {
        const bytes = mutate(seeds[family], foldIn(root, i));
        const before = process.memoryUsage.rss();
        const start = performance.now();
        try {
          families[family](memorySource(bytes));
        } catch (error) {
          if (!(error instanceof CerError)) {
            assert.fail(`case ${i}: ${(error as Error).stack}\n${Buffer.from(bytes).toString('base64')}`);
          }
          refused++;
        }
        assert.ok(performance.now() - start < SLOWEST, `case ${i} took ${performance.now() - start} ms`);
        assert.ok(process.memoryUsage.rss() - before < LARGEST, `case ${i} took too much memory`);
      }
      // Both must happen often, or the mutations test one path alone.
      assert.ok(refused > PER_FAMILY / 10 && refused < PER_FAMILY, `${refused} refused`);
    }).timeout(60000);
  }
});
