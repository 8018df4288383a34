// Builds what `npm pack` packs: CommonJS with types for Node (dist/), and for browsers ES modules without any module of Node
// (dist/browser/), the WebAssembly kernels of the transport inside. `npm pack` runs it by itself.
'use strict';
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
/** Entries that work in a browser, as package.json says; each is `src/library/NAME.ts`. */
const BROWSER_ENTRIES = Object.values(require('../package.json').exports).flatMap(({ browser }) =>
  browser ? [path.basename(browser, '.mjs')] : [],
);

/** esbuild's options for browsers: kernels inside the bundle as text, Node's side of the transport left out. */
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
    plugins: [{ name: 'kernels-inside', setup: putKernelsInside }],
  };
}

function putKernelsInside(build) {
  const transport = path.join(root, 'src', 'transport', 'engine');
  const replaced = { 'kernel-source': 'kernel-inline', 'kernel-files': 'kernel-source' };
  build.onResolve({ filter: /\/kernel-(source|files)$/ }, ({ path: name, resolveDir }) => {
    if (path.resolve(resolveDir, path.dirname(name)) !== transport) return undefined;
    return { path: path.join(transport, `${replaced[path.basename(name)]}.ts`) };
  });
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
    entryPoints: BROWSER_ENTRIES.map((name) => `src/library/${name}.ts`),
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
