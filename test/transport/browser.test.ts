import { strict as assert } from 'node:assert';
import { build } from 'esbuild';
import { type Browser, chromium } from 'playwright-core';
import { kernelModules } from '../../src/transport';
import { type Outcome, run } from './browser-scenario';
import { largest, largestDifference } from './clouds';

const { findChromium } = require('../../scripts/find-chromium.cjs') as { findChromium(): string | undefined };
const { browserOptions } = require('../../scripts/build-library.cjs') as { browserOptions(): object };

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
];

describe('transport in a browser', () => {
  let script = '';

  before(async function () {
    if (!kernelModules()) {
      console.log('skipped: no compiled kernels here (npm run build:kernels)');
      this.skip();
    }
    const { metafile, outputFiles } = await build({
      ...browserOptions(),
      entryPoints: ['test/transport/browser-scenario.ts'],
      format: 'iife',
      globalName: 'scenario',
      minify: true,
      write: false,
      metafile: true,
    });
    script = outputFiles[0].text;
    const inputs = Object.keys(metafile.inputs);
    const foreign = inputs.filter(
      (file) => !/^(src\/(transport|runtime)|test\/transport)|node_modules\/(ml-|is-any-array)/.test(file),
    );
    // platform `browser` makes esbuild refuse modules of Node; nothing but ml-matrix may come from elsewhere
    assert.deepEqual(foreign, []);
    assert.ok(inputs.includes('src/transport/engine/kernel-inline.ts'));
    assert.ok(!inputs.includes('src/transport/engine/kernel-files.ts'));
    // 34 kB of kernels as base64, ml-matrix, and the library
    assert.ok(script.length < 200_000, `${script.length} bytes`);
  });

  describe('Chromium', function () {
    this.timeout(180_000); // a second's work; other processes may have the machine
    let browser: Browser;
    before(async function () {
      const executablePath = findChromium();
      if (!executablePath) {
        console.log('skipped: no Chromium here (install it, or set CER_CHROMIUM)');
        this.skip();
      }
      browser = await chromium.launch({ executablePath, args: ARGUMENTS, handleSIGINT: false });
    });
    after(() => browser?.close());

    async function inPage(
      head: string,
      large: boolean,
    ): Promise<{ outcomes: Record<string, Outcome>; requests: string[] }> {
      const page = await browser.newPage();
      try {
        const requests: string[] = [];
        page.on('request', (request) => requests.push(request.url()));
        await page.setContent(`<!doctype html><html><head>${head}</head><body></body></html>`);
        await page.addScriptTag({ content: script });
        const outcomes = await page.evaluate(`scenario.run(${large})`);
        return { outcomes: outcomes as Record<string, Outcome>, requests };
      } finally {
        await page.close();
      }
    }

    it("gives Node's numbers with the kernels inside the bundle, asking the network for nothing", async () => {
      const expected = run(true);
      const { outcomes, requests } = await inPage('', true);
      assert.deepEqual(requests, []);
      assert.deepEqual(Object.keys(outcomes), Object.keys(expected));
      for (const [name, { values, ran }] of Object.entries(outcomes)) {
        const truth = expected[name];
        // The same kernels; helper threads, which only Node has, add float32 numbers in another order.
        const tolerance = name === 'large' ? 1e-5 : 1e-6;
        const error = largestDifference(values, truth.values) / largest(truth.values);
        assert.equal(values.length, truth.values.length);
        assert.ok(error <= tolerance, `${name}: ${error}`);
        assert.equal(
          ran.replace('relaxed ', ''),
          truth.ran.replace('relaxed ', '').replace('threads: 2', 'threads: 1'),
        );
      }
    });

    it('runs the float64 oracle where the page forbids WebAssembly', async () => {
      const policy = '<meta http-equiv="Content-Security-Policy" content="script-src \'unsafe-inline\'">';
      const { outcomes } = await inPage(policy, false);
      for (const { ran } of Object.values(outcomes)) assert.match(ran, /^float64/);
      const truth = run(false).scaling.values;
      // Stopped at the same marginal error of 1e-6, in another precision.
      assert.ok(largestDifference(outcomes.scaling.values, truth) < 1e-4 * largest(truth));
    });
  });
});
