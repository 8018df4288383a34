import katex from 'katex';
import { Marked } from 'marked';
import { Html, html } from '../notebook/html';

/** Display formulas `$$...$$` and inline ones `$...$` that neither begin nor end with a space, as Jupyter reads them. */
const FORMULA = /\$\$([\s\S]+?)\$\$|(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?!\d)/g;
const CODE = /(```[\s\S]*?```|`[^`\n]*`)/;

/** Tags in the text are shown as text, and links lead to the web or to a place on the page: Markdown never becomes a script. */
const marked = new Marked({
  renderer: {
    html: ({ text }) => html`${text}`.text,
    link({ href, tokens }) {
      const content = new Html(this.parser.parseInline(tokens));
      return (/^(https?:|#)/i.test(href) ? html`<a href="${href}">${content}</a>` : content).text;
    },
    image: ({ href, text }) =>
      (/^data:image\/(png|jpeg|gif);/.test(href) ? html`<img src="${href}" alt="${text}">` : html`${text}`).text,
  },
});

/** Markdown with formulas as HTML with MathML: browsers draw it by themselves, so nothing is fetched. */
export function markdownToHtml(text: string, { inline = false } = {}): Html {
  const formulas: Html[] = [];
  const hold = (_: string, display: string | undefined, within: string) => {
    formulas.push(formulaToHtml(display ?? within, display !== undefined));
    return `\ue000${formulas.length - 1}\ue001`;
  };
  // Formulas are taken out before Markdown can read their underscores as emphasis; code is left alone.
  const parts = text.split(CODE).map((part, at) => (at % 2 ? part : part.replace(FORMULA, hold)));
  const page = inline ? marked.parseInline(parts.join('')) : marked.parse(parts.join(''));
  return new Html(String(page).replace(/\ue000(\d+)\ue001/g, (mark, at) => formulas[Number(at)]?.text ?? mark));
}

function formulaToHtml(formula: string, displayMode: boolean): Html {
  try {
    return new Html(katex.renderToString(formula, { output: 'mathml', displayMode, throwOnError: true }));
  } catch {
    return html`<code>${formula}</code>`; // as its author wrote it, rather than half of it
  }
}
