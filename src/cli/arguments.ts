import { InvalidArgumentError } from 'commander';

/** Parser of an option that takes a whole number above 0. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It must be a whole number above 0.');
}
