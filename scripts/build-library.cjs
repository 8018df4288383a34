// Builds what `npm pack` packs: CommonJS with types for Node (dist/), and for browsers ES modules without any module of Node
// (dist/browser/), the WebAssembly kernels of the transport inside. `npm pack` runs it by itself.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
/** Entries that work in a browser, as package.json says: `src/library/NAME.ts`, but the transport without Node's files and threads. */
const BROWSER_ENTRIES = Object.values(require('../package.json').exports).flatMap(({ browser }) => {
  if (!browser) return [];
  const name = path.basename(browser, '.mjs');
  return [{ out: name, in: name === 'transport' ? 'src/transport/core.ts' : `src/library/${name}.ts` }];
});

/** esbuild's options for browsers: kernels inside the bundle as text. */
function browserOptions() {
  const text = (name) =>
    JSON.stringify(fs.readFileSync(path.join(root, 'src', 'transport', 'kernels', `${name}.wasm`), 'base64'));
  return {
    absWorkingDir: root,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    define: { RELAXED_KERNELS: text('relaxed'), SIMD_KERNELS: text('simd') },
    logLevel: 'silent',
    metafile: true,
  };
}

async function buildLibrary(out = path.join(root, 'dist')) {
  const { buildKernels } = require('./build-kernels.cjs');
  await buildKernels({ log: () => {} });
  fs.rmSync(out, { recursive: true, force: true });
  const compiler = require.resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [compiler, '-p', path.join(root, 'tsconfig.library.json'), '--outDir', out], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  for (const folder of ['transport/kernels', 'compile/kernels']) {
    fs.mkdirSync(path.join(out, folder), { recursive: true });
    for (const file of fs.readdirSync(path.join(root, 'src', folder))) {
      if (!/^(simd|relaxed|adamw)(-shared)?\.wasm$|^(worker|evaluator)\.cjs$/.test(file)) continue;
      fs.copyFileSync(path.join(root, 'src', folder, file), path.join(out, folder, file));
    }
  }
  await require('esbuild').build({
    ...browserOptions(),
    entryPoints: BROWSER_ENTRIES,
    outdir: path.join(out, 'browser'),
    outExtension: { '.js': '.mjs' },
    chunkNames: 'shared-[hash]',
    splitting: true,
    packages: 'external',
  });
}

module.exports = { browserOptions, buildLibrary };

if (require.main === module) {
  buildLibrary().catch((error) => {
    console.error(`build-library: ${error.message}`);
    process.exitCode = 1;
  });
}
