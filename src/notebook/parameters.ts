import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import { html } from './html';
import { publish } from './output';

type Scalar = number | string | boolean;
type Value = Scalar | readonly Scalar[];

/** The type of a default, without its literal: `3` is a number, `'linear'` a string, `[1, 2]` numbers. */
type Widen<V> = V extends number
  ? number
  : V extends string
    ? string
    : V extends boolean
      ? boolean
      : V extends readonly (infer E)[]
        ? Widen<E>[]
        : V;

export const PROFILES = ['smoke', 'small', 'full', 'paper'] as const;
export type Profile = (typeof PROFILES)[number];

/** How much a run computes, from the environment variable `CER_PROFILE`; default `small`. */
export function profileInEffect(): Profile {
  const given = process.env.CER_PROFILE || 'small';
  if ((PROFILES as readonly string[]).includes(given)) return given as Profile;
  throw new InvalidInputError('Profile', {
    given: `CER_PROFILE = ${given}`,
    expected: `one of ${PROFILES.join(', ')}`,
    remedy: 'Set CER_PROFILE to one of these, or leave it unset for small.',
  });
}

/**
 * The parameters of a notebook: its defaults, overridden by those of the profile in effect, overridden by the JSON
 * object in the environment variable `CER_PARAMETERS`; shown with where each came from.
 * @throws InvalidInputError for a name that is no parameter or a value of another type than its default.
 */
export function parameters<T extends Record<string, Value>>(
  defaults: T,
  profiles: Partial<Record<Profile, Partial<{ [K in keyof T]: Widen<T[K]> }>>> = {},
): { [K in keyof T]: Widen<T[K]> } {
  const profile = profileInEffect();
  const inEffect: Record<string, Value> = { ...defaults };
  const origin: Record<string, string> = {};
  function override(source: Record<string, unknown>, from: string): void {
    for (const [name, value] of Object.entries(source)) {
      inEffect[name] = checked(name, value, defaults, from);
      origin[name] = from;
    }
  }
  override(profiles[profile] ?? {}, `profile ${profile}`);
  override(fromEnvironment(), 'CER_PARAMETERS');
  display(inEffect, origin, profile);
  return inEffect as { [K in keyof T]: Widen<T[K]> };
}

function fromEnvironment(): Record<string, unknown> {
  const text = process.env.CER_PARAMETERS;
  if (!text) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {}
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
    return parsed as Record<string, unknown>;
  }
  throw new InvalidInputError('CER_PARAMETERS', {
    given: text,
    expected: 'a JSON object of parameters by name',
    remedy: `Write it as in CER_PARAMETERS='{"seeds": 5}'.`,
  });
}

function checked(name: string, value: unknown, defaults: Record<string, Value>, from: string): Value {
  if (!Object.hasOwn(defaults, name)) {
    const near = closest(name, Object.keys(defaults));
    throw new InvalidInputError(`Parameters (${from})`, {
      given: name,
      expected: `one of ${Object.keys(defaults).join(', ')}`,
      remedy: near ? `Did you mean ${near}?` : 'Use one of these names.',
    });
  }
  const model = defaults[name];
  if (typeName(value) === typeName(model) || (Array.isArray(model) && Array.isArray(value) && !value.length)) {
    return value as Value;
  }
  throw new InvalidInputError(`Parameter ${name} (${from})`, {
    given: `${JSON.stringify(value)} (${typeName(value)})`,
    expected: `a ${typeName(model)}, as in its default ${JSON.stringify(model)}`,
    remedy: 'Give a value of that type.',
  });
}

function typeName(value: unknown): string {
  if (Array.isArray(value)) return `list of ${[...new Set(value.map(typeName))].join(' and ') || 'nothing'}`;
  if (typeof value === 'number' && !Number.isFinite(value)) return 'number that is not finite';
  return value === null ? 'null' : typeof value;
}

function display(inEffect: Record<string, Value>, origin: Record<string, string>, profile: Profile): void {
  const rows = Object.entries(inEffect).map(([name, value]) => [
    name,
    JSON.stringify(value),
    origin[name] ?? 'default',
  ]);
  const text = [`Parameters (profile ${profile})`, ...rows.map(([n, v, o]) => `  ${n} = ${v}  (${o})`)].join('\n');
  const body = rows.map((row) => html`<tr>${row.map((cell) => html`<td style="text-align:left">${cell}</td>`)}</tr>`);
  const head = ['name', 'value', 'from'].map((name) => html`<th style="text-align:left">${name}</th>`);
  const shown = html`<table class="cer-parameters"><caption style="text-align:left;white-space:nowrap">Parameters in effect, profile <b>${profile}</b></caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table>`;
  publish({ 'text/html': shown.text, 'text/plain': text }, text);
}
