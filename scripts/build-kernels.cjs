// Compiles the AssemblyScript kernels to WebAssembly: those of src/transport in four builds (with and without relaxed SIMD,
// with memory of its own and with memory shared between threads), the optimizer's update in two. Does nothing when the
// sources of a folder have not changed.
'use strict';
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const TRANSPORT_BUILDS = [
  { name: 'simd', flags: [] },
  { name: 'relaxed', flags: ['--enable', 'relaxed-simd'] },
  { name: 'simd-shared', flags: ['--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'] },
  {
    name: 'relaxed-shared',
    flags: ['--enable', 'relaxed-simd', '--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'],
  },
];
const UPDATE_BUILDS = [
  { name: 'adamw', flags: [] },
  { name: 'adamw-shared', flags: ['--enable', 'threads', '--sharedMemory', '--maximumMemory', '65536'] },
];
const GROUPS = [
  { folder: 'src/transport/kernels', entry: 'index.ts', builds: TRANSPORT_BUILDS },
  { folder: 'src/compile/kernels', entry: 'adamw.as.ts', builds: UPDATE_BUILDS },
];

function sourceHash(folder) {
  const hash = createHash('sha256').update(fs.readFileSync(__filename));
  const compiler = require.resolve('assemblyscript/package.json');
  hash.update(JSON.parse(fs.readFileSync(compiler, 'utf8')).version);
  for (const file of fs.readdirSync(folder).sort()) {
    if (file.endsWith('.ts')) hash.update(file).update(fs.readFileSync(path.join(folder, file)));
  }
  return hash.digest('hex');
}

async function buildKernels({ log = console.log, force = false } = {}) {
  const built = [];
  for (const group of GROUPS) built.push(...(await buildGroup(group, force)));
  log(built.length > 0 ? `kernels: built ${built.join(', ')}` : 'kernels: up to date');
  return built.length > 0;
}

/** Builds one folder; returns the names of what was built. */
async function buildGroup({ folder: relative, entry, builds }, force) {
  const folder = path.join(__dirname, '..', relative);
  const stamp = path.join(folder, 'build.stamp.wasm'); // ignored by git together with the builds that it describes
  const hash = sourceHash(folder);
  const complete = builds.every(({ name }) => fs.existsSync(path.join(folder, `${name}.wasm`)));
  if (!force && complete && fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) {
    return [];
  }
  const { default: asc } = await import('assemblyscript/asc');
  for (const { name, flags } of builds) {
    const output = path.join(folder, `${name}.wasm`);
    const temporary = `${name}.${process.pid}.tmp.wasm`;
    const { error, stderr } = await asc.main(
      [entry, '--outFile', temporary, '--baseDir', folder, '--importMemory', '--initialMemory', '2'].concat(
        ['--runtime', 'stub', '-O3', '--noAssert', '--converge', '--enable', 'simd', '--use', 'abort='],
        flags,
      ),
    );
    if (error) throw new Error(`kernels: ${name} does not compile: ${error.message}\n${stderr.toString()}`);
    // Renamed into place, so that a process that loads kernels meanwhile never sees half a file.
    fs.renameSync(path.join(folder, temporary), output);
  }
  fs.writeFileSync(stamp, hash);
  return builds.map(({ name }) => name);
}

/** What is built, relative to the project. */
const kernelFiles = () => GROUPS.flatMap(({ folder, builds }) => builds.map(({ name }) => `${folder}/${name}.wasm`));

module.exports = { buildKernels, kernelFiles };

if (require.main === module) {
  buildKernels({ force: process.argv.includes('--force') }).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
