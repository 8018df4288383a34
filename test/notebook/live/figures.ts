import type { Locator, Page } from 'playwright-core';

/**
 * Scrolls a figure into view, waits until plotly has taken the picture's place, and points at what it shows.
 * @returns what the hover label says: nothing when none appears, undefined when the figure has none by its own word.
 */
export async function hover(page: Page, figure: Locator): Promise<string | undefined> {
  const drawn = figure.locator('.js-plotly-plot .main-svg').first();
  // Cells on the way get their true height only when they come into view, so that one move may end beside the figure.
  for (const end = Date.now() + 60_000; !(await drawn.isVisible()); await page.waitForTimeout(200)) {
    await figure.scrollIntoViewIfNeeded();
    if (Date.now() > end) throw new Error('The figure stays a picture: plotly has not taken its place');
  }
  for (let attempt = 0; attempt < 3; attempt++) {
    await figure.scrollIntoViewIfNeeded();
    const places = await figure.evaluate(placesToPoint);
    if (!places) return undefined;
    const said = await labelAt(page, figure, places);
    if (said) return said;
  }
  return '';
}

async function labelAt(page: Page, figure: Locator, places: { x: number; y: number }[]): Promise<string> {
  const label = figure.locator('.hoverlayer .hovertext').first();
  for (const { x, y } of places) {
    await page.mouse.move(x - 3, y - 3);
    await page.mouse.move(x, y, { steps: 2 });
    const seen = await label.waitFor({ timeout: 1000 }).then(
      () => true,
      () => false,
    );
    if (seen) return (await label.textContent()) ?? '';
  }
  return '';
}

/**
 * Runs in the page: places in the window, a few of each kind of mark that the figure draws (points, bars, maps, corners of
 * lines); undefined when no trace has hover labels. It has no functions with names, as the test's compiler would mark them
 * with a helper that the page does not have.
 */
function placesToPoint(box: Element): { x: number; y: number }[] | undefined {
  const plot = box.querySelector('.js-plotly-plot') as Element & { data: { hoverinfo?: string }[] };
  if (plot.data.every(({ hoverinfo }) => hoverinfo === 'skip')) return undefined;
  const kinds = ['.scatterlayer .point', '.barlayer .point path', '.heatmaplayer image', '.scatterlayer .js-line'];
  return [...kinds, '.contourlayer'].flatMap((kind) => {
    const marks = Array.from(plot.querySelectorAll<SVGGraphicsElement>(kind)).flatMap((mark) => {
      if (kind.endsWith('.js-line')) {
        const { e, f } = mark.getScreenCTM()!;
        const corners = Array.from((mark.getAttribute('d') ?? '').matchAll(/[ML]([-\d.]+),([-\d.]+)/g));
        return corners.map(([, x, y]) => ({ x: Number(x) + e, y: Number(y) + f }));
      }
      const { left, top, width, height } = mark.getBoundingClientRect();
      return [{ x: left + width / 2, y: top + height / 2 }];
    });
    const seen = marks.filter(({ x, y }) => box.contains(document.elementFromPoint(x, y)));
    return [0.5, 0.25, 0.75, 0].map((part) => seen[Math.floor(part * seen.length)]).filter(Boolean);
  });
}
