import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePhotos } from '../support/photos';

const root = join(__dirname, '..', '..');
const bin = join(root, 'bin', 'cer.cjs');

describe('a command that cannot go on', function () {
  this.timeout(120_000); // each starts Node
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'cer-failures-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const cer = (args: string[], env: NodeJS.ProcessEnv = {}) =>
    spawnSync(process.execPath, [bin, ...args], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
      env: { ...process.env, ...env },
    });

  it('with work unfinished and nothing left to wait for says so and exits with 1', () => {
    const run = (work: string) => {
      const script = `require('tsx'); require('./src/cli/main').finish(${work})`;
      return spawnSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' });
    };
    const lost = run('() => new Promise(() => {})');
    assert.equal(lost.status, 1);
    assert.match(lost.stderr, /^cer: the command came to its end with work unfinished/);
    const good = run('() => new Promise((done) => setTimeout(done, 50))');
    assert.deepEqual([good.status, good.stderr], [0, '']);
  });

  it('turns every refusal of the file system into one line with the path and a remedy', () => {
    symlinkSync('loop', join(folder, 'loop'));
    writeFileSync(join(folder, 'half.json'), '{"experiment": "to');
    writeFileSync(join(folder, 'good.json'), '{"experiment": "toy", "points": [{ "x": 0 }], "seeds": [0]}');
    writeFileSync(join(folder, 'file'), '');
    const cases: [args: string[], says: RegExp][] = [
      [['inspect', 'loop'], /loop, which is not a file/],
      [['sweep', 'good.json', '--out', 'x'.repeat(300)], /ENAMETOOLONG.*xxx.*shorter/],
      [['sweep', 'good.json', '--out', 'loop'], /loop.*(Links|choose another)/],
      [['sweep', 'good.json', '--out', 'file/in'], /ENOTDIR.*file/],
      [['sweep', 'half.json'], /half\.json/],
      [['sweep', 'no.json'], /no\.json/],
      [['train', '--data', 'loop', '--dry-run', '--profile', 'smoke'], /loop/],
      [['claims', '--only', 'theorem-3', '--json'], /Standard output.*ENOSPC.*disk is full/],
    ];
    for (const [args, says] of cases) {
      const full = args[0] === 'claims';
      const stdio = full ? (['ignore', openSync('/dev/full', 'w'), 'pipe'] as const) : undefined;
      const { status, stderr } = spawnSync(process.execPath, [bin, ...args], {
        cwd: folder,
        encoding: 'utf8',
        stdio: stdio && [...stdio],
      });
      assert.match(stderr, says, args.join(' ').slice(0, 60));
      assert.doesNotMatch(stderr, /\n\s+at /, args.join(' ').slice(0, 60));
      assert.ok(status === 1 || status === 2 || status === 3, `${status}`);
    }
  });

  it('refuses a folder for temporary files, or a limit of open files, with which it would wait without end', () => {
    const { status, stderr } = cer(['claims', '--only', 'theorem-3'], { TMPDIR: '/proc' });
    assert.deepEqual([status, /^cer: Temporary folder: got \/proc/.test(stderr)], [3, true]);
    const limited = spawnSync('sh', ['-c', `ulimit -n 20; exec "$0" "$@"`, process.execPath, bin, 'claims'], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(limited.status, 3, limited.stderr);
    assert.match(limited.stderr, /ulimit -n 1024/);
  });

  it('does not stop when the reader of its output goes away', async () => {
    await writePhotos(join(folder, 'photos'), [0, 3], 12);
    const args = ['train', '--data', 'photos', '--model', 'classifier', '--steps', '40', '--out', 'out', '--json'];
    for (const resume of [[], ['--resume']]) {
      const child = spawn(process.execPath, [bin, ...args, ...resume], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      child.stdout.destroy();
      child.stderr.once('data', () => child.stderr.destroy());
      const status = await new Promise((done) => child.once('exit', done));
      assert.equal(status, 0);
    }
  });

  it('knows its version', () => {
    assert.equal(cer(['--version']).stdout.trim(), require('../../package.json').version);
  });
});
