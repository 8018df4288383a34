import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const run = (args: string[], env: Record<string, string> = {}) =>
  spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env: { ...process.env, ...env } });

describe('scripts', () => {
  it('setup refuses a Node that TensorFlow.js cannot run on, with the remedy', () => {
    const fake = `Object.defineProperty(process.versions, 'node', { value: '23.1.0' }); require('./scripts/setup.cjs');`;
    const { status, stderr } = run(['-e', fake]);
    assert.equal(status, 3);
    assert.match(stderr, /Node 23\.1\.0 is running.*Install Node 20 or 22/s);
  });

  it('finds Chromium where CER_CHROMIUM says, and nowhere else then', () => {
    const script = `console.log(require('./scripts/find-chromium.cjs').findChromium())`;
    assert.equal(run(['-e', script], { CER_CHROMIUM: process.execPath }).stdout.trim(), process.execPath);
    assert.equal(run(['-e', script], { CER_CHROMIUM: '/no/such/browser' }).stdout.trim(), 'undefined');
  });

  it('services are forbidden while Redis is installed, and only then; a policy that is there is left alone', () => {
    const { hasRedis, withoutServices } = require('../../scripts/redis.cjs');
    const folder = mkdtempSync(join(tmpdir(), 'cer-policy-'));
    const policy = join(folder, 'policy-rc.d');
    try {
      // 101: the action is forbidden, see invoke-rc.d(8)
      assert.equal(
        withoutServices(() => spawnSync(policy).status, policy),
        101,
      );
      assert.ok(!existsSync(policy));
      writeFileSync(policy, 'theirs');
      withoutServices(() => {}, policy);
      assert.equal(readFileSync(policy, 'utf8'), 'theirs');
      assert.equal(hasRedis(), spawnSync('redis-server', ['--version']).status === 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('bench shows its usage, and a wrong option is one line', () => {
    const help = run(['--import', 'tsx', 'bench/main.ts', 'training', '--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /npm run bench -- NAME .*NAME: .*sinkhorn/s);
    const wrong = run(['--import', 'tsx', 'bench/main.ts', 'training', '--hepl']);
    assert.equal(wrong.status, 2);
    assert.doesNotMatch(wrong.stderr, /\n\s+at /);
  });

  describe('test.cjs', () => {
    let folder: string;
    before(() => {
      folder = mkdtempSync(join(tmpdir(), 'cer-scripts-'));
    });
    after(() => rmSync(folder, { recursive: true }));

    for (const [name, body, status, line] of [
      ['good', `it('a', () => {}); it('b', () => {}); it.skip('c', () => {});`, 0, '2 passed, 0 failed, 1 skipped'],
      ['bad', `it('a', () => {}); it('b', () => { throw new Error('no'); });`, 1, '1 passed, 1 failed, 0 skipped'],
      ['dies', `it('a', () => {}); it('b', () => process.exit(0));`, 1, '1 passed, 1 failed, 0 skipped'],
      ['empty', '', 1, '0 passed, 0 failed, 0 skipped'],
    ] as const) {
      it(`counts a run that is ${name}: the last line is ${line}`, () => {
        const file = join(folder, `${name}.test.ts`);
        writeFileSync(file, body);
        const result = run(['scripts/test.cjs', file]);
        assert.equal(result.stdout.trimEnd().split('\n').pop(), line);
        assert.equal(result.status, status);
      });
    }
  });
});
