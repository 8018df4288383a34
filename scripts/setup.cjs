// Makes a fresh clone ready, with nothing but Node's standard library. Runs before `npm start`, `npm test` and
// `npm run lab`; when everything is in place it takes a fraction of a second. It says what it does and why.
const { spawnSync } = require('node:child_process');
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { findJupyter } = require('./find-jupyter.cjs');
const { findChromium } = require('./find-chromium.cjs');
const { hasRedis, withoutServices } = require('./redis.cjs');

const root = path.join(__dirname, '..');
const modules = path.join(root, 'node_modules');
const stamp = path.join(modules, '.cer-setup.json');

/** Runs a command in the project folder; its output is shown only when it fails (or always with CER_VERBOSE=1). */
function run(command, args, { env = {}, minutes = 15 } = {}) {
  const verbose = Boolean(process.env.CER_VERBOSE);
  const result = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    stdio: ['ignore', verbose ? 'inherit' : 'pipe', verbose ? 'inherit' : 'pipe'],
    timeout: minutes * 60_000,
    maxBuffer: 1 << 28,
  });
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? result.error.message : ''}`;
  return { ok: result.status === 0, output };
}

/** Announces a step that takes longer than a moment, runs it, and says how long it took. */
function step(what, why, action) {
  process.stdout.write(`setup: ${what} (${why}) ... `);
  const started = Date.now();
  const result = action();
  process.stdout.write(`${result.ok ? 'done' : 'failed'} in ${((Date.now() - started) / 1000).toFixed(0)} s\n`);
  return result;
}

function fail(message, output = '') {
  const tail = output.trim().split('\n').slice(-12).join('\n');
  console.error(`\nsetup: ${message}${tail ? `\n\nThe last lines of its output:\n${tail}` : ''}`);
  process.exit(3);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 22 || major < 20 || (major === 20 && minor < 19)) {
    fail(
      `Node ${process.versions.node} is running; Node >= 20.19 and < 23 is needed (TensorFlow.js calls functions that Node 23 removed). Install Node 20 or 22, for example with \`nvm install 20\`.`,
    );
  }
}

/** Installs from the lockfile when `node_modules` was not installed from exactly this lockfile by this Node. */
function installPackages() {
  const lock = fs.readFileSync(path.join(root, 'package-lock.json'));
  const want = crypto.createHash('sha256').update(lock).update(`${process.version} ${process.arch}`).digest('hex');
  let have;
  try {
    have = JSON.parse(fs.readFileSync(stamp, 'utf8')).lock;
  } catch {}
  if (have === want) return;
  const why = have ? 'package-lock.json or Node changed' : 'node_modules is missing or not from this lockfile';
  // ONNX Runtime's install script only fetches CUDA libraries; the CPU library is inside the package.
  const env = { ONNXRUNTIME_NODE_INSTALL: 'skip', ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip' };
  // Notebooks and commands need the development packages too (what the library needs is all that `dependencies` has).
  const npm = (...args) =>
    run(process.platform === 'win32' ? 'npm.cmd' : 'npm', [...args, '--include=dev', '--no-audit', '--no-fund'], {
      env,
    });
  const strict = step('installing packages with npm ci, about half a minute', why, () => npm('ci'));
  // A registry may have, or lack, a package for another platform since the lockfile was written; npm ci then refuses the whole of it.
  const result =
    strict.ok || !/in sync/.test(strict.output)
      ? strict
      : step('installing with npm install', "the registry's optional packages differ from the lockfile's", () =>
          npm('install', '--no-save'),
        );
  if (!result.ok)
    fail(
      'npm could not install. Check the network and the npm registry, then run `npm run setup` again.',
      result.output,
    );
  fs.writeFileSync(stamp, JSON.stringify({ lock: want }));
}

function buildKernels() {
  const result = run(process.execPath, [path.join(__dirname, 'build-kernels.cjs')]);
  if (!result.ok) fail('building the WebAssembly kernels failed.', result.output);
  if (/built|compil/i.test(result.output)) process.stdout.write(`setup: ${result.output.trim().split('\n').pop()}\n`);
}

const isRootOnDebian = () => process.getuid?.() === 0 && fs.existsSync('/etc/debian_version');
let aptUpdated = false;
function apt(packages) {
  if (!aptUpdated) aptUpdated = run('apt-get', ['update', '-qq']).ok;
  return run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function installJupyter() {
  if (findJupyter()) return;
  const venv = path.join(root, '.venv');
  const python = path.join(venv, 'bin', 'python3');
  const pip = step('installing Jupyter into .venv with pip, about a minute', 'no Jupyter on PATH', () => {
    const made = run('python3', ['-m', 'venv', venv]);
    if (!made.ok) return made;
    return run(python, [
      '-m',
      'pip',
      'install',
      '-q',
      '--retries',
      '1',
      '--timeout',
      '20',
      'jupyterlab',
      'nbconvert',
      'nbclient',
    ]);
  });
  if (pip.ok && findJupyter()) return;
  fs.rmSync(venv, { recursive: true, force: true }); // half an environment would shadow a whole one
  let output = pip.output;
  if (isRootOnDebian()) {
    const debian = step('installing Jupyter with apt', 'pip could not provide it', () =>
      apt(['jupyter-notebook', 'python3-nbconvert', 'python3-nbclient', 'jupyter-client', 'python3-ipykernel']),
    );
    if (debian.ok && findJupyter()) return;
    output += debian.output;
  }
  fail(
    'Jupyter was not found and could not be installed. Any one of these three ways will do:\n' +
      '  1. have `jupyter` on PATH (for example `conda env create -f environment.yml && conda activate condition-refinement`);\n' +
      '  2. python3 with venv and pip, and a package index that pip can reach (then run `npm run setup` again);\n' +
      '  3. on Debian or Ubuntu, as root: apt-get install jupyter-notebook python3-nbconvert python3-nbclient.',
    output,
  );
}

function installRedis() {
  if (hasRedis()) return;
  if (isRootOnDebian()) {
    const result = step('installing redis-server with apt', 'the queue of sweeps is tested with a real one', () =>
      withoutServices(() => apt(['redis-server'])),
    );
    if (result.ok && hasRedis()) return;
  }
  console.log(
    'setup: going on without redis-server: the tests of the sweep queue are skipped. To have them, install Redis.',
  );
}

function installChromium() {
  if (findChromium()) return;
  if (isRootOnDebian()) {
    const result = step('installing Chromium with apt', 'it draws the static pictures of the figures', () =>
      apt(['chromium']),
    );
    if (result.ok && findChromium()) return;
  }
  console.log(
    'setup: going on without Chromium: figures stay interactive, but no static PNG pictures are made. To have them, install Chromium or Chrome, or set CER_CHROMIUM to its path.',
  );
}

checkNode();
installPackages();
buildKernels();
installJupyter();
installChromium();
installRedis();
