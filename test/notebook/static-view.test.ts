import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { findNotebooks } from '../../src/reproduce/batch';
import { codeCells, type Output, readNotebook, textOf } from '../../src/reproduce/document';
import { type Jupyter, jupyterEnvironment, projectRoot } from '../../src/reproduce/jupyter';
import { openChromium } from '../explore/browser';

const isFigure = ({ data }: Output) => textOf(data?.['text/html']).includes('class="cer-figure"');
const figuresOf = (file: string) => codeCells(readNotebook(file)).flatMap(({ outputs }) => outputs!.filter(isFigure));

describe('the notebooks where no scripts run', () => {
  for (const file of findNotebooks()) {
    it(`${basename(file)} has a picture in every figure, beside the HTML and inside it, at twice its size`, () => {
      const figures = figuresOf(file);
      assert.ok(figures.length > 0);
      for (const { data } of figures) {
        const html = textOf(data!['text/html']);
        const text = textOf(data!['image/png']);
        const png = Buffer.from(text, 'base64');
        assert.equal(png.subarray(1, 4).toString(), 'PNG');
        const [, width, height] = /style="width:([\d.]+)px;height:([\d.]+)px"/.exec(html)!;
        // A picture has whole pixels, a figure may be a fraction of one wider.
        assert.ok(Math.abs(png.readUInt32BE(16) - 2 * Number(width)) < 1);
        assert.ok(Math.abs(png.readUInt32BE(20) - 2 * Number(height)) < 1);
        assert.ok(html.includes(`<img src="data:image/png;base64,${text}" width="${width}" height="${height}" alt="`));
      }
    });
  }

  it('a page of nbconvert shows every picture with scripts switched off', async function () {
    this.timeout(180_000);
    const jupyter = require(join(projectRoot, 'scripts', 'find-jupyter.cjs')).findJupyter() as Jupyter | undefined;
    const browser = jupyter && (await openChromium());
    if (!jupyter) console.log('skipped: no Jupyter, which has nbconvert');
    if (!browser) return this.skip();
    const folder = mkdtempSync(join(tmpdir(), 'cer-static-'));
    try {
      const [file] = findNotebooks(['00-tour']);
      const options = ['--to', 'html', '--output-dir', folder, '--output', 'page.html', file];
      // Debian has the module without the `jupyter nbconvert` script.
      const made = spawnSync(jupyter.python, ['-m', 'nbconvert', ...options], {
        encoding: 'utf8',
        env: jupyterEnvironment(),
      });
      assert.equal(made.status, 0, made.stderr);
      const page = await browser.newPage({ javaScriptEnabled: false });
      const requests: string[] = [];
      page.on('request', (request) => requests.push(request.url()));
      await page.goto(pathToFileURL(join(folder, 'page.html')).href);
      const pictures = page.locator('.cer-figure img');
      assert.equal(await pictures.count(), figuresOf(file).length);
      for (const picture of await pictures.all()) {
        await picture.scrollIntoViewIfNeeded();
        assert.ok(await picture.isVisible());
        assert.ok(await picture.evaluate((image: HTMLImageElement) => image.complete && image.naturalWidth >= 800));
      }
      assert.equal(await page.locator('.js-plotly-plot').count(), 0);
      assert.deepEqual(
        requests.filter((url) => !/^(file|data):/.test(url)),
        [],
      );
    } finally {
      await browser.close();
      rmSync(folder, { recursive: true });
    }
  });
});
