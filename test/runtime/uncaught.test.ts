import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');

/** A script of the user's: `before`, then the wasm backend is loaded, and then `after`. */
const script = (after: string, before = '') => `
  require('tsx/cjs');
  ${before}
  const loading = require('./src/runtime/backend').useBackend('wasm');
  loading.then(() => setTimeout(() => { ${after} }));`;

function run(code: string) {
  return spawnSync(process.execPath, ['-e', code], { cwd: root, encoding: 'utf8' });
}

describe('errors that nobody catches, once the wasm backend is loaded', () => {
  const failures = {
    'an error': script("throw new Error('lost')"),
    'a rejected promise': script("Promise.reject(new Error('lost'))"),
  };
  for (const [name, code] of Object.entries(failures)) {
    it(`${name}: its message and stack are printed, no source of a library, and the exit code is 1`, () => {
      const { status, stderr } = run(code);
      assert.equal(status, 1, stderr.slice(0, 3000));
      assert.match(stderr, /Error: lost/);
      assert.ok(stderr.length < 3000, `${stderr.length} characters`);
    });
  }

  it('handlers of the user stay, those set while it loads too', () => {
    const { status, stdout, stderr } = run(`
      ${script('throw 1', "process.on('uncaughtException', (error) => console.log('before', error));")}
      process.on('uncaughtException', (error) => console.log('meanwhile', error));`);
    assert.equal(stdout, 'before 1\nmeanwhile 1\n', stderr.slice(0, 3000));
    assert.equal(status, 0);
  });
});
