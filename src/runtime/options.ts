import { z } from 'zod';
import { closest } from './closest';
import { InvalidInputError } from './errors';

/**
 * Validates `given` against a zod schema once, at the edge, and returns the options in effect (defaults filled in).
 * @throws InvalidInputError naming each wrong field, its value and what was expected.
 */
export function parseOptions<S extends z.ZodType>(what: string, schema: S, given: unknown): z.output<S> {
  refuseReservedNames(what, given);
  const parsed = schema.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => {
    const path = issue.path.join('.');
    const value = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      given,
    );
    return { path: path || '(all)', value, message: issue.message };
  });
  throw new InvalidInputError(`Options of ${what}`, {
    given: issues.map((issue) => `${issue.path} = ${JSON.stringify(issue.value)}`).join(', '),
    expected: issues.map((issue) => `${issue.path}: ${issue.message}`).join('; '),
    remedy: 'Correct the named fields; leave a field out to use its default.',
  });
}

/** An object of options; an unknown field is refused with the nearest known one. */
export function describedObject<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => `unknown field ${JSON.stringify(key)}${nearest(key, Object.keys(shape))}`).join('; ')
        : undefined,
  });
}

/** The error of a discriminated union without a member of the given name: the names that there are, and the nearest. */
export function oneOf(field: string, names: readonly string[]): z.core.$ZodErrorMap {
  return (issue) => {
    if (issue.code !== 'invalid_union') return undefined;
    const given = (issue.input as Record<string, unknown> | undefined)?.[field];
    return `one of ${names.join(', ')}${nearest(String(given), names)}`;
  };
}

function nearest(given: string, known: readonly string[]): string {
  const near = closest(given, known);
  return near ? `. Did you mean "${near}"?` : '';
}

/** The description of the field at a dotted name of an object of options; '' where it has none. */
export function descriptionOf(schema: z.ZodType, dotted: string): string {
  const [name, ...rest] = dotted.split('.');
  const object = objectsOf(schema).find(({ shape }) => name in shape);
  const field = object?.shape[name] as z.ZodType | undefined;
  if (!field) return '';
  return rest.length > 0 ? descriptionOf(field, rest.join('.')) : (field.description ?? '');
}

/** An object behind its default, or the members of a union. */
function objectsOf(schema: unknown): z.ZodObject[] {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return objectsOf(schema.unwrap());
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(objectsOf);
  return schema instanceof z.ZodObject ? [schema] : [];
}

const RESERVED = ['__proto__', 'constructor', 'prototype'];

/**
 * Refuses names, dotted ones too, that lead to the prototype of an object when they are assigned: text from outside must not reach what
 * every object inherits. Looks into plain objects and lists.
 * @throws InvalidInputError naming the first one.
 */
export function refuseReservedNames(what: string, given: unknown): void {
  if (Array.isArray(given)) {
    for (const each of given) if (typeof each === 'object') refuseReservedNames(what, each);
  }
  if (typeof given !== 'object' || given === null || Object.getPrototypeOf(given) !== Object.prototype) return;
  for (const [name, value] of Object.entries(given)) {
    if (!name.split('.').some((part) => RESERVED.includes(part))) {
      refuseReservedNames(what, value);
      continue;
    }
    throw new InvalidInputError(`Options of ${what}`, {
      given: `the name ${JSON.stringify(name)}`,
      expected: `names without the parts ${RESERVED.join(', ')}`,
      remedy: 'Remove it: no option has such a name.',
    });
  }
}
