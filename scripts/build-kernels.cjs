// Compiles src/transport/kernels/*.ts (AssemblyScript) to WebAssembly, in four builds: with and without relaxed SIMD, with
// memory of its own and with memory shared between threads. Does nothing when the sources have not changed.
'use strict';
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const folder = path.join(__dirname, '..', 'src', 'transport', 'kernels');
const BUILDS = [
  { name: 'simd', flags: [] },
  { name: 'relaxed', flags: ['--enable', 'relaxed-simd'] },
  { name: 'simd-shared', flags: ['--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'] },
  {
    name: 'relaxed-shared',
    flags: ['--enable', 'relaxed-simd', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'],
  },
];

function sourceHash() {
  const hash = createHash('sha256').update(fs.readFileSync(__filename));
  const compiler = require.resolve('assemblyscript/package.json');
  hash.update(JSON.parse(fs.readFileSync(compiler, 'utf8')).version);
  for (const file of fs.readdirSync(folder).sort()) {
    if (file.endsWith('.ts')) hash.update(file).update(fs.readFileSync(path.join(folder, file)));
  }
  return hash.digest('hex');
}

async function buildKernels({ log = console.log, force = false } = {}) {
  const stamp = path.join(folder, 'build.stamp.wasm'); // ignored by git together with the builds that it describes
  const hash = sourceHash();
  const complete = BUILDS.every(({ name }) => fs.existsSync(path.join(folder, `${name}.wasm`)));
  if (!force && complete && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) {
    log('kernels: up to date');
    return false;
  }
  const { default: asc } = await import('assemblyscript/asc');
  for (const { name, flags } of BUILDS) {
    const output = path.join(folder, `${name}.wasm`);
    const temporary = `${name}.${process.pid}.tmp.wasm`;
    const { error, stderr } = await asc.main(
      ['index.ts', '--outFile', temporary, '--baseDir', folder, '--importMemory', '--initialMemory', '2'].concat(
        ['--runtime', 'stub', '-O3', '--noAssert', '--converge', '--enable', 'simd', '--use', 'abort='],
        flags,
      ),
    );
    if (error) throw new Error(`kernels: ${name} does not compile: ${error.message}\n${stderr.toString()}`);
    // Renamed into place, so that a process that loads kernels meanwhile never sees half a file.
    fs.renameSync(path.join(folder, temporary), output);
  }
  fs.writeFileSync(stamp, hash);
  log(`kernels: built ${BUILDS.map(({ name }) => name).join(', ')}`);
  return true;
}

module.exports = { buildKernels };

if (require.main === module) {
  buildKernels({ force: process.argv.includes('--force') }).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
