/** The element of the page with this id. */
export function part<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element ${id}.`);
  return found as E;
}

type Attributes = Record<string, string | number | boolean | undefined>;

/** A new element with attributes and content; `true` writes an empty attribute, `false` and undefined none. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...content: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) created.setAttribute(name, value === true ? '' : String(value));
  }
  created.append(...content);
  return created;
}

let announcement: ReturnType<typeof setTimeout> | undefined;

/** Reads a sentence to users of a screen reader, once the page has been quiet for a moment. */
export function announce(text: string): void {
  clearTimeout(announcement);
  announcement = setTimeout(() => {
    part('announcer').textContent = text;
  }, 600);
}

/** The numbers of a figure for those who do not see it; filled when it is opened. */
export class NumbersTable {
  private rows: () => (string | number)[][] = () => [];
  private readonly body = element('tbody');

  constructor(
    private readonly details: HTMLDetailsElement,
    caption: string,
    columns: readonly string[],
  ) {
    const head = element('tr', {}, ...columns.map((name) => element('th', { scope: 'col' }, name)));
    const table = element('table', {}, element('caption', {}, caption), element('thead', {}, head), this.body);
    details.append(element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption }, table));
    details.addEventListener('toggle', () => this.fill());
  }

  /** Names where rows come from; each starts with its heading. */
  update(rows: () => (string | number)[][]): void {
    this.rows = rows;
    this.fill();
  }

  private fill(): void {
    if (!this.details.open) return;
    const rows = this.rows().map(([heading, ...cells]) =>
      element(
        'tr',
        {},
        element('th', { scope: 'row' }, String(heading)),
        ...cells.map((cell) => element('td', {}, String(cell))),
      ),
    );
    this.body.replaceChildren(...rows);
  }
}
