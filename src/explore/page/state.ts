/** A slider. */
export interface NumberControl {
  kind: 'number';
  label: string;
  /** How the paper writes it. */
  symbol?: string;
  min: number;
  max: number;
  /** Linear sliders: distance of two positions. Logarithmic ones: positions per decade. */
  step: number;
  scale?: 'linear' | 'log';
  unit?: string;
  hint: string;
  initial: number;
}

/** A few named values, one of which is taken. */
export interface ChoiceControl<T extends string> {
  kind: 'choice';
  label: string;
  options: readonly { value: T; label: string }[];
  hint: string;
  initial: T;
}

export interface SwitchControl {
  kind: 'switch';
  label: string;
  hint: string;
  initial: boolean;
}

export type Control = NumberControl | ChoiceControl<string> | SwitchControl;
export type Values = Record<string, number | string | boolean>;

/** The controls of a panel, in the order of the page: one for each of its settings. */
export type Controls<S> = {
  readonly [K in keyof S]: S[K] extends boolean
    ? SwitchControl
    : S[K] extends number
      ? NumberControl
      : S[K] extends string
        ? ChoiceControl<S[K]>
        : never;
};

/** Settings worth seeing, as changes of the initial ones. */
export interface Preset<S> {
  name: string;
  changes: Partial<S>;
}

type AnyControls = Readonly<Record<string, Control>>;

/** Settings as they are before anything was touched. */
export function initialValues<S>(controls: Controls<S>): S {
  const entries = Object.entries(controls as AnyControls).map(([name, { initial }]) => [name, initial]);
  return Object.fromEntries(entries) as S;
}

/** Number of positions of a slider, less one. */
export function positions({ min, max, step, scale }: NumberControl): number {
  return Math.round(scale === 'log' ? Math.log10(max / min) * step : (max - min) / step);
}

/** The value at a slider's position, rounded to what is shown: a shared link must give the same number. */
export function valueAt(control: NumberControl, position: number): number {
  const { min, max, step, scale } = control;
  if (scale === 'log') return Number((min * (max / min) ** (position / positions(control))).toPrecision(2));
  return Number((min + position * step).toFixed(decimals(step)));
}

/** The position nearest to a value. */
export function positionOf(control: NumberControl, value: number): number {
  const { min, max, step, scale } = control;
  const inside = Math.min(max, Math.max(min, value));
  if (scale === 'log') return Math.round((Math.log(inside / min) / Math.log(max / min)) * positions(control));
  return Math.round((inside - min) / step);
}

/** A value as its slider shows it, with its unit. */
export function valueText({ step, scale, unit }: NumberControl, value: number): string {
  const text = scale === 'log' ? String(value) : value.toFixed(decimals(step));
  return unit ? `${text} ${unit}` : text;
}

/** Panel and changed settings as a hash, `#flow?eta=0.5&scheme=euler`: what is not in it has its initial value. */
export function encodeHash<S>(panel: string, controls: Controls<S>, values: S): string {
  const changed = Object.entries(controls as AnyControls)
    .filter(([name, { initial }]) => (values as Values)[name] !== initial)
    .map(([name]) => [name, String((values as Values)[name])]);
  const query = new URLSearchParams(changed).toString();
  return query ? `#${panel}?${query}` : `#${panel}`;
}

/** The two parts of a hash; both empty when there is none. */
export function splitHash(hash: string): { panel: string; query: string } {
  const [panel, query = ''] = hash.replace(/^#/, '').split('?');
  return { panel, query };
}

/** Settings from the query of a hash. What is unknown or malformed is left out, what is out of range is moved into it. */
export function decodeQuery<S>(controls: Controls<S>, query: string): S {
  const values: Values = { ...(initialValues(controls) as Values) };
  for (const [name, text] of new URLSearchParams(query)) {
    const control: Control | undefined = (controls as AnyControls)[name];
    if (control?.kind === 'number' && text.trim() !== '' && Number.isFinite(Number(text))) {
      values[name] = valueAt(control, positionOf(control, Number(text)));
    }
    if (control?.kind === 'choice' && control.options.some(({ value }) => value === text)) values[name] = text;
    if (control?.kind === 'switch' && (text === 'true' || text === 'false')) values[name] = text === 'true';
  }
  return values as S;
}

function decimals(step: number): number {
  return Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
}
