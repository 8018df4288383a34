import { element } from './dom';
import {
  type ChoiceControl,
  type Control,
  type Controls,
  type NumberControl,
  positionOf,
  positions,
  type SwitchControl,
  type Values,
  valueAt,
  valueText,
} from './state';

interface Field {
  root: HTMLElement;
  set(value: number | string | boolean): void;
}

/** Builds a form of labelled sliders, lists and switches; returns how to set them all. */
export function buildControls<S>(
  parent: HTMLElement,
  panel: string,
  controls: Controls<S>,
  onChange: (name: string, value: number | string | boolean) => void,
): (values: S) => void {
  const fields = new Map<string, Field>();
  for (const [name, control] of Object.entries(controls as Readonly<Record<string, Control>>)) {
    const id = `${panel}-${name}`;
    const change = (value: number | string | boolean) => onChange(name, value);
    const field =
      control.kind === 'number'
        ? slider(id, control, change)
        : control.kind === 'choice'
          ? choice(id, control, change)
          : toggle(id, control, change);
    fields.set(name, field);
    parent.append(field.root);
  }
  return (values) => {
    for (const [name, field] of fields) field.set((values as Values)[name]);
  };
}

function slider(id: string, control: NumberControl, onChange: (value: number) => void): Field {
  const input = element('input', {
    type: 'range',
    id,
    min: 0,
    max: positions(control),
    step: 1,
    'aria-describedby': `${id}-hint`,
  });
  const output = element('output', { for: id, 'aria-live': 'off' });
  const show = (value: number) => {
    const text = valueText(control, value);
    output.textContent = text;
    input.setAttribute('aria-valuetext', text);
  };
  input.addEventListener('input', () => {
    const value = valueAt(control, Number(input.value));
    show(value);
    onChange(value);
  });
  const symbol = control.symbol ? [' ', element('span', { class: 'symbol' }, control.symbol)] : [];
  const root = element(
    'div',
    { class: 'control' },
    element('label', { for: id }, control.label, ...symbol),
    output,
    input,
    hint(id, control.hint),
  );
  const set = (value: number | string | boolean) => {
    input.value = String(positionOf(control, value as number));
    show(value as number);
  };
  return { root, set };
}

function choice(id: string, control: ChoiceControl<string>, onChange: (value: string) => void): Field {
  const options = control.options.map(({ value, label }) => element('option', { value }, label));
  const select = element('select', { id, 'aria-describedby': `${id}-hint` }, ...options);
  select.addEventListener('change', () => onChange(select.value));
  const root = element(
    'div',
    { class: 'control' },
    element('label', { for: id }, control.label),
    select,
    hint(id, control.hint),
  );
  const set = (value: number | string | boolean) => {
    select.value = String(value);
  };
  return { root, set };
}

function toggle(id: string, control: SwitchControl, onChange: (value: boolean) => void): Field {
  const input = element('input', { type: 'checkbox', id, 'aria-describedby': `${id}-hint` });
  input.addEventListener('change', () => onChange(input.checked));
  const root = element(
    'div',
    { class: 'control switch' },
    input,
    element('label', { for: id }, control.label),
    hint(id, control.hint),
  );
  const set = (value: number | string | boolean) => {
    input.checked = Boolean(value);
  };
  return { root, set };
}

const hint = (id: string, text: string) => element('p', { class: 'hint', id: `${id}-hint` }, text);
