import { strict as assert } from 'node:assert';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { proceduralFolder } from '../../src/data/procedural-folder';
import { chromiumPath, renderPng } from '../../src/plots/render';
import { writeNotebook } from '../../src/reproduce/document';
import { type Jupyter, projectRoot } from '../../src/reproduce/jupyter';
import { MissingDependencyError } from '../../src/runtime/errors';
import { notebookOf } from '../generators/notebooks';

const CER = join(projectRoot, 'bin', 'cer.cjs');
const findJupyter = () =>
  require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter() as Jupyter | undefined;

/** Process ids of this project's kernels. */
function kernels(): number[] {
  const processes = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  const own = join(projectRoot, '.jupyter', 'kernels', 'cer', 'launch.cjs');
  return processes.filter((line) => line.includes(own)).map((line) => Number.parseInt(line, 10));
}

/** Waits, at most 60 s (a machine with other work), until `found` gives something. */
async function until<T>(what: string, found: () => T | undefined | false): Promise<T> {
  for (const started = Date.now(); Date.now() - started < 60_000; ) {
    const value = found();
    if (value) return value;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`never came: ${what}`);
}

const isGone = (pid: number) => {
  try {
    process.kill(pid, 0);
    return /^State:\s*Z/m.test(existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '');
  } catch {
    return true;
  }
};

describe('the end of a run', function () {
  this.timeout(180_000); // kernels start in 3 s, and much later on a machine with other work
  const folder = mkdtempSync(join(tmpdir(), 'cer-endings-'));
  const results = join(folder, 'results');
  const notebook = (name: string) => join(folder, `${name}.ipynb`);
  before(function () {
    if (process.platform === 'win32') this.skip();
    writeNotebook(notebook('quick'), notebookOf('1 + 1'));
    writeNotebook(
      notebook('slow'),
      notebookOf("console.log('on');", 'await new Promise((end) => setTimeout(end, 90_000));'),
    );
  });
  after(() => rmSync(folder, { recursive: true }));
  const reproduce = (...names: string[]) => [
    ...[CER, 'reproduce', '--profile', 'smoke', '--results', results, '--parallel', '1'],
    ...['--only', ...names.map(notebook)],
  ];

  it('by a kill while a kernel starts leaves neither a kernel nor a half-written file', async function () {
    if (!findJupyter()) {
      console.log('skipped: no Jupyter, which executes the notebooks');
      return this.skip();
    }
    const before = new Set(kernels());
    const child = spawn(process.execPath, reproduce('slow'), { stdio: 'ignore' });
    const kernel = await until('a kernel', () => kernels().find((pid) => !before.has(pid)));
    child.kill('SIGKILL');
    await once(child, 'close');
    await until('the end of the kernel', () => isGone(kernel));
    assert.ok(!existsSync(join(results, 'notebooks')));
  });

  /** Runs the command on a terminal of its own; `end` is Ctrl-C, or the terminal closes when the second notebook runs. */
  function onTerminal(command: string[], end: 'ctrl-c' | 'close'): { status: number | null; output: string } {
    const script = `
import os, pty, signal, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execv(sys.argv[2], sys.argv[2:])
seen = b''
while b'slow cell 2' not in seen: seen += os.read(terminal, 4096)
if sys.argv[1] == 'ctrl-c': os.write(terminal, b'\\x03')
else: os.close(terminal)
while sys.argv[1] == 'ctrl-c':
    try: more = os.read(terminal, 4096)
    except OSError: break
    if not more: break
    seen += more
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(status))`;
    const run = spawnSync('python3', ['-c', script, end, process.execPath, ...command], { timeout: 120_000 });
    return { status: run.status, output: String(run.stdout) };
  }

  for (const [end, code] of [
    ['ctrl-c', 130],
    ['close', 129],
  ] as const) {
    it(`by ${end === 'close' ? 'a terminal that closes' : 'Ctrl-C'} keeps what is finished and ends everything`, async function () {
      if (!findJupyter()) {
        console.log('skipped: no Jupyter, which executes the notebooks');
        return this.skip();
      }
      rmSync(results, { recursive: true, force: true });
      const before = new Set(kernels());
      const { status, output } = onTerminal(reproduce('quick', 'slow'), end);
      assert.equal(status, code, output);
      if (end === 'ctrl-c')
        assert.match(output, /Interrupted\. Finished notebooks are kept; resume with `cer reproduce --profile smoke/);
      assert.deepEqual(readdirSync(join(results, 'notebooks')), ['quick.ipynb']);
      assert.deepEqual(readdirSync(join(results, '.finished')), ['quick.json']);
      await until('the end of the kernels', () => kernels().every((pid) => before.has(pid) || isGone(pid)));
    });
  }

  it('of `cer lab` is the end of Jupyter: SIGTERM, SIGHUP, and SIGKILL', async function () {
    const jupyter = findJupyter();
    if (!jupyter) {
      console.log('skipped: no Jupyter, whose Python stands for it');
      return this.skip();
    }
    const stand = join(folder, 'bin', 'jupyter');
    mkdirSync(join(folder, 'bin'));
    const place = join(folder, 'pid');
    writeFileSync(
      stand,
      `#!${jupyter.python}
import os, signal, sys, time
if '--version' in sys.argv: sys.exit(0)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with open(${JSON.stringify(`${place}.new`)}, 'w') as file: file.write(str(os.getpid()))
os.rename(${JSON.stringify(`${place}.new`)}, ${JSON.stringify(place)})
time.sleep(90)
`,
    );
    chmodSync(stand, 0o755);
    for (const name of ['SIGTERM', 'SIGHUP', 'SIGKILL'] as const) {
      rmSync(place, { force: true });
      const env = { ...process.env, CER_JUPYTER: stand };
      const lab: ChildProcess = spawn(process.execPath, [CER, 'lab', '--no-browser'], { env, stdio: 'ignore' });
      const pid = Number(await until('Jupyter', () => existsSync(place) && readFileSync(place, 'utf8')));
      lab.kill(name);
      await once(lab, 'close');
      await until(`the end of Jupyter by ${name}`, () => isGone(pid));
    }
  });

  it('comes at once, with a remedy, where no temporary file can be written or hardly any file opened', () => {
    const run = (command: string, environment = {}) =>
      spawnSync('sh', ['-c', command, 'sh', process.execPath, CER, 'claims'], {
        env: { ...process.env, ...environment },
        encoding: 'utf8',
        timeout: 30_000,
      });
    const noFolder = run('exec "$@"', { TMPDIR: join(folder, 'none') });
    assert.equal(noFolder.status, 3, noFolder.stderr);
    assert.match(
      noFolder.stderr,
      /^cer: Temporary folder: got .*none, where nothing can be written \(ENOENT\);.*TMPDIR/,
    );
    const fewFiles = run('ulimit -n 40; exec "$@"');
    assert.equal(fewFiles.status, 3, fewFiles.stderr);
    assert.match(
      fewFiles.stderr,
      /^cer: Open files: got a limit that leaves \d+ more; expected at least 160\..*ulimit/,
    );
  });

  it('of Chromium under a figure is an error, not a wait', async function () {
    const real = chromiumPath();
    if (!real) {
      console.log('skipped: no Chromium (CER_CHROMIUM names one)');
      return this.skip();
    }
    const { CER_CHROMIUM } = process.env;
    process.env.CER_CHROMIUM = join(folder, 'chromium');
    try {
      for (const seconds of [0.1, 1.5]) {
        writeFileSync(process.env.CER_CHROMIUM, `#!/bin/sh\nexec timeout -s KILL ${seconds} ${real} "$@"\n`, {
          mode: 0o755,
        });
        const data = Array.from({ length: 40 }, () => ({
          type: 'scatter' as const,
          y: Array.from({ length: 5000 }, Math.random),
        }));
        await assert.rejects(renderPng({ data, layout: {} }), MissingDependencyError);
      }
    } finally {
      if (CER_CHROMIUM === undefined) delete process.env.CER_CHROMIUM;
      else process.env.CER_CHROMIUM = CER_CHROMIUM;
    }
  });

  it('by a kill leaves a draft of images that the next call removes, but none of a process that runs', async () => {
    const cache = join(folder, 'cache');
    const options = { split: 'train' as const, perClass: 1, size: 8, seed: 0, cache };
    const root = await proceduralFolder(options);
    rmSync(root, { recursive: true });
    const gone = spawnSync(process.execPath, ['-e', '']).pid;
    const drafts = [gone, process.ppid].map((pid) => `${root}.${hostname()}.${pid}.partial`);
    for (const draft of drafts) mkdirSync(draft);
    assert.equal(await proceduralFolder(options), root);
    assert.deepEqual(drafts.map(existsSync), [false, true]);
  });
});
