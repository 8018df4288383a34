import { strict as assert } from 'node:assert';
import type { Browser, Page } from 'playwright-core';
import { tableHtml } from '../../src/notebook/table-html';
import { openChromium } from '../explore/browser';

describe('a table in the browser', function () {
  this.timeout(60_000);
  let browser: Browser;
  let page: Page;
  before(async function () {
    const chromium = await openChromium();
    if (!chromium) return this.skip();
    browser = chromium;
    page = await browser.newPage();
    await page.setContent('<h1>Report</h1><p id="place"></p>');
    // as a notebook does: the script runs while the table has no place in the page yet
    await page.evaluate(
      (html) => {
        const box = document.createElement('div');
        box.innerHTML = html;
        box.querySelectorAll('script').forEach((script) => new Function(script.textContent!)());
        document.querySelector('#place')!.append(box);
      },
      tableHtml(
        ['method', 'fid', 'p'].map((name, at) => ({ name, numeric: at > 0, paper: false })),
        [
          ['MAR', '172.5 ± 5.2', '7.1e-5'],
          ['ar', '51.2 ± 1.5', ''],
          ['CDM', '117.3 ± 5.0', '0.02'],
          ['nearest', '51.2 ± 1.5', '−∞'],
        ],
      ).text,
    );
  });
  after(() => browser?.close());

  const first = () => page.locator('tbody tr td:first-child').allTextContents();
  const header = (name: string) => page.getByRole('columnheader', { name });

  it('sorts by the header that is clicked, numbers by value, and the other way at the next click', async () => {
    await header('fid').click();
    assert.deepEqual(await first(), ['ar', 'nearest', 'CDM', 'MAR']);
    assert.equal(await header('fid').getAttribute('aria-sort'), 'ascending');
    await header('fid').click();
    assert.deepEqual(await first(), ['MAR', 'CDM', 'ar', 'nearest']);
    assert.equal(await header('fid').getAttribute('aria-sort'), 'descending');
  });

  it('sorts text as a reader would, with Enter too, and marks the one header', async () => {
    await header('method').focus();
    await page.keyboard.press('Enter');
    assert.deepEqual(await first(), ['ar', 'CDM', 'MAR', 'nearest']);
    assert.equal(await page.locator('[aria-sort]').count(), 1);
  });

  it('keeps missing cells last both ways', async () => {
    await header('p').click();
    assert.deepEqual(await first(), ['nearest', 'MAR', 'CDM', 'ar']);
    await header('p').click();
    assert.deepEqual(await first(), ['CDM', 'MAR', 'nearest', 'ar']);
  });
});
