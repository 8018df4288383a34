import { publish } from './output';

/** Shows Markdown below the cell (with `$...$` formulas); outside a notebook prints it. */
export function note(markdown: string): void {
  publish({ 'text/markdown': markdown, 'text/plain': markdown }, markdown);
}
