import { strict as assert } from 'node:assert';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadCheckpoint } from '../../src/training/checkpoint';
import { writePhotos } from '../support/photos';

const CER = [process.execPath, join(__dirname, '..', '..', 'bin', 'cer.cjs')];
const CTRL_C = '\u0003';

interface Step {
  wait: string;
  send: string;
}

/** Runs a command on a terminal and types when a text shows. */
function onTerminal(cwd: string, steps: readonly Step[], ...command: string[]): { output: string; status: number } {
  const program = join(__dirname, '..', 'support', 'terminal.py');
  const { stdout, stderr } = spawnSync('python3', [program, JSON.stringify(steps), ...command], {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, CI: '' },
  });
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout);
}

/** Runs `cer` in a pipe and sends a signal when a text shows. */
async function inPipe(cwd: string, wait: string, signal: NodeJS.Signals, ...args: string[]) {
  const child = spawn(CER[0], [CER[1], ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let sent = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      output += text;
      if (!sent && output.includes(wait)) sent = child.kill(signal);
    });
  }
  return { ...(await ended(child)), output };
}

const ended = (child: ChildProcess) =>
  new Promise<{ status: number | null; signal: string | null }>((done) =>
    child.once('close', (status, signal) => done({ status, signal })),
  );

describe('an interrupted command', function () {
  this.timeout(240_000); // each starts Node; seconds on a quiet machine
  let root: string;
  before(async function () {
    if (spawnSync('python3', ['--version']).status !== 0) {
      console.log('skipped: no python3, which makes the terminal');
      return this.skip();
    }
    root = mkdtempSync(join(tmpdir(), 'cer-interrupt-'));
    await writePhotos(join(root, 'photos'), [0, 3], 12);
  });
  after(() => root && rmSync(root, { recursive: true, force: true }));

  /** 1200 steps, of which none of the tests makes many. */
  const training = (out: string) => ['train', '--data', 'photos', '--model', 'classifier', '--out', out];
  const state = (out: string) => join(root, out, 'training', 'classifier', 'checkpoint.safetensors');

  it('train ends after the step under way, with its state, and goes on from there', () => {
    const { output, status } = onTerminal(
      root,
      [{ wait: 'classifier 10/1200', send: CTRL_C }],
      ...CER,
      ...training('stopped'),
    );
    assert.equal(status, 130, output);
    assert.match(output, /stopping after the step under way.*Interrupted\. What was finished/s);
    const { step } = loadCheckpoint(state('stopped'))!.state;
    assert.ok(step >= 10 && step < 100, `stopped at step ${step}`); // a tenth of a second after step 10
    assert.ok(!existsSync(join(root, 'stopped', 'classifier.safetensors')));
    const more = spawnSync(
      CER[0],
      [CER[1], ...training('stopped'), '--resume', '--steps', String(step + 2), '--json'],
      {
        cwd: root,
        encoding: 'utf8',
      },
    );
    assert.equal(JSON.parse(more.stdout)[0].steps, step + 2, more.stderr);
    const log = readFileSync(join(root, 'stopped', 'training', 'classifier', 'log.jsonl'), 'utf8');
    assert.equal(JSON.parse(log.split('\n')[0]).step, 10);
  });

  it('train hears it from the first step on', () => {
    const { output, status } = onTerminal(
      root,
      [{ wait: 'training images of', send: CTRL_C }],
      ...CER,
      ...training('early'),
    );
    assert.equal(status, 130, output);
    const found = existsSync(state('early')) ? loadCheckpoint(state('early'))!.state.step : 0;
    assert.ok(found < 10, `stopped at step ${found}`);
    assert.doesNotMatch(output, /classifier 10\/1200/);
  });

  it('train before its first step leaves nothing behind', () => {
    const procedural = ['train', '--model', 'classifier', '--profile', 'small', '--out', 'drawing'];
    const { output, status } = onTerminal(root, [{ wait: 'backend', send: CTRL_C }], ...CER, ...procedural);
    assert.ok(status === -2 || status === 130, `${status}: ${output}`); // before it listens the system ends it
    assert.ok(!existsSync(join(root, 'drawing')));
  });

  it('train in a pipe does the same at SIGTERM', async () => {
    const { status, output } = await inPipe(root, 'classifier 10/1200', 'SIGTERM', ...training('piped'));
    assert.equal(status, 143, output);
    assert.ok(loadCheckpoint(state('piped'))!.state.step < 100);
  });

  it('train saves its state when its terminal is closed', () => {
    const closed = onTerminal(root, [{ wait: 'classifier 10/1200', send: 'hangup' }], ...CER, ...training('hangup'));
    assert.equal(closed.status, 129);
    assert.ok(loadCheckpoint(state('hangup'))!.state.step < 100);
  });

  it('a second Ctrl-C ends at once', () => {
    const script = `require('tsx'); require('./src/runtime/interrupt').abortOnInterrupt(() => console.log('first'));
      setTimeout(() => {}, 600_000); console.log('waits');`;
    const steps = [
      { wait: 'waits', send: CTRL_C },
      { wait: 'first', send: CTRL_C },
    ];
    const { output, status } = onTerminal(join(__dirname, '..', '..'), steps, process.execPath, '-e', script);
    assert.equal(status, 130, output);
  });

  it('sweep: no row is lost or failed, whether by Ctrl-C or by a terminal that closes', () => {
    const sweep = { experiment: 'toy', base: { milliseconds: 400 }, points: [{ x: 0 }, { x: 1 }], seeds: [0, 1, 2] };
    writeFileSync(join(root, 'toy.json'), JSON.stringify(sweep));
    const args = ['sweep', 'toy.json', '--out', 'sweep', '--processes', '2', '--no-figures'];
    const rows = () =>
      readdirSync(join(root, 'sweep', 'rows')).map((name) =>
        JSON.parse(readFileSync(join(root, 'sweep', 'rows', name), 'utf8')),
      );
    for (const send of [CTRL_C, 'hangup']) {
      const { output, status } = onTerminal(root, [{ wait: 'of 6 rows', send }], ...CER, ...args);
      assert.equal(status, send === CTRL_C ? 130 : 129, output);
      assert.deepEqual(readdirSync(join(root, 'sweep', 'claims')), []);
      assert.ok(rows().every((row) => row.status === 'done'));
    }
    const { status } = spawnSync(CER[0], [CER[1], ...args], { cwd: root });
    assert.equal(status, 0);
    assert.equal(rows().length, 6);
  });

  it('study waits for its trainings, and they end when it is killed', async () => {
    const args = ['study', '--checkpoints', join(root, 'trainings'), '--store', 'rows', '--results', 'tables'];
    const { output, status } = onTerminal(root, [{ wait: 'training vae, classifier', send: CTRL_C }], ...CER, ...args);
    assert.equal(status, 130, output);
    assert.deepEqual(running(root), []);
    const killed = await inPipe(root, 'training vae, classifier', 'SIGKILL', ...args);
    assert.equal(killed.signal, 'SIGKILL');
    for (let tries = 0; tries < 600 && running(root).length > 0; tries++)
      await new Promise((end) => setTimeout(end, 100));
    assert.deepEqual(running(root), []);
  });

  it('sample and evaluate end at once and leave no file', () => {
    const shipped = join(__dirname, '..', '..', 'data', 'checkpoints');
    const [mar, vae] = ['mar', 'vae'].map((name) => join(shipped, `${name}.safetensors`));
    const sample = ['sample', '--weights', mar, '--vae', vae, '--count', '4000', '--out', 'samples'];
    const evaluate = ['evaluate', 'procedural:control', '--classifier', join(shipped, 'classifier.safetensors')];
    for (const [args, wait] of [
      [sample, 'of 4000 samples'],
      [evaluate, 'images'],
    ] as const) {
      const { output, status } = onTerminal(root, [{ wait, send: CTRL_C }], ...CER, ...args);
      assert.ok(status === -2 || status === 130, `${status}: ${output}`); // a shell says 130 for both
    }
    assert.ok(!existsSync(join(root, 'samples')));
  });
});

/** Processes whose command line names a folder (Linux; elsewhere none is seen). */
function running(folder: string): string[] {
  if (!existsSync('/proc/self/cmdline')) return [];
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        const command = readFileSync(join('/proc', pid, 'cmdline'), 'utf8').replaceAll('\0', ' ');
        return command.includes(folder) ? [command] : [];
      } catch {
        return []; // gone meanwhile
      }
    });
}
