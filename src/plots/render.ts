import { join } from 'node:path';
import { MissingDependencyError } from '../runtime/errors';
import type { Figure } from './figure';

/** Pixels of the picture per unit of the figure: 2 stays sharp on a high-density screen and in a README. */
const SCALE = 2;
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** What is used of playwright, whose own types (2 MB) every notebook's compiler would have to read. */
interface Session {
  browser: { close(): Promise<void> };
  /** Rejects when the browser ends by itself. */
  lost: Promise<never>;
  page: { evaluate<A, R>(run: (argument: A) => R, argument: A): Promise<Awaited<R>> };
}

let session: Promise<Session> | undefined;
let queue: Promise<unknown> = Promise.resolve();
let idleTimer: NodeJS.Timeout | undefined;
let idleMilliseconds = 300;
const rendered = new WeakMap<Figure, Promise<Buffer>>();

/** The Chromium or Chrome that draws pictures, or undefined where there is none (`CER_CHROMIUM` names one). */
export function chromiumPath(): string | undefined {
  return require(join(__dirname, '..', '..', 'scripts', 'find-chromium.cjs')).findChromium();
}

/** plotly.js as one file for browsers (the cartesian bundle). */
export function plotlyPath(): string {
  return require.resolve('plotly.js-cartesian-dist-min/plotly-cartesian.min.js');
}

/**
 * Draws a figure as PNG with a headless Chromium, which is started once per process and closed when idle.
 * The same figure object is drawn once; the same figure gives the same bytes. No request leaves the machine.
 * @returns undefined where no Chromium is found.
 * @throws Error with plotly's own message when it rejects the figure, MissingDependencyError when Chromium does not start or ends.
 */
export function renderPng(figure: Figure): Promise<Buffer | undefined> {
  const known = rendered.get(figure);
  if (known) return known;
  const executablePath = chromiumPath();
  if (!executablePath) return Promise.resolve(undefined);
  const png = queue.then(() => draw(figure, executablePath));
  queue = png.catch(() => {});
  rendered.set(figure, png);
  return png;
}

/** How long an unused Chromium is kept, in milliseconds (0.3 s: a script ends soon after its last figure). */
export function keepRendererFor(milliseconds: number): void {
  idleMilliseconds = milliseconds;
}

/** Closes Chromium now, if it runs. The next figure starts it again. */
export async function closeRenderer(): Promise<void> {
  clearTimeout(idleTimer);
  const closing = session;
  session = undefined;
  await (await closing?.catch(() => undefined))?.browser.close();
}

async function draw(figure: Figure, executablePath: string): Promise<Buffer> {
  clearTimeout(idleTimer);
  session ??= open(executablePath);
  const own = session;
  const forget = () => {
    if (session === own) session = undefined;
  };
  own.catch(forget);
  const { page, lost } = await own;
  lost.catch(forget);
  try {
    const drawing = page.evaluate(
      ({ data, layout, scale }) =>
        // biome-ignore lint/suspicious/noExplicitAny: plotly lives in the page, outside this program's types
        (globalThis as any).Plotly.toImage({ data, layout }, { format: 'png', scale }) as Promise<string>,
      { ...toPlain(figure), scale: SCALE },
    );
    const url = await Promise.race([drawing, lost]);
    return await shrink(Buffer.from(url.slice(url.indexOf(',') + 1), 'base64'));
  } finally {
    idleTimer = setTimeout(() => void closeRenderer(), idleMilliseconds);
    idleTimer.unref();
  }
}

async function open(executablePath: string): Promise<Session> {
  const { chromium } = require('playwright-core');
  // SIGINT is the kernel's interrupt: it stops a cell and must leave Chromium alone. Chromium ends with this process
  // in any case, as it is driven through a pipe.
  const browser = await chromium.launch({ executablePath, args: FLAGS, handleSIGINT: false }).catch(() => {
    throw lostBrowser(executablePath);
  });
  // Playwright's calls never return when the browser ends under them.
  const lost = new Promise<never>((_, reject) => {
    browser.on('disconnected', () => reject(lostBrowser(executablePath)));
  });
  lost.catch(() => {}); // an end between two figures, or by `closeRenderer`
  const ready = async () => {
    const context = await browser.newContext({ offline: true });
    const page = await context.newPage();
    await page.addScriptTag({ path: plotlyPath() });
    return page;
  };
  return { browser, lost, page: await Promise.race([ready(), lost]) };
}

function lostBrowser(path: string): MissingDependencyError {
  return new MissingDependencyError('Chromium', {
    given: `${path}, which did not start, or ended while it drew a figure`,
    expected: 'a browser that stays',
    remedy: 'Give it more memory or open files (`ulimit -n 1024`), or point CER_CHROMIUM to another one.',
  });
}

/** Largest change of a colour channel (of 255) that a palette may make: below what a reader sees in a chart. */
const UNSEEN = 20;
/** Colour channels of a picture with gradients are rounded to multiples of this; at 8 a reader begins to see bands. */
const CHANNEL_STEP = 4;

/**
 * Most charts have few colours: a palette makes the picture about three times smaller. Colour maps have too many for
 * one, a small marker would take a wrong colour; there the channels are rounded.
 */
async function shrink(png: Buffer): Promise<Buffer> {
  const sharp = require('sharp') as typeof import('sharp').default;
  const small: Buffer = await sharp(png).png({ palette: true, effort: 7, dither: 0 }).toBuffer();
  const pixels = (picture: Buffer) => sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const [before, after] = await Promise.all([pixels(png), pixels(small)]);
  const given: Uint8Array = before.data;
  if (given.every((channel, at) => Math.abs(channel - after.data[at]) <= UNSEEN)) return small;
  const rounded = given.map((channel) => Math.min(255, Math.round(channel / CHANNEL_STEP) * CHANNEL_STEP));
  return sharp(rounded, { raw: before.info }).png({ compressionLevel: 9 }).toBuffer();
}

/** Typed arrays as arrays and numbers with 7 significant digits: what a picture needs, and the same on every machine. */
export function toPlain(figure: Figure): Figure {
  return JSON.parse(
    JSON.stringify(figure, (_, value) => {
      if (typeof value === 'number') return Number.isFinite(value) ? Number(value.toPrecision(7)) : null;
      return ArrayBuffer.isView(value) && !(value instanceof DataView)
        ? Array.from(value as Float64Array, (x) => (Number.isFinite(x) ? Number(x.toPrecision(7)) : null))
        : value;
    }),
  );
}
