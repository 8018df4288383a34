import { strict as assert } from 'node:assert';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { memorySource } from '../../src/io/byte-source';
import { readZip } from '../../src/io/zip-reader';
import { writeZip } from '../../src/io/zip-writer';

const text = (value: string) => new TextEncoder().encode(value);
const open = (bytes: Uint8Array) => readZip(memorySource(bytes));

/** Replaces a text of the same length everywhere. */
function replaced(bytes: Uint8Array, from: string, to: string): Uint8Array {
  return new Uint8Array(Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(from, to), 'latin1'));
}

/** Sets a little-endian field of the n-th directory record. */
function patched(bytes: Uint8Array, record: number, offset: number, value: number, size: 2 | 4): Uint8Array {
  const copy = Buffer.from(bytes);
  let at = -1;
  for (let i = 0; i <= record; i++) at = copy.indexOf('PK\x01\x02', at + 1, 'latin1');
  if (size === 2) copy.writeUInt16LE(value, at + offset);
  else copy.writeUInt32LE(value, at + offset);
  return new Uint8Array(copy);
}

describe('io/zip', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-zip-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const stored = zipSync({ 'a/x': text('hello'), 'a/y': text('world!') }, { level: 0 });

  it('reads what another library writes, stored and deflated, whole and in part', () => {
    const files = { 'a/x': text('hello'.repeat(1000)), 'ä/y': text(''), z: Uint8Array.of(0, 255) };
    for (const level of [0, 9] as const) {
      const entries = open(zipSync(files, { level }));
      for (const [name, content] of Object.entries(files)) {
        assert.deepEqual(entries.get(name)!.read(), content);
        const begin = Math.min(1, content.length);
        const length = Math.max(0, content.length - 2);
        assert.deepEqual(entries.get(name)!.read(begin, length), content.slice(begin, begin + length));
      }
    }
  });

  it('writes what another library reads, aligned to 64 bytes, the same bytes each time', () => {
    const inputs = ['one', 'two/three', 'ö'].map((name, i) => ({ name, content: () => text(name.repeat(100 * i)) }));
    const paths = [join(folder, 'a.zip'), join(folder, 'b.zip')];
    for (const path of paths) writeZip(path, inputs);
    const bytes = new Uint8Array(readFileSync(paths[0]));
    assert.deepEqual(bytes, new Uint8Array(readFileSync(paths[1])));
    const found = unzipSync(bytes);
    for (const { name, content } of inputs) {
      assert.deepEqual(found[name], content());
      if (content().length > 0) assert.equal(Buffer.from(bytes).indexOf(content()) % 64, 0);
    }
  });

  it('goes beyond 65535 entries with the zip64 records, and reads them back', () => {
    const path = join(folder, 'many.zip');
    const inputs = Array.from({ length: 65_600 }, (_, i) => ({ name: `n${i}`, content: () => new Uint8Array(0) }));
    writeZip(path, inputs);
    const entries = open(new Uint8Array(readFileSync(path)));
    assert.equal(entries.size, 65_600);
    assert.equal(entries.get('n65599')!.size, 0);
  });

  it('reads names with a colon, a backslash or an escape in them', () => {
    for (const name of ['c:x', 'a\\x', '\u001bAx']) assert.ok(open(replaced(stored, 'a/x', name)).has(name));
  });

  it('refuses to write names that readers refuse, and leaves no file', () => {
    const path = join(folder, 'refused.zip');
    const content = () => new Uint8Array(1);
    for (const names of [
      ['a', 'a'],
      ['../a'],
      ['/a'],
      [''],
      ['a/./b'],
      ['a\\..\\b'],
      ['a\0'],
      ['\ud800'],
      ['x'.repeat(65536)],
    ]) {
      const write = () =>
        writeZip(
          path,
          names.map((name) => ({ name, content })),
        );
      assert.throws(write, { name: 'InvalidInputError', message: /Name in an archive/ }, names.join().slice(0, 20));
    }
    assert.ok(!existsSync(path));
  });

  const hostile: [what: string, bytes: Uint8Array, message: RegExp][] = [
    [
      'a bomb that states its size',
      patched(zipSync({ x: new Uint8Array(2 ** 20) }), 0, 24, 0xfffffff0, 4),
      /unfold to/,
    ],
    ['many bombs in one file', zipSync(bombs(70)), /unfold to 73400320 bytes/],
    ['a path out of the folder', replaced(stored, 'a/x', '../'), /entry name "\.\.\/"/],
    ['an absolute path', replaced(stored, 'a/x', '/ax'), /entry name "\/ax"/],
    ['a path out of the folder with a backslash', replaced(stored, 'a/x', '..\\'), /entry name "\.\.\\\\"/],
    ['a NUL in a name', replaced(stored, 'a/x', 'a\0x'), /entry name/],
    ['a name twice', replaced(stored, 'a/x', 'a/y'), /"a\/y" twice/],
    ['a local header of another name', patchedLocalName(stored), /local header of "a\/x"/],
    ['an encrypted entry', patched(stored, 0, 8, 1, 2), /flags 1/],
    ['an unknown method', patched(stored, 0, 10, 12, 2), /method 12/],
    ['sizes that disagree', patched(stored, 0, 20, 4, 4), /4 of 5 bytes/],
    ['entries that overlap', patched(patched(stored, 0, 20, 50, 4), 0, 24, 50, 4), /overlaps another part/],
    ['an entry beyond the end', patched(stored, 1, 42, 0x7fffffff, 4), /range up to byte/],
    ['fewer records than stated', replaced(stored, 'PK\x01\x02', 'PK\x01\x09'), /0 readable directory entries/],
    ['a truncated file', stored.slice(0, -30), /no zip directory/],
    ['nothing', new Uint8Array(0), /no zip directory/],
  ];
  for (const [what, bytes, message] of hostile) {
    it(`refuses ${what}`, () => assert.throws(() => open(bytes), { name: 'FileFormatError', message }));
  }

  it('finds a flipped bit by its checksum, also when only another part is read', () => {
    const entries = open(replaced(stored, 'hello', 'hellp'));
    assert.throws(() => entries.get('a/x')!.read(), { message: /checksum/ });
    assert.throws(() => entries.get('a/x')!.read(0, 2), { message: /checksum/ });
    assert.deepEqual(entries.get('a/y')!.read(), text('world!'));
  });

  it('refuses deflate data that is longer than stated before it takes the memory', () => {
    const bomb = patched(zipSync({ x: new Uint8Array(2 ** 26) }, { level: 9 }), 0, 24, 100, 4);
    const before = process.memoryUsage.rss();
    assert.throws(() => open(bomb).get('x')!.read(), { name: 'FileFormatError', message: /does not inflate/ });
    assert.ok(process.memoryUsage.rss() - before < 2 ** 25, 'the 64 MiB were never taken');
  });
});

function bombs(count: number): Record<string, Uint8Array> {
  const zeros = new Uint8Array(2 ** 20);
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, zeros]));
}

/** Renames an entry in its local header only. */
function patchedLocalName(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[32] = 'b'.charCodeAt(0);
  return copy;
}
