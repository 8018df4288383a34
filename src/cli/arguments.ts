import { InvalidArgumentError, Option } from 'commander';
import { closest } from '../runtime/closest';
import { InvalidInputError } from '../runtime/errors';

/** Parser of an option that takes a whole number above 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}

/** Parser of a seed: a whole number from 0. */
export function seedNumber(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError('It must be a whole number from 0.');
}

/** An option that takes one of the given names; the error for another suggests the nearest. */
export function choiceOption(flags: string, description: string, names: readonly string[]): Option {
  return new Option(flags, description).choices(names).argParser((text: string) => {
    if (names.includes(text)) return text;
    throw new InvalidArgumentError(`${suggestion(text, names)}Allowed choices are ${names.join(', ')}.`);
  });
}

/**
 * Names separated by commas, each one of the given names.
 * @throws InvalidInputError with the unknown names and the valid name nearest to the first.
 */
export function namesIn<Name extends string>(what: string, text: string, names: readonly Name[]): Name[] {
  const given = text.split(',').map((name) => name.trim());
  const unknown = given.filter((name) => !(names as readonly string[]).includes(name));
  if (unknown.length === 0) return given as Name[];
  throw new InvalidInputError(what, {
    given: unknown.map((name) => JSON.stringify(name)).join(', '),
    expected: `some of ${names.join(', ')}, separated by commas`,
    remedy: suggestion(unknown[0], names).trim() || 'Correct the names.',
  });
}

function suggestion(text: string, names: readonly string[]): string {
  const near = closest(text, names);
  return near ? `Did you mean ${near}? ` : '';
}
