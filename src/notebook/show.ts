import type { Figure } from '../plots/figure';
import { chromiumPath, keepRendererFor, renderPng } from '../plots/render';
import { figureHtml, titleOf } from './figure-html';
import { finishWithCell, inNotebook, publish } from './output';

let count = 0;
let warned = false;

/**
 * Shows a figure below the cell: one output with a PNG (visible without scripts) and the same figure interactive.
 * Without Chromium there is only the interactive one, and a line says so once. Outside a notebook it prints the title.
 */
export function show(figure: Figure): Promise<void> {
  return finishWithCell(publishFigure(figure));
}

async function publishFigure(figure: Figure): Promise<void> {
  const text = `[figure] ${titleOf(figure)}`;
  if (!inNotebook()) return publish({}, text);
  keepRendererFor(120_000); // a kernel has its own end; a reader's pause between two cells must not cost a new start
  const png = await renderPng(figure);
  if (!png && !warned) {
    warned = true;
    console.log(
      `No Chromium found, so figures have no static picture (${chromiumPath() ?? 'set CER_CHROMIUM to one'}).`,
    );
  }
  const bundle = { 'text/html': figureHtml(figure, png, String(++count)).text, 'text/plain': text };
  publish(png ? { 'image/png': png.toString('base64'), ...bundle } : bundle, text);
}
