import { createHash } from 'node:crypto';
import type { Figure } from '../plots/figure';
import { toPlain } from '../plots/render';
import { Html, html } from './html';

/** plotly.js as seen from the root folder of a Jupyter server that `cer lab` started. */
const PLOTLY_ROUTE = 'files/node_modules/plotly.js-cartesian-dist-min/plotly-cartesian.min.js';

/**
 * The script that turns the picture in the element `id` into the interactive figure, once plotly can be had: from the
 * page itself (an exported report carries it once), else from the running Jupyter's own files. Elsewhere the picture
 * stays. A figure is drawn when it comes into view. It finds its element by id, as notebooks run scripts out of place, and hides AMD's `define` from plotly.
 */
function upgradeScript(id: string, figure: Figure): string {
  const json = JSON.stringify({ data: figure.data, layout: figure.layout }).replace(/</g, '\\u003c');
  return `(function(figure){
  var box=function(){return document.getElementById('${id}')};
  var draw=function(){var host=document.createElement('div');
    window.Plotly.newPlot(host,figure.data,figure.layout,{responsive:false,displaylogo:false}).then(function(){box().replaceChildren(host)})};
  var start=function(){if(!box())return;
    new IntersectionObserver(function(seen,watch){
      if(seen.some(function(one){return one.isIntersecting})){watch.disconnect();draw()}
    },{rootMargin:'400px'}).observe(box())};
  if(window.Plotly){setTimeout(start);return}
  var config=document.getElementById('jupyter-config-data');
  var base=config?JSON.parse(config.textContent).baseUrl:document.body&&document.body.dataset.baseUrl;
  if(!base||!/^http/.test(location.protocol))return;
  window.cerPlotly=window.cerPlotly||fetch(base+'${PLOTLY_ROUTE}').then(function(answer){
    if(!answer.ok)throw new Error(answer.status);return answer.text()}).then(function(text){
    new Function('define','module','exports',text)()});
  window.cerPlotly.then(start,function(){});
})(${json})`;
}

/** Whether a script of a page is one that `figureHtml` writes, to the letter. */
export function isFigureScript(script: string): boolean {
  const id = /getElementById\('(cer-figure-[\w-]+)'\)/.exec(script)?.[1];
  const json = script.slice(script.lastIndexOf('\n})(') + 4, -1); // the figure itself has no line breaks
  try {
    return id !== undefined && upgradeScript(id, JSON.parse(json)) === script;
  } catch {
    return false;
  }
}

/**
 * A figure as HTML: a box of the figure's size with the picture inside and the script that makes it interactive.
 * @param name sets it apart from the page's other figures: letters, digits and hyphens.
 */
export function figureHtml(figure: Figure, png: Buffer | undefined, name: string): Html {
  const plain = toPlain(figure);
  const hash = createHash('sha256').update(JSON.stringify(plain)).digest('hex').slice(0, 10);
  const id = `cer-figure-${name}-${hash}`;
  const [width, height] = [plain.layout.width ?? 700, plain.layout.height ?? 450].map(Number);
  const source = `data:image/png;base64,${png?.toString('base64')}`;
  const picture = png && html`<img src="${source}" width="${width}" height="${height}" alt="${titleOf(figure)}">`;
  const script = new Html(upgradeScript(id, plain)); // its JSON holds no tag
  return html`<div id="${id}" class="cer-figure" style="width:${width}px;height:${height}px">${picture}</div>
<script>${script}</script>`;
}

/** The title of a figure as plain text. */
export function titleOf(figure: Figure): string {
  const title = figure.layout.title as { text?: string } | string | undefined;
  const text = typeof title === 'string' ? title : title?.text;
  return (text ?? 'figure').replace(/<[^>]*>/g, ' ').trim();
}
