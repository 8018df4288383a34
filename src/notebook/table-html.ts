import { Html, html, lines } from './html';

/** A column of a table as it is shown. */
export interface Column {
  /** What its header says. */
  name: string;
  /** Numbers are right-aligned. */
  numeric: boolean;
  /** Holds the paper's numbers, which are set apart from ours. */
  paper: boolean;
}

/**
 * Makes every table of the page sortable, once: a click on a header, or Enter on it, sorts by that column, a second one
 * the other way round; empty cells stay last and equal ones in their order. Where no scripts run nothing promises it.
 * One listener of the whole page, as a notebook runs scripts before the table has its place.
 */
export const SORT_SCRIPT = `(function(){
  if(window.cerSort)return;window.cerSort=true;
  var style=document.createElement('style');
  style.textContent='.cer-table thead th{cursor:pointer}.cer-table th[aria-sort=ascending]::after{content:" \\u25b2"}.cer-table th[aria-sort=descending]::after{content:" \\u25bc"}';
  document.head.appendChild(style);
  var number=function(text){return parseFloat(text.replace('\\u2212','-').replace('\\u221e','Infinity'))};
  var sort=function(event){
    var head=event.target.closest&&event.target.closest('.cer-table thead th');
    if(!head||event.type==='keydown'&&event.key!=='Enter')return;
    event.preventDefault();event.stopPropagation();
    var down=head.getAttribute('aria-sort')==='ascending',body=head.closest('table').tBodies[0];
    var rows=[].map.call(body.rows,function(row){return{row:row,text:row.cells[head.cellIndex].textContent.trim()}});
    var full=rows.filter(function(one){return one.text!==''}),numeric=full.every(function(one){return !isNaN(number(one.text))});
    full.sort(function(a,b){var order=numeric?(number(a.text)-number(b.text)||0):a.text.localeCompare(b.text);return down?-order:order});
    full.concat(rows.filter(function(one){return one.text===''})).forEach(function(one){body.appendChild(one.row)});
    [].forEach.call(head.parentNode.cells,function(cell){cell.removeAttribute('aria-sort')});
    head.setAttribute('aria-sort',down?'descending':'ascending');
  };
  document.addEventListener('click',sort,true);document.addEventListener('keydown',sort,true);
})()`;

const PAPER_STYLE = ';font-style:italic;opacity:0.7';

/** Rows of formatted cells as an HTML table that a click on a header sorts. */
export function tableHtml(columns: readonly Column[], cells: readonly string[][], title?: string): Html {
  const style = columns.map(
    ({ numeric, paper }) =>
      `text-align:${numeric ? 'right;font-variant-numeric:tabular-nums' : 'left'}${paper ? PAPER_STYLE : ''}`,
  );
  const head = columns.map(({ name }, at) => html`<th scope="col" tabindex="0" style="${style[at]}">${name}</th>`);
  const body = cells.map((row) => html`<tr>${row.map((cell, at) => html`<td style="${style[at]}">${cell}</td>`)}</tr>`);
  const caption = title && html`<caption style="text-align:left;white-space:nowrap;font-weight:600">${title}</caption>`;
  return html`<table class="cer-table">${caption}<thead><tr>${head}</tr></thead><tbody>
${lines(body)}
</tbody></table>
<script>${new Html(SORT_SCRIPT)}</script>`;
}
