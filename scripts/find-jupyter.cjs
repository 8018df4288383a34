// Finds a Jupyter that can execute notebooks: CER_JUPYTER, else PATH, else the project's own .venv. Plain CommonJS, so
// that the set-up script can use it before any package is installed.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const executable = process.platform === 'win32' ? ['jupyter.exe', 'Scripts'] : ['jupyter', 'bin'];

/** Asks a Python for nbclient and jupyter_core; returns nbclient's version, or undefined where it has none. */
function nbclientVersion(python) {
  const probe = spawnSync(python, ['-c', 'import nbclient, jupyter_core; print(nbclient.__version__)'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  return probe.status === 0 ? probe.stdout.trim() : undefined;
}

/** The Python that a `jupyter` script runs under: its neighbour in an environment, else the one its first line names. */
function pythonsOf(jupyter) {
  const folder = path.dirname(jupyter);
  const names = process.platform === 'win32' ? ['python.exe'] : ['python3', 'python'];
  const found = names.map((name) => path.join(folder, name));
  try {
    const handle = fs.openSync(fs.realpathSync(jupyter), 'r');
    const buffer = Buffer.alloc(256);
    const length = fs.readSync(handle, buffer, 0, 256, 0);
    fs.closeSync(handle);
    const first = buffer.toString('utf8', 0, length).split('\n')[0];
    const named = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(first);
    if (named) found.unshift(path.basename(named[1]) === 'env' && named[2] ? named[2] : named[1]);
  } catch {}
  return found.filter((python) => !path.isAbsolute(python) || fs.existsSync(python));
}

function candidates() {
  const given = process.env.CER_JUPYTER;
  if (given) return [{ jupyter: given, how: 'CER_JUPYTER' }];
  const places = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  return [
    ...places.map((folder) => ({ jupyter: path.join(folder, executable[0]), how: 'PATH' })),
    { jupyter: path.join(root, '.venv', executable[1], executable[0]), how: '.venv' },
  ].filter(({ jupyter }) => fs.existsSync(jupyter));
}

/**
 * The first Jupyter whose Python has nbclient, or undefined: `python` and `jupyter` are paths, `version` is nbclient's,
 * `how` says where it was found (CER_JUPYTER | PATH | .venv).
 */
function findJupyter() {
  for (const { jupyter, how } of candidates()) {
    for (const python of pythonsOf(jupyter)) {
      const version = nbclientVersion(python);
      if (version) return { python, jupyter, version, how };
    }
  }
  return undefined;
}

module.exports = { findJupyter };
