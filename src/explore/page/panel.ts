import { buildControls } from './controls';
import { announce, element, part } from './dom';
import { type Controls, decodeQuery, encodeHash, initialValues, type Preset } from './state';

/** One of the page's panels: its settings, and what shows them. Elements are found by id, `<id>-controls` and so on. */
export interface Panel<S> {
  id: string;
  controls: Controls<S>;
  presets: readonly Preset<S>[];
  create(say: (text: string, loud: boolean) => void): View<S>;
}

export interface View<S> {
  /** Shows these settings; `fresh` when they are new altogether (a preset, a link), not one slider further. */
  show(settings: S, fresh: boolean): void;
  /** Draws again, in other colours or another size. */
  redraw(): void;
  /** The panel is no longer in sight. */
  pause?(): void;
}

export interface MountedPanel {
  id: string;
  open(query?: string): void;
  close(): void;
  hash(): string;
}

/** Connects a panel's form, presets, reset and link with its view. */
export function mount<S>({ id, controls, presets, create }: Panel<S>, onChange: () => void): MountedPanel {
  let values = initialValues(controls);
  let view: View<S> | undefined;
  const seeing = part(`${id}-seeing`);
  const say = (text: string, loud: boolean) => {
    if (seeing.textContent !== text) seeing.textContent = text;
    if (loud) announce(text);
  };
  const set = buildControls(part(`${id}-controls`), id, controls, (name, value) => {
    values = { ...values, [name]: value };
    mark();
    view?.show(values, false);
    onChange();
  });
  const take = (next: S) => {
    values = next;
    set(values);
    mark();
    view?.show(values, true);
    onChange();
  };
  const buttons = presets.map(({ name, changes }) => {
    const button = element('button', { type: 'button', class: 'preset', 'aria-pressed': 'false' }, name);
    button.addEventListener('click', () => take({ ...initialValues(controls), ...changes }));
    return { button, goal: encodeHash(id, controls, { ...initialValues(controls), ...changes }) };
  });
  part(`${id}-presets`).append(...buttons.map(({ button }) => button));
  const mark = () => {
    const now = encodeHash(id, controls, values);
    for (const { button, goal } of buttons) button.setAttribute('aria-pressed', String(goal === now));
  };
  part(`${id}-reset`).addEventListener('click', () => take(initialValues(controls)));
  part(`${id}-share`).addEventListener('click', async () => {
    const link = `${location.href.split('#')[0]}${encodeHash(id, controls, values)}`;
    const copied = await navigator.clipboard?.writeText(link).then(
      () => true,
      () => false,
    );
    const message = copied ? 'Link copied.' : 'The address bar has the link.';
    part(`${id}-shared`).textContent = message;
    setTimeout(() => {
      part(`${id}-shared`).textContent = '';
    }, 4000);
  });
  set(values);
  mark();
  return {
    id,
    open(query) {
      part(id).hidden = false;
      view ??= create(say);
      if (query !== undefined) {
        values = decodeQuery(controls, query);
        set(values);
        mark();
      }
      view.show(values, true);
    },
    close() {
      part(id).hidden = true;
      view?.pause?.();
    },
    hash: () => encodeHash(id, controls, values),
  };
}
