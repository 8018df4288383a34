import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const doctor = (env: Record<string, string>, ...args: string[]) =>
  spawnSync(process.execPath, ['bin/cer.cjs', 'doctor', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });

describe('cer doctor', () => {
  it('reports everything that the project uses, as rows', () => {
    const rows = JSON.parse(doctor({}, '--json').stdout) as {
      what: string;
      status: string;
      found: string;
      remedy?: string;
    }[];
    assert.deepEqual(
      rows.map(({ what }) => what),
      [
        'Node',
        'native TensorFlow',
        'TensorFlow.js backend',
        'ONNX Runtime',
        'memory shared by training threads',
        'WebAssembly kernels',
        'Jupyter',
        'Chromium',
        'threads',
        'memory',
      ],
    );
    for (const row of rows) if (row.status !== 'good') assert.ok(row.remedy, `${row.what} has a remedy`);
    const kernels = rows.find(({ what }) => what === 'WebAssembly kernels');
    const built = 'simd.wasm, relaxed.wasm, simd-shared.wasm, relaxed-shared.wasm, adamw.wasm, adamw-shared.wasm';
    assert.equal(kernels?.found, built, 'each kernel, and no other file of their folders');
    const shared = rows.find(({ what }) => what === 'memory shared by training threads');
    let loads = true;
    try {
      require('koffi');
    } catch {
      loads = false;
    }
    assert.equal(shared?.status, loads ? 'good' : 'fallback');
  });

  it('says the remedy and exits 3 when something that is needed is missing', () => {
    const { status, stdout } = doctor({ CER_BACKEND: 'webgpu' });
    assert.equal(status, 3);
    assert.match(stdout, /MISSING TensorFlow\.js backend.*webgpu.*\n.*unset CER_BACKEND/);
  });

  it('a current folder that was removed is no missing package', function () {
    if (process.platform === 'win32') {
      console.log('skipped: Windows does not remove a current folder');
      this.skip();
    }
    const gone = mkdtempSync(join(tmpdir(), 'cer-'));
    const code = `process.chdir(${JSON.stringify(gone)}); require('node:fs').rmdirSync(${JSON.stringify(gone)});
      require(${JSON.stringify(join(root, 'bin', 'cer.cjs'))});`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
    assert.equal(status, 3);
    assert.match(stderr, /folder no longer exists/);
  });

  it('says what works without Chromium', () => {
    assert.match(
      doctor({ CER_CHROMIUM: '/no/such/browser' }).stdout,
      /note +Chromium +none: figures have no static PNG/,
    );
  });
});
