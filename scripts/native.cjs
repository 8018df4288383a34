// `npm run native`: builds the native TensorFlow.js binding from the sources inside the npm package, against the
// libtensorflow of the `tensorflow-cpu` pip wheel. For machines where the prebuilt download is blocked. Everything goes
// to .cache/native, which `npm ci` leaves alone; src/runtime/backend.ts looks there second.
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const PACKAGE = '@tensorflow/tfjs-node-gpu';
const root = path.join(__dirname, '..');
const version = require(path.join(root, 'package.json')).optionalDependencies[PACKAGE];
const home = path.join(root, '.cache', 'native');
const folder = path.join(home, 'node_modules', ...PACKAGE.split('/'));
const library = path.join(folder, 'deps', 'lib');
const include = path.join(folder, 'deps', 'include');
const binding = path.join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');

function run(what, command, args) {
  console.log(`native: ${what}`);
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (result.status === 0) return;
  const output = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error?.message ?? ''}`;
  console.error(output.trim().split('\n').slice(-15).join('\n'));
  console.error(`native: failed while ${what}. The project works without it, on the wasm backend.`);
  process.exit(1);
}

function loads() {
  const probe = `const tf = require(${JSON.stringify(folder)}); if (tf.getBackend() !== 'tensorflow') process.exit(1);`;
  return (
    fs.existsSync(binding) && spawnSync(process.execPath, ['-e', probe], { cwd: root, stdio: 'ignore' }).status === 0
  );
}

function nodeHeaders() {
  const places = [process.env.npm_config_nodedir, path.join(path.dirname(fs.realpathSync(process.execPath)), '..')];
  const found = places.filter(Boolean).map((place) => path.join(place, 'include', 'node'));
  const folder = found.find((place) => fs.existsSync(path.join(place, 'node_api.h')));
  if (folder) return folder;
  console.error(
    `native: node_api.h was not found in ${found.join(' or ')}. Install Node's headers, or set npm_config_nodedir.`,
  );
  process.exit(3);
}

function main() {
  if (process.platform !== 'linux') {
    console.error(
      `native: this build is for Linux; on ${process.platform} install the prebuilt binding: npm install ${PACKAGE}@${version}`,
    );
    process.exit(2);
  }
  if (loads()) return console.log('native: the binding is already built and loads.');
  fs.rmSync(home, { recursive: true, force: true });
  fs.mkdirSync(home, { recursive: true });
  fs.writeFileSync(path.join(home, 'package.json'), '{ "private": true }\n');
  run(`fetching ${PACKAGE} ${version} without its install script`, 'npm', [
    'install',
    '--prefix',
    home,
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    `${PACKAGE}@${version}`,
  ]);
  // One TensorFlow.js for all: the copies beside the binding go, so that `require` climbs up to the project's own.
  for (const name of fs.readdirSync(path.dirname(folder))) {
    if (name !== path.basename(folder)) fs.rmSync(path.join(path.dirname(folder), name), { recursive: true });
  }
  const wheels = path.join(home, 'wheel');
  run('downloading the tensorflow-cpu wheel with pip (270 MB)', 'python3', [
    '-m',
    'pip',
    'download',
    '-q',
    '--no-deps',
    '--only-binary=:all:',
    '-d',
    wheels,
    'tensorflow-cpu',
  ]);
  const wheel = path.join(wheels, fs.readdirSync(wheels)[0]);
  run('unpacking libtensorflow and its headers', 'python3', ['-c', UNPACK, wheel, path.join(folder, 'deps')]);
  fs.rmSync(wheels, { recursive: true });
  fs.mkdirSync(path.dirname(binding), { recursive: true });
  run('compiling the binding with g++', 'g++', [
    '-std=c++17',
    '-O2',
    '-shared',
    '-fPIC',
    '-DNAPI_VERSION=8',
    `-I${nodeHeaders()}`,
    `-I${include}`,
    `-I${folder}`,
    path.join(folder, 'binding', 'tfjs_backend.cc'),
    path.join(folder, 'binding', 'tfjs_binding.cc'),
    `-L${library}`,
    '-l:libtensorflow_cc.so.2',
    '-l:libtensorflow_framework.so.2',
    '-Wl,-rpath,$ORIGIN/../../deps/lib',
    '-o',
    binding,
  ]);
  if (!loads()) {
    console.error(
      'native: the binding was built but does not load; `CER_BACKEND=tensorflow node bin/cer.cjs doctor` says why.',
    );
    process.exit(1);
  }
  console.log('native: done; the tensorflow backend loads.');
}

/** Python, since Node's standard library reads no zip files: only libtensorflow and the headers leave the wheel. */
const UNPACK = `
import os, shutil, sys, zipfile
wheel, target = sys.argv[1], sys.argv[2]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.endswith('/'):
            continue
        if name.startswith('tensorflow/include/'):
            place = os.path.join(target, name[len('tensorflow/'):])
        elif name.startswith('tensorflow/libtensorflow_'):
            place = os.path.join(target, 'lib', os.path.basename(name))
        else:
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with archive.open(name) as source, open(place, 'wb') as sink:
            shutil.copyfileobj(source, sink)
`;

main();
