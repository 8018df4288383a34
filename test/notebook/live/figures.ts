import type { Locator, Page } from 'playwright-core';

/**
 * Scrolls a figure into view, waits until plotly has taken the picture's place, and points at what it shows.
 * @returns what the hover label says; nothing when none appears.
 */
export async function hover(page: Page, figure: Locator): Promise<string> {
  await figure.scrollIntoViewIfNeeded();
  await figure.locator('.js-plotly-plot .main-svg').first().waitFor();
  const label = figure.locator('.hoverlayer .hovertext').first();
  for (const { x, y } of await figure.evaluate(places)) {
    await page.mouse.move(x - 3, y - 3);
    await page.mouse.move(x, y, { steps: 2 });
    const seen = await label.waitFor({ timeout: 5000 }).then(
      () => true,
      () => false,
    );
    if (seen) return (await label.textContent()) ?? '';
  }
  return '';
}

/** What is used of plotly's own description of what it drew, which has no types. */
interface Drawn {
  _fullData: {
    visible: unknown;
    hoverinfo?: string;
    x?: unknown[];
    y?: unknown[];
    z?: unknown;
    xaxis: string;
    yaxis: string;
  }[];
  _fullLayout: Record<string, { _offset: number; _length: number; d2p(value: unknown): number }>;
}

/**
 * Runs in the page: for each trace the place in the window of its middle point, or of the middle of a map. Without
 * functions of its own, which the test's compiler would give names that the page does not know.
 */
function places(box: Element): { x: number; y: number }[] {
  const plot = box.querySelector('.js-plotly-plot') as Element & Drawn;
  const area = plot.getBoundingClientRect();
  return plot._fullData
    .filter(({ visible, hoverinfo }) => visible === true && hoverinfo !== 'skip')
    .map((trace) => {
      const middle = Math.floor((trace.x?.length ?? 0) / 2);
      const across = plot._fullLayout[trace.xaxis.replace('x', 'xaxis')];
      const up = plot._fullLayout[trace.yaxis.replace('y', 'yaxis')];
      return {
        x: area.left + across._offset + (trace.z || !trace.x ? across._length / 2 : across.d2p(trace.x[middle])),
        y: area.top + up._offset + (trace.z || !trace.y ? up._length / 2 : up.d2p(trace.y[middle])),
      };
    });
}
