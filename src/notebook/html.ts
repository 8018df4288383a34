/** Text that is already HTML. Made by `html`, or directly where the text is known to be safe. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = Html | string | number | undefined | readonly Value[];

/** A template of HTML: every inserted value is escaped, unless it is an `Html`. Lists are joined without a separator. */
export function html(parts: TemplateStringsArray, ...values: readonly Value[]): Html {
  return new Html(parts.map((part, at) => part + htmlOf(values[at])).join(''));
}

/** Pieces of HTML, one per line. */
export function lines(pieces: readonly Html[]): Html {
  return new Html(pieces.map(({ text }) => text).join('\n'));
}

function htmlOf(value: Value): string {
  if (value instanceof Html) return value.text;
  if (value === undefined) return '';
  if (typeof value === 'object') return value.map(htmlOf).join('');
  return String(value).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}
