import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPage } from '../src/explore/page';
import { servePage } from '../src/explore/serve';
import { chromiumPath } from '../src/plots/render';
import type { BenchmarkOptions } from './main';
import { median } from './shared-python';

/** What a headless Chromium without a graphics card does with the page; targets of the project beside it. */
export interface ExploreRow {
  what: string;
  value: number;
  unit: string;
  target: string;
}

/** Seconds of animation that are measured, and visits of which the first paint's median is taken. */
const SECONDS = 6;
const VISITS = 5;

export async function run({ log }: BenchmarkOptions): Promise<ExploreRow[]> {
  const executablePath = chromiumPath();
  if (!executablePath) {
    log('explore: no Chromium (CER_CHROMIUM names one), nothing measured');
    return [];
  }
  const began = performance.now();
  const files = await buildPage();
  const built = performance.now() - began;
  const server = await servePage(files, 0);
  const { chromium } = require('playwright-core') as typeof import('playwright-core');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const paints: number[] = [];
    for (let visit = 0; visit < VISITS; visit++) {
      const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
      await page.goto(server.url);
      await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
      paints.push(await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0].startTime));
      await page.close();
      log(`first paint, visit ${visit + 1} of ${VISITS}: ${paints[visit].toFixed(0)} ms`);
    }
    const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, reducedMotion: 'no-preference' });
    await page.addInitScript({ content: readFileSync(join(__dirname, 'peers', 'frame-times.js'), 'utf8') });
    await page.goto(`${server.url}#flow?points=200&steps=30`);
    await page.waitForFunction(() => document.querySelector('#flow .main-svg'));
    log(`animation of 200 points for ${SECONDS} s`);
    await page.evaluate('frameTimes.length = drawTimes.length = 0');
    await page.waitForTimeout(SECONDS * 1000);
    const frames = ((await page.evaluate('frameTimes')) as number[]).sort((a, b) => a - b);
    const draws = ((await page.evaluate('drawTimes')) as number[]).sort((a, b) => a - b);
    const at = (values: number[], share: number) => values[Math.floor(share * (values.length - 1))];
    const slow = frames.filter((time) => time > 25).length / frames.length;
    return [
      { what: 'bundling the page', value: built, unit: 'ms', target: '' },
      { what: 'script of the page', value: files.get('explore.js')!.length / 1024, unit: 'KiB', target: '' },
      { what: 'first paint, median', value: median(paints), unit: 'ms', target: '< 1000' },
      { what: 'frames a second, median', value: 1000 / at(frames, 0.5), unit: '1/s', target: '60' },
      { what: 'time between frames, 95 % below', value: at(frames, 0.95), unit: 'ms', target: '16.7' },
      { what: 'frames later than 25 ms', value: 100 * slow, unit: '%', target: '' },
      { what: 'work of a frame, median', value: at(draws, 0.5), unit: 'ms', target: '' },
      { what: 'work of a frame, 95 % below', value: at(draws, 0.95), unit: 'ms', target: '< 16.7' },
    ];
  } finally {
    await browser.close();
    await server.close();
  }
}

export function print(rows: ExploreRow[]): void {
  for (const { what, value, unit, target } of rows) {
    console.log(`${what.padEnd(34)} ${value.toFixed(1).padStart(8)} ${unit.padEnd(4)} ${target && `target ${target}`}`);
  }
}
