import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import katex from 'katex';
import { plotlyPath } from '../plots/render';
import { MissingDependencyError } from '../runtime/errors';

const HERE = join(__dirname, 'page');
const KERNELS = join(__dirname, '..', 'transport', 'kernels');

/** The hash of an empty text: plotly makes an empty style element and adds its rules by script, which this allows and nothing else. */
const EMPTY = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";

/** Nothing but the page's own files, no request to anywhere, no inline script or style; WebAssembly may be compiled. */
export const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  `style-src 'self' ${EMPTY}`,
  'img-src data:',
  'worker-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/** The files of the page by name. */
export type PageFiles = Map<string, Buffer>;

/**
 * Bundles the page: the same modules of `transport/` and `theory/` that the checks use, kernels included.
 * @throws MissingDependencyError when the kernels have not been compiled.
 */
export async function buildPage(): Promise<PageFiles> {
  if (!existsSync(join(KERNELS, 'simd.wasm'))) {
    throw new MissingDependencyError('The page of `cer explore`', {
      given: 'no compiled kernels',
      expected: 'src/transport/kernels/*.wasm',
      remedy: 'Run `npm run build:kernels`.',
    });
  }
  const worker = await bundle('worker.ts', {});
  const script = await bundle('main.ts', { WORKER_SOURCE: JSON.stringify(worker) });
  return new Map([
    ['index.html', Buffer.from(pageText())],
    ['explore.css', readFileSync(join(HERE, 'style.css'))],
    ['explore.js', Buffer.from(script)],
    ['plotly.min.js', readFileSync(plotlyPath())],
  ]);
}

async function bundle(entry: string, define: Record<string, string>): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(HERE, entry)],
    bundle: true,
    write: false,
    minify: true,
    format: 'iife',
    target: 'es2022',
    charset: 'utf8',
    platform: 'browser',
    loader: { '.wasm': 'binary' },
    define,
    logLevel: 'silent',
  });
  return outputFiles[0].text;
}

/** The page's HTML: equations as MathML, which needs no font and no script, and the column of controls of each panel. */
function pageText(): string {
  return readFileSync(join(HERE, 'index.html'), 'utf8')
    .replace('{{policy}}', POLICY)
    .replace(/\\\[(.*?)\\\]/gs, (_, tex: string) => katex.renderToString(tex, { output: 'mathml', displayMode: true }))
    .replace(/\{\{side ([\w-]+)\}\}/g, (_, id: string) => side(id));
}

const side = (id: string) => `
    <div class="seeing">
      <h2>What am I seeing?</h2>
      <p id="${id}-seeing">Computing …</p>
    </div>
    <div class="side">
      <h2>Settings</h2>
      <form id="${id}-controls" aria-label="Settings of this panel"></form>
      <div class="actions">
        <button type="button" id="${id}-reset">Reset</button>
        <button type="button" id="${id}-share">Copy link</button>
        <span id="${id}-shared" role="status" class="hint"></span>
      </div>
    </div>
    <details class="numbers" id="${id}-numbers"><summary>The numbers as a table</summary></details>`;
