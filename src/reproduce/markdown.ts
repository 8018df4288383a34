import katex from 'katex';
import { marked } from 'marked';
import { escapeHtml } from '../notebook/output';

/** Display formulas `$$...$$` and inline ones `$...$` that neither begin nor end with a space, as Jupyter reads them. */
const FORMULA = /\$\$([\s\S]+?)\$\$|(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)/g;
const CODE = /(```[\s\S]*?```|`[^`\n]*`)/;

/** Markdown with formulas as HTML with MathML: browsers draw it by themselves, so nothing is fetched. */
export function markdownToHtml(text: string, { inline = false } = {}): string {
  const formulas: string[] = [];
  const hold = (_: string, display: string | undefined, within: string) => {
    formulas.push(formulaToHtml(display ?? within, display !== undefined));
    return `\ue000${formulas.length - 1}\ue001`;
  };
  // Formulas are taken out before Markdown can read their underscores as emphasis; code is left alone.
  const parts = text.split(CODE).map((part, at) => (at % 2 ? part : part.replace(FORMULA, hold)));
  const html = inline ? marked.parseInline(parts.join('')) : marked.parse(parts.join(''));
  return String(html).replace(/\ue000(\d+)\ue001/g, (_, at) => formulas[Number(at)]);
}

function formulaToHtml(formula: string, displayMode: boolean): string {
  try {
    return katex.renderToString(formula, { output: 'mathml', displayMode, throwOnError: true });
  } catch {
    return `<code>${escapeHtml(formula)}</code>`; // as its author wrote it, rather than half of it
  }
}
