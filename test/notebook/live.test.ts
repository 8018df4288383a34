import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { Browser } from 'playwright-core';
import { findNotebooks } from '../../src/reproduce/batch';
import { codeCells, type Notebook, readNotebook, strip, textOf } from '../../src/reproduce/document';
import { openChromium } from '../explore/browser';
import { notebookOf } from '../generators/notebooks';
import { hover } from './live/figures';
import { NotebookPage } from './live/notebook-page';
import { type FrontEnd, findProgram, LiveServer } from './live/server';

/** `CER_LIVE=all` runs every notebook of the project in JupyterLab, and one in the older front ends; else one in JupyterLab. */
const EVERY = process.env.CER_LIVE === 'all';
/** Limit for one notebook at the smoke profile, on a machine with other work. */
const SECONDS = 600;
/** An interrupt lands in half a second on a quiet machine. */
const MOMENT = 5000; // ms

const NAMES: Record<FrontEnd, string> = {
  lab: 'JupyterLab',
  notebook: 'Notebook 7',
  classic: 'classic Notebook 6',
};

/** A server of the front end and a browser for a group of tests; skips them, with the reason, where one is missing. */
function serving(frontEnd: FrontEnd): { server: LiveServer; browser: Browser } {
  const both = {} as { server: LiveServer; browser: Browser };
  before(async function () {
    const program = findProgram(frontEnd);
    if (!program) {
      console.log(`skipped: no ${NAMES[frontEnd]}`);
      return this.skip();
    }
    const browser = await openChromium();
    if (!browser) return this.skip();
    both.browser = browser;
    both.server = await LiveServer.start(program, { CER_PROFILE: 'smoke', CER_PARAMETERS: '' });
  });
  after(async () => {
    await both.browser?.close();
    await both.server?.close();
  });
  return both;
}

/** How many figures the notebook shows, by its committed outputs. */
function figuresOf(notebook: Notebook): number {
  const outputs = codeCells(notebook).flatMap((cell) => cell.outputs ?? []);
  return outputs.filter(({ data }) => textOf(data?.['text/html']).includes('class="cer-figure"')).length;
}

/** Runs the notebook live and finds all of its figures there, each with a hover label, and nothing asked of elsewhere. */
async function runs(file: string, { server, browser }: ReturnType<typeof serving>): Promise<void> {
  const notebook = readNotebook(file);
  const page = await NotebookPage.open(browser, server, server.add(basename(file, '.ipynb'), strip(notebook)));
  try {
    await page.runAll(SECONDS);
    assert.deepEqual(await page.page.locator(page.parts.error).allTextContents(), []);
    const figures = page.page.locator('.cer-figure');
    assert.equal(await figures.count(), figuresOf(notebook));
    for (const figure of await figures.all()) {
      const said = await hover(page.page, figure);
      assert.notEqual(said, '', `${await figure.locator('.gtitle').textContent()} has no hover label`);
    }
    assert.deepEqual(page.leaving, []);
    assert.ok(page.requests.length > 10); // the list is not empty for another reason
  } finally {
    await page.close();
  }
}

describe('JupyterLab, driven in Chromium', function () {
  this.timeout((SECONDS + 120) * 1000);
  const both = serving('lab');

  for (const file of EVERY ? findNotebooks() : findNotebooks(['00-tour'])) {
    it(`runs ${basename(file)}: every figure has hover labels, no request leaves the machine`, () => runs(file, both));
  }

  it('shows the pictures of a notebook that was never run here, and saves it as the file that it was', async () => {
    const [file] = findNotebooks(['00-tour']);
    const page = await NotebookPage.open(both.browser, both.server, both.server.add('committed', readNotebook(file)));
    try {
      const pictures = page.page.locator('.cer-figure img');
      assert.equal(await pictures.count(), figuresOf(readNotebook(file)));
      for (const picture of await pictures.all()) {
        await picture.scrollIntoViewIfNeeded();
        assert.ok(await picture.evaluate((image: HTMLImageElement) => image.complete && image.naturalWidth > 0));
      }
      assert.equal(await page.page.locator('.js-plotly-plot').count(), 0); // scripts of a stranger do not run
      const saved = page.page.waitForResponse((answer) => answer.request().method() === 'PUT');
      await page.choose('save');
      await saved;
      assert.equal(readFileSync(both.server.path('committed'), 'utf8'), readFileSync(file, 'utf8'));
    } finally {
      await page.close();
    }
  });

  describe('on a notebook of cells that move, fail and never end', () => {
    let page: NotebookPage;
    before(async () => {
      page = await NotebookPage.open(both.browser, both.server, both.server.add('behaviour', behaviour));
      await page.run(CELLS.setUp);
    });
    after(() => page?.close());

    it('moves a progress bar in place', async () => {
      const states = await watchBars(page, CELLS.bar);
      assert.ok(new Set(states.map(({ value }) => value)).size >= 4, JSON.stringify(states));
      assert.deepEqual([...new Set(states.map(({ bars }) => bars))], [1]);
      assert.equal(states.at(-1)?.value, 1);
      assert.equal(await page.outputs(CELLS.bar).count(), 1);
      assert.match((await page.outputs(CELLS.bar).textContent())!, /steps: 12\/12$/);
    });

    it('shows an error of a cell as an error, with its own text and place', async () => {
      await page.run(CELLS.error);
      assert.equal(await page.outputs(CELLS.error).count(), 1);
      const text = await page.errors(CELLS.error).textContent();
      assert.match(text!, /RangeError: x is 7, at most 5\s+in the cell: throw new RangeError/);
    });

    for (const [what, cell] of [
      ['waits', 'waits'],
      ['computes', 'computes'],
    ] as const) {
      it(`interrupts a loop that ${what}, and keeps what earlier cells made`, async () => {
        await page.start(CELLS[cell]);
        await page.until(() => page.runs(CELLS[cell]), 'the cell to start');
        await page.page.waitForTimeout(500);
        await page.choose('interrupt');
        const asked = performance.now();
        await page.errors(CELLS[cell]).waitFor();
        const milliseconds = performance.now() - asked;
        assert.ok(milliseconds < MOMENT, `it took ${milliseconds.toFixed(0)} ms`);
        assert.match((await page.errors(CELLS[cell]).textContent())!, /Interrupted: the cell was stopped/);
        await page.run(CELLS.kept);
        assert.equal((await page.outputs(CELLS.kept).textContent())!.trim(), 'kept 42');
      });
    }

    it('restarts: what cells made is gone, and can be made again', async () => {
      await page.restart();
      await page.run(CELLS.kept);
      assert.match((await page.errors(CELLS.kept).textContent())!, /Cannot find name 'kept'/);
      await page.run(CELLS.setUp);
      await page.run(CELLS.kept);
      assert.equal((await page.outputs(CELLS.kept).textContent())!.trim(), 'kept 42');
    });
  });
});

for (const frontEnd of EVERY ? (['notebook', 'classic'] as const) : []) {
  describe(`${NAMES[frontEnd]}, driven in Chromium`, function () {
    this.timeout((SECONDS + 120) * 1000);
    const both = serving(frontEnd);
    it('runs a notebook: every figure has hover labels, no request leaves the machine', () =>
      runs(findNotebooks(['00-tour'])[0], both));
  });
}

/** The cells of the notebook below by what they do. */
const CELLS = { setUp: 0, bar: 1, error: 2, waits: 3, computes: 4, kept: 5 };
const behaviour = notebookOf(
  `import { progress } from './src/notebook';
const kept = 41;
const wait = (milliseconds: number) => new Promise((end) => setTimeout(end, milliseconds));`,
  `const bar = progress('steps', 12);
for (let i = 0; i < 12; i++) {
  bar.update(i);
  await wait(120);
}
bar.done();`,
  "throw new RangeError('x is 7, at most 5');",
  'for (;;) await wait(50);',
  'let turns = 0;\nfor (;;) turns++;',
  "console.log('kept', kept + 1);",
);

/** Runs a cell and notes, at every change below it, how many progress bars there are and what the first one shows. */
async function watchBars(page: NotebookPage, number: number): Promise<{ bars: number; value: number }[]> {
  const cell = page.cell(number);
  await cell.evaluate((element) => {
    const states: { bars: number; value: number }[] = [];
    Object.assign(window, { cerStates: states });
    new MutationObserver(() => {
      const bars = element.querySelectorAll('progress');
      if (bars.length > 0) states.push({ bars: bars.length, value: bars[0].value });
    }).observe(element, { childList: true, subtree: true, attributes: true });
  });
  await page.run(number);
  return page.page.evaluate(() => (window as unknown as { cerStates: { bars: number; value: number }[] }).cerStates);
}
