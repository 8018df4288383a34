import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '..', '..');
const source = (name: string) => JSON.stringify(join(root, 'src', name));

/** Runs a graph on this thread and on a helper thread. */
const COMPILED = `
  require('tsx/cjs');
  const { compile } = require(${source('compile')});
  const { useBackend } = require(${source('runtime/backend')});
  useBackend('cpu').then(() => {
    const x = { data: Float32Array.of(0), shape: [1] };
    const [a, b] = compile(({ x }) => x.exp(), { threads: 2 }).parallel([{ x }, { x }]);
    if (a.result.data[0] + b.result.data[0] === 2) console.log('ran');
  });`;

const LOADED = `
  require('tsx/cjs');
  try {
    require(${source('runtime/onnx-runtime')}).onnxRuntime();
    console.log('ran');
  } catch (error) {
    console.log(error.message);
  }`;

/** A worker thread that loads ONNX Runtime, after the main thread did `first`. */
const inWorker = (first: string) => `
  require('tsx/cjs');
  const { Worker } = require('node:worker_threads');
  ${first};
  new Worker(${JSON.stringify(LOADED)}, { eval: true });`;

/** Runs a script with a home, a working folder and a folder for temporary files that are empty; what it printed, the files it left. */
function run(script: string, home = 'home') {
  const folder = mkdtempSync(join(tmpdir(), 'cer-'));
  try {
    for (const name of ['home', 'work', 'tmp']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'script.cjs'), script);
    const { ORT_DISABLE_TELEMETRY, XDG_CACHE_HOME, ...rest } = process.env;
    const places = { NODE_PATH: join(root, 'node_modules'), HOME: join(folder, home), TMPDIR: join(folder, 'tmp') };
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'script.cjs')], {
      cwd: join(folder, 'work'),
      encoding: 'utf8',
      env: { ...rest, ...places },
    });
    const files = readdirSync(folder, { recursive: true }).map(String);
    const left = files.filter((file) => !/^(home|work|tmp|script\.cjs|tmp.tsx-.*)$/.test(file));
    return { printed: stdout.trim(), stderr, left };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe('runtime/onnx-runtime', () => {
  // Otherwise it keeps a device id and a database in the cache folder, or `:memory:.ses` in the working folder, and a log.
  const leavesNothing = (script: string, home?: string) => {
    const { printed, stderr, left } = run(script, home);
    assert.equal(printed, 'ran', stderr);
    assert.deepEqual(left, []);
  };

  it('does not report its use: a compiled function leaves no file', () => leavesNothing(COMPILED));

  it('nor where the home is no folder', () => leavesNothing(LOADED, 'script.cjs'));

  it('nor in a worker thread, where the main thread loaded this library before', () => {
    leavesNothing(inWorker(`require(${source('runtime/onnx-runtime')})`));
  });

  it('is refused in a worker thread of a process in which it would report', () => {
    const { printed, stderr, left } = run(inWorker(''));
    assert.match(printed, /ORT_DISABLE_TELEMETRY=1/, stderr);
    assert.deepEqual(left, []);
  });

  it('is loaded by this file alone', () => {
    const files = readdirSync(join(root, 'src'), { recursive: true }).map(String);
    const others = files.filter((file) => {
      if (!/\.(ts|cjs)$/.test(file) || file === join('runtime', 'onnx-runtime.ts')) return false;
      const code = readFileSync(join(root, 'src', file), 'utf8').replace(/^import type .*$/gm, '');
      return /['"`]onnxruntime-node/.test(code);
    });
    // An exported file is run by plain ONNX Runtime in a process of its own, which inherits the variable.
    assert.deepEqual(others, [join('models', 'files', 'export-model.ts')]);
  });
});
