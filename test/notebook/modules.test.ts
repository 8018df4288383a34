import { strict as assert } from 'node:assert';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../../src/reproduce/jupyter';

const { forgetChangedModules } = require(join(projectRoot, '.jupyter', 'kernels', 'cer', 'modules.cjs')) as {
  forgetChangedModules(folder: string): void;
};

describe('modules that a notebook imports', () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cer-modules-')));
  after(() => rmSync(folder, { recursive: true }));

  /** Writes a module a little later than anything before: file systems keep times in milliseconds. */
  async function write(name: string, code: string): Promise<void> {
    await new Promise((next) => setTimeout(next, 20));
    writeFileSync(join(folder, name), code);
    await new Promise((next) => setTimeout(next, 20));
  }
  /** What a cell would get. */
  function cell(): number {
    forgetChangedModules(folder);
    return require(join(folder, 'whole.cjs')).value;
  }

  it('are loaded anew after an edit, also through another one and right after they were loaded first', async () => {
    await write('part.cjs', 'exports.value = 1;');
    await write('whole.cjs', "exports.value = 10 * require('./part.cjs').value;");
    assert.equal(cell(), 10);
    await write('part.cjs', 'exports.value = 2;'); // before the next cell has seen the first state
    assert.equal(cell(), 20);
    assert.equal(cell(), 20);
    await write('part.cjs', 'exports.value = 3;');
    assert.equal(cell(), 30);
  });

  it('are kept without one, so that their state lives on', async () => {
    await write('whole.cjs', 'exports.value = Math.random();');
    const first = cell();
    assert.deepEqual([cell(), cell()], [first, first]);
  });
});
