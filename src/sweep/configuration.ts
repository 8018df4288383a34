import { createHash } from 'node:crypto';
import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';
import { refuseReservedNames } from '../runtime/options';

/** Anything that a JSON file can say. */
export type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** A configuration as a JSON file says it; nested objects are addressed by dotted names, `refinement.epsilon`. */
export type Configuration = { [name: string]: Json };

/** Options in effect as plain JSON, in which infinity is the text "infinite"; what is undefined is left out. */
export function asJson(options: object): Configuration {
  const json = (value: unknown): Json => {
    if (value === Number.POSITIVE_INFINITY) return 'infinite';
    if (Array.isArray(value)) return value.map(json);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
    return value === null || typeof value !== 'object' ? null : asJson(value);
  };
  const named = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(named.map(([name, value]) => [name, json(value)]));
}

/** The JSON text of a value with sorted keys: equal values give equal texts. Infinity, which JSON lacks, becomes a string. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    if (typeof part === 'number' && !Number.isFinite(part)) return String(part);
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** 128 bits of SHA-256 of the canonical JSON, as 32 hexadecimal digits. */
export function stableHash(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value)).digest('hex').slice(0, 32);
}

/** The leaves of a configuration by dotted name; arrays are leaves. */
export function leaves(configuration: Configuration, prefix = ''): Map<string, Json> {
  const found = new Map<string, Json>();
  for (const [name, value] of Object.entries(configuration)) {
    if (!isObject(value)) found.set(prefix + name, value);
    else for (const [inner, leaf] of leaves(value, `${prefix}${name}.`)) found.set(inner, leaf);
  }
  return found;
}

/** The value at a dotted name, a whole object where it names one; undefined where there is none. */
export function valueAt(configuration: Configuration, dotted: string): Json | undefined {
  return dotted.split('.').reduce<Json | undefined>((at, name) => own(at, name), configuration);
}

/** The configuration with some dotted names set; `base` is not changed. @throws InvalidInputError for a name that leads to a prototype. */
export function withChanges(base: Configuration, changes: Readonly<Record<string, Json>>): Configuration {
  refuseReservedNames('a configuration', [base, changes]);
  const result = structuredClone(base);
  for (const [dotted, value] of Object.entries(changes)) {
    const path = dotted.split('.');
    let at = result;
    for (const name of path.slice(0, -1)) {
      if (!isObject(own(at, name))) at[name] = {};
      at = at[name] as Configuration;
    }
    at[path[path.length - 1]] = structuredClone(value);
  }
  return result;
}

/**
 * Refuses names that are not among the known ones, instead of ignoring them; a known branch may be named as a whole.
 * @throws InvalidInputError with the known name that is nearest.
 */
export function refuseUnknown(what: string, given: Configuration, known: readonly string[]): void {
  const branches = known.flatMap((name) => name.split('.').map((_, i, all) => all.slice(0, i).join('.')));
  for (const name of leaves(given).keys()) {
    if (known.includes(name) || branches.includes(name)) continue;
    const near = closest(name, known);
    const names = [...new Set(known)].join(', ');
    throw new InvalidInputError(what, {
      given: `the knob ${JSON.stringify(name)}`,
      expected: near ? `perhaps ${near}; the knobs are ${names}` : names,
      remedy: 'Correct the name.',
    });
  }
}

function own(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
