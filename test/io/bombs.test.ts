import { strict as assert } from 'node:assert';
import { zipSync } from 'fflate';
import { memorySource } from '../../src/io/byte-source';
import { readNpy } from '../../src/io/npz';
import { readSafetensors } from '../../src/io/safetensors';
import { readTorchCheckpoint } from '../../src/io/torch-checkpoint';
import { PickleWriter } from '../generators/pickle';

/** A checkpoint around a pickle, deflated. */
function checkpoint(...parts: (Uint8Array | number[])[]): Uint8Array {
  const pickle = Buffer.concat([Buffer.from([0x80, 2]), ...parts.map((part) => Buffer.from(part)), Buffer.from('.')]);
  return zipSync({ 'a/data.pkl': new Uint8Array(pickle) }, { level: 6 });
}

function safetensors(header: string): Uint8Array {
  const bytes = Buffer.alloc(8 + header.length);
  bytes.writeBigUint64LE(BigInt(header.length));
  bytes.write(header, 8, 'latin1');
  return bytes;
}

const call = (write: (pickle: PickleWriter) => void) => {
  const pickle = new PickleWriter();
  write(pickle);
  return pickle.finish().subarray(2, -1);
};

// `(`, what `item` is so many times, `t`: a tuple of them
const many = (item: number[], count: number) => [
  Buffer.from('('),
  Buffer.alloc(count * item.length, Buffer.from(item)),
  Buffer.from('t'),
];
const EMPTY = [0x29]; // ()
const torch = (bytes: Uint8Array) => readTorchCheckpoint(memorySource(bytes));

/** Small files that ask for much more memory than they have. */
const BOMBS: Record<string, [read: () => unknown, message: RegExp]> = {
  '2 million empty dictionaries': [() => torch(checkpoint(...many([0x7d], 2e6))), /more than 100000 collections/],
  '17 million of them': [
    () => torch(checkpoint(...many([0x7d], 17e6))),
    /data.pkl|pickles, the first of 17000005 bytes/,
  ],
  '2 million numbers': [() => torch(checkpoint(...many([0x4b, 1], 2e6))), /more than 500000 values/],
  '2 million entries of the memo': [
    () => torch(checkpoint([0x4b, 1], Buffer.alloc(2e6, 0x94))),
    /more than 500000 values/,
  ],
  'a list that a set copies again and again': [
    () =>
      torch(
        checkpoint(
          ...many([0x4b, 1], 1e5),
          [0x85, 0x71, 0], // ([1, 1, ...],) as memo 0
          call((pickle) => pickle.global('builtins', 'set')),
          [0x71, 1],
          ...many([0x68, 1, 0x68, 0, 0x52], 1000),
        ),
      ),
    /more than 500000 values/,
  ],
  'a shape that contains itself': [
    () =>
      torch(
        checkpoint(
          call((pickle) => pickle.global('torch._utils', '_rebuild_tensor_v2')),
          [0x28, 0x4e, 0x4b, 0, 0x5d, 0x71, 0, 0x68, 0, 0x61, 0x68, 0, 0x68, 0, 0x74, 0x52],
        ),
      ),
    /a view of shape \[\.\.\.\]/,
  ],
  'a device of doubled tuples': [
    () => {
      const doubling = Array.from({ length: 60 }, (_, i) => [0x68, i, 0x68, i, 0x86, 0x71, i + 1]).flat();
      const device = call((pickle) => pickle.global('torch', 'device'));
      return torch(checkpoint(EMPTY, [0x71, 0], doubling, [0x85, 0x71, 100], [0x30], device, [0x68, 100, 0x52]));
    },
    /values left over/,
  ],
  'a name of a megabyte': [
    () => torch(checkpoint(call((pickle) => pickle.dictionary([['x'.repeat(1e6), 0]], () => pickle.number(1))))),
    /a name of 1000000 characters/,
  ],
  '1.5 million entries of a header': [
    () =>
      readSafetensors(memorySource(safetensors(`{${Array.from({ length: 1.5e6 }, (_, i) => `"${i}":{}`).join()}}`))),
    /header of \d+ bytes; expected at most 16777216|more than 196608 values/,
  ],
  '250,000 entries': [
    () =>
      readSafetensors(memorySource(safetensors(`{${Array.from({ length: 2.5e5 }, (_, i) => `"${i}":{}`).join()}}`))),
    /more than 196608 values/,
  ],
  'a header of lists in lists': [
    () => readSafetensors(memorySource(safetensors(`{"a":${'['.repeat(1e6)}`))),
    /more than 3 levels deep/,
  ],
  'a header of one long name': [
    () => readSafetensors(memorySource(safetensors(`{"${'a'.repeat(1e7)}":1}`))),
    /a name of more than 4096/,
  ],
  'a shape of half a million sides': [
    () => {
      const header = `{'descr': '<f8', 'fortran_order': False, 'shape': (${'1,'.repeat(4e5)}), }\n`;
      const bytes = Buffer.concat([Buffer.from('\x93NUMPY\x02\x00', 'latin1'), Buffer.alloc(4), Buffer.from(header)]);
      bytes.writeUInt32LE(header.length, 8);
      return readNpy(memorySource(bytes));
    },
    /array header/,
  ],
};

describe('io/bombs: small files that ask for much memory are refused in words', function () {
  this.timeout(60_000);
  for (const [what, [read, message]] of Object.entries(BOMBS)) {
    it(what, () => assert.throws(read, { name: 'FileFormatError', message }));
  }
});
