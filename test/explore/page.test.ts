import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { buildPage } from '../../src/explore/page';
import { flowParts } from '../../src/explore/page/flow/compute';
import { flowControls } from '../../src/explore/page/flow/settings';
import { initialValues } from '../../src/explore/page/state';
import { writePage } from '../../src/explore/run';
import { type PageServer, servePage } from '../../src/explore/serve';
import { accessibilityViolations, openChromium, type Visit, visit } from './browser';

/** A panel is ready when its sentence is there and its charts are drawn. */
async function ready(page: Page, panel: string, words: RegExp): Promise<string> {
  const seeing = page.locator(`#${panel}-seeing`);
  await page.locator(`#${panel} .main-svg`).first().waitFor();
  for (let tries = 0; tries < 300; tries++) {
    const text = (await seeing.textContent()) ?? '';
    if (words.test(text)) return text;
    await page.waitForTimeout(100);
  }
  return assert.fail(`${panel} says: ${await seeing.textContent()}`);
}

const READY = { flow: /W₂ to the ideal law/, decay: /control does not decay/, 'figure-3': /last fifth/ };

describe('cer explore, in a browser', function () {
  this.timeout(180_000);
  let browser: Browser | undefined;
  let server: PageServer;
  let open: Visit | undefined;
  before(async function () {
    browser = await openChromium();
    if (!browser) return this.skip();
    server = await servePage(await buildPage(), 0);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });
  afterEach(async () => {
    await open?.context.close();
    open = undefined;
  });
  const go = async (hash: string, options: Parameters<typeof visit>[2] = {}) => {
    open = await visit(browser!, `${server.url}${hash}`, options);
    return open;
  };

  for (const [panel, words] of Object.entries(READY)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      it(`${panel}, ${colorScheme}: accessible, nothing in the console, no request leaves, fits 400 and 1400 pixels`, async () => {
        const width = colorScheme === 'light' ? 1400 : 400;
        const { page, complaints } = await go(`#${panel}`, { colorScheme, viewport: { width, height: 900 } });
        await ready(page, panel, words);
        await page.locator(`#${panel}-numbers summary`).click();
        await page.locator(`#${panel}-numbers tbody tr`).nth(5).waitFor();
        assert.deepEqual(await accessibilityViolations(page), []);
        const scroll = await page.evaluate('document.documentElement.scrollWidth');
        assert.ok((scroll as number) <= width, `${scroll} pixels wide`);
        await page.locator(`#${panel} .chart`).first().hover(); // the hover label is the last thing that plotly styles
        await page.waitForTimeout(200);
        assert.deepEqual(complaints, []);
      });
    }
  }

  it('computes in the browser what Node computes', async () => {
    const { page } = await go('#flow?steps=4&points=60');
    await ready(page, 'flow', READY.flow);
    await page.locator('#flow-numbers summary').click();
    const cells = page.locator('#flow-numbers tbody tr td:nth-child(2)');
    await cells.nth(4).waitFor();
    const shown = (await cells.allTextContents()).map(Number);
    const settings = { ...initialValues(flowControls), steps: 4, points: 60 };
    const computed = [...flowParts(settings)].flatMap((part) => (part.kind === 'frame' ? [part.distance] : []));
    assert.equal(shown.length, 5);
    // Four digits are shown; the kernels are the same WebAssembly, or its build without relaxed SIMD.
    shown.forEach((value, k) => assert.ok(Math.abs(value / computed[k] - 1) < 1e-3, `${value} and ${computed[k]}`));
  });

  it('is worked by keyboard alone: tabs, sliders, steps', async () => {
    const { page } = await go('');
    await ready(page, 'flow', READY.flow);
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.className'), 'skip');
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate('document.activeElement.id'), 'tab-flow');
    assert.match(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle'), /solid/);
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate('document.activeElement.id'), 'tab-decay');
    assert.equal(await page.locator('#decay').isVisible(), true);
    assert.equal(await page.locator('#flow').isVisible(), false);
    await page.keyboard.press('Home');
    await page.locator('#flow-eta').focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.locator('#flow-eta').getAttribute('aria-valuetext'), '0.30');
    await page.locator('#flow-forward').focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.getElementById('flow-step-text')?.textContent?.startsWith('1'));
    await ready(page, 'flow', /After step 1 of 10.*ρ = 0\.625/);
    await page.waitForFunction(() => /After step 1/.test(document.getElementById('announcer')?.textContent ?? ''));
    assert.match((await page.locator('#flow-canvas').getAttribute('aria-label')) ?? '', /After step 1 of 10/);
  });

  it('keeps its settings in the address; presets and reset work', async () => {
    const { page } = await go('#decay?root=0.6&noise=1&bogus=3&steps=banana');
    await ready(page, 'decay', READY.decay);
    assert.equal(await page.locator('#decay-root').getAttribute('aria-valuetext'), '0.60');
    assert.equal(await page.locator('#decay-steps').getAttribute('aria-valuetext'), '40');
    const preset = page.getByRole('button', { name: 'Assumption 4 violated' });
    await preset.click();
    await ready(page, 'decay', /Assumption 4 is violated/);
    assert.equal(await preset.getAttribute('aria-pressed'), 'true');
    assert.deepEqual(await accessibilityViolations(page), []);
    await page.waitForFunction(() => location.hash === '#decay?root=1.05');
    await page.locator('#decay-reset').click();
    await page.waitForFunction(() => location.hash === '#decay');
    await ready(page, 'decay', READY.decay);
    await page.evaluate("location.hash = '#figure-3?model=MAR'");
    await ready(page, 'figure-3', /^MAR, signal-to-noise ratio/);
    assert.equal(await page.locator('#tab-figure-3').getAttribute('aria-selected'), 'true');
  });

  it('moves by itself, and rests for those who asked for less motion', async () => {
    const still = await go('#flow?points=30&steps=2');
    await ready(still.page, 'flow', READY.flow);
    assert.equal(await still.page.locator('#flow-play').textContent(), 'Play');
    assert.match((await still.page.locator('#flow-step-text').textContent()) ?? '', /^0/);
    await still.context.close();
    const { page } = await go('#flow?points=30&steps=2', { reducedMotion: 'no-preference' });
    await page.waitForFunction(() => document.getElementById('flow-step-text')?.textContent === '2 / 2');
    await ready(page, 'flow', /After step 2 of 2/);
    assert.equal(await page.locator('#flow-play').textContent(), 'Play');
  });

  it('opens from a folder without a server', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cer-explore-'));
    try {
      open = await visit(browser!, `${pathToFileURL(await writePage(folder))}#flow?points=30`);
      await ready(open.page, 'flow', READY.flow);
      assert.deepEqual(open.complaints, []);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
