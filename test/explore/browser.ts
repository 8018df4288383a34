import { join } from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { chromiumPath } from '../../src/plots/render';

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync'],
];

/** A headless Chromium, or undefined (with the reason printed) where there is none. */
export async function openChromium(): Promise<Browser | undefined> {
  const executablePath = chromiumPath();
  if (!executablePath) {
    console.log('skipped: no Chromium (CER_CHROMIUM names one)');
    return undefined;
  }
  const { chromium } = require('playwright-core') as typeof import('playwright-core');
  return chromium.launch({ executablePath, args: FLAGS });
}

/** A page and everything that went wrong on it. */
export interface Visit {
  page: Page;
  context: BrowserContext;
  /** Console errors and warnings, exceptions, and requests that leave the site. */
  complaints: string[];
}

export async function visit(
  browser: Browser,
  url: string,
  options: Parameters<Browser['newContext']>[0] = {},
): Promise<Visit> {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  context.setDefaultTimeout(60_000); // of a machine with other work
  const page = await context.newPage();
  const complaints: string[] = [];
  const site = url.replace(/[^/]*(#.*)?$/, '');
  page.on('console', (message) => {
    if (message.type() !== 'log' && message.type() !== 'info') complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(site) && !/^(blob|data):/.test(request.url())) {
      complaints.push(`leaves: ${request.url()}`);
    }
  });
  await page.goto(url);
  return { page, context, complaints };
}

/** What axe finds wrong, as `rule: element`. It runs beside the page's own policy, which forbids scripts from elsewhere. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  const path = join(__dirname, '..', '..', 'node_modules', 'axe-core', 'axe.min.js');
  await page.evaluate(require('node:fs').readFileSync(path, 'utf8'));
  const violations = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as {
    id: string;
    nodes: { html: string }[];
  }[];
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`));
}
