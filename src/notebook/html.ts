/** Text that is HTML already. Only `html` and whoever vouches for the text make it. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = Html | string | number | undefined | readonly Value[];

/** A template of HTML: whatever is put into it is escaped, unless it is HTML already. Lists are joined without a gap. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.map((part, at) => part + htmlOf(values[at])).join(''));
}

/** Pieces of HTML, one a line. */
export function lines(pieces: readonly Html[]): Html {
  return new Html(pieces.map(({ text }) => text).join('\n'));
}

function htmlOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (value === undefined) return '';
  if (typeof value === 'object') return value.map(htmlOf).join('');
  return String(value).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
