import { strict as assert } from 'node:assert';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathInside } from '../../src/io/path-inside';
import { FileFormatError } from '../../src/runtime/errors';

describe('a name that a file gives', () => {
  const outer = mkdtempSync(join(tmpdir(), 'cer-inside-'));
  const folder = join(outer, 'folder');
  before(() => {
    mkdirSync(join(folder, 'real'), { recursive: true });
    writeFileSync(join(outer, 'victim.txt'), 'kept');
    symlinkSync(outer, join(folder, 'out'));
    symlinkSync(join(outer, 'victim.txt'), join(folder, 'link.txt'));
    symlinkSync(join(outer, 'absent'), join(folder, 'dangling'));
    symlinkSync(join(folder, 'real'), join(folder, 'within'));
    symlinkSync(folder, join(outer, 'alias'));
  });
  after(() => rmSync(outer, { recursive: true }));

  it('leads to its place in the folder, there or not', () => {
    for (const name of ['a.png', 'real/a.png', 'new/deep/a.png', '..a', 'a..b', './a', 'within/a']) {
      assert.equal(pathInside(folder, name, 'x'), join(folder, name), name);
    }
    const alias = join(outer, 'alias'); // a folder may itself be reached through a link
    assert.equal(pathInside(alias, 'a.png', 'x'), join(alias, 'a.png'));
    assert.equal(pathInside(join(outer, 'absent'), 'a.png', 'x'), join(outer, 'absent', 'a.png'));
  });

  for (const [what, name] of Object.entries({
    'a parent': '../victim.txt',
    'a parent in the middle': 'real/../../victim.txt',
    'a parent in Windows’ spelling': '..\\victim.txt',
    'an absolute path': join(outer, 'victim.txt'),
    'a drive': 'C:\\victim.txt',
    'a link that leaves': 'link.txt',
    'a place behind a link that leaves': 'out/victim.txt',
    'a new place behind a link that leaves': 'out/new/victim.txt',
    'a dangling link': 'dangling',
    'the folder itself': '.',
    nothing: '',
    'a zero byte': 'a\0.png',
    'a name too long for any file': 'a'.repeat(5000),
    'a number': 7,
    'no name': undefined,
  })) {
    it(`is refused when it is ${what}`, () => {
      assert.throws(
        () => pathInside(folder, name, 'Record'),
        (error: Error) => {
          assert.ok(error instanceof FileFormatError, String(error));
          assert.match(error.message, /^Record: got the file name .*; expected a name inside /s);
          return true;
        },
      );
    });
  }
});
