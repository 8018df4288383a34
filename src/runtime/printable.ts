/**
 * Text that came out of a file as it may be printed: characters that a terminal would obey (escape sequences, line breaks) or
 * that turn the direction of text appear as `\u001b` and the like, which JSON reads back.
 */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The same for text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
