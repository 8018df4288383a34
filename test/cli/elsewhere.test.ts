import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const project = join(__dirname, '..', '..');

describe('from another folder', function () {
  this.timeout(120_000); // each starts Node; seconds on a quiet machine
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-elsewhere-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  const dryRun = (...args: string[]) => {
    const command = [join(project, 'bin', 'cer.cjs'), ...args, '--dry-run', '--json'];
    const { status, stdout, stderr } = spawnSync(process.execPath, command, { cwd: folder, encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return JSON.parse(stdout);
  };

  it('evaluate finds the shipped classifier', () => {
    const { counts } = dryRun('evaluate', 'procedural:control');
    assert.deepEqual(counts, { images: 3000, reference: 3000 });
    assert.deepEqual(readdirSync(folder), []);
  });

  it('study finds the shipped weights, and the folder of the shipped tables', () => {
    const { trainings, results } = dryRun('study', '--size', 'full');
    assert.deepEqual(trainings, []);
    assert.equal(resolve(folder, results), join(project, 'data', 'results'));
  });
});
