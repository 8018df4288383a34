import { strict as assert } from 'node:assert';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packed } from './packed';

/** Bundles a piece of code for a page as its project would; esbuild refuses modules of Node by itself. */
async function bundle(contents: string, external: string[] = []) {
  const { metafile, outputFiles } = await build({
    stdin: { contents, resolveDir: packed().consumer },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent',
    external,
  });
  return { text: outputFiles[0].text, inputs: Object.keys(metafile.inputs) };
}

describe('the library in a bundle', function () {
  this.timeout(300_000);

  before(() => {
    packed();
  });

  it('one function is much smaller than its part, and holds neither kernels nor TensorFlow.js', async () => {
    const one = await bundle(`export { transportOnLine } from 'condition-refinement/transport';`);
    const whole = await bundle(`export * from 'condition-refinement/transport';`);
    assert.ok(one.text.length < whole.text.length / 20, `${one.text.length} of ${whole.text.length} bytes`);
    assert.ok(whole.text.length < 200_000, `${whole.text.length} bytes`);
    assert.deepEqual(
      [...one.inputs, ...whole.inputs].filter((file) => file.includes('tensorflow')),
      [],
    );
  });

  it('what is not used of one part does not come with another', async () => {
    const law = await bundle(`export { gaussianMixture, score } from 'condition-refinement/theory';`);
    const whole = await bundle(`export * from 'condition-refinement/theory';`);
    assert.ok(law.text.length < whole.text.length / 2, `${law.text.length} of ${whole.text.length} bytes`);
    assert.ok(!law.text.includes('AGFzbQ'), 'no WebAssembly inside');
    const errors = await bundle(`export { InvalidInputError } from 'condition-refinement';`);
    assert.ok(errors.text.length < 2000, `${errors.text.length} bytes`);
  });

  it('entries for browsers import nothing but what they say', async () => {
    const { exports } = packed().manifest;
    const pages = Object.entries(exports).filter(([, entry]) => (entry as { browser?: string }).browser);
    assert.deepEqual(pages.map(([path]) => path).sort(), ['.', './diffusion', './metrics', './theory', './transport']);
    for (const [path, entry] of pages) {
      assert.ok(existsSync(join(packed().folder, (entry as { browser: string }).browser)));
      const foreign = path === './diffusion' ? ['@tensorflow/tfjs', 'ml-matrix'] : ['ml-matrix'];
      // anything else, a module of Node included, is an error of the bundler
      const { text } = await bundle(`export * from 'condition-refinement${path.slice(1)}';`, foreign);
      assert.doesNotMatch(text, /\brequire\(|["']node:/);
    }
  });
});
