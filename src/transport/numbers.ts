import { InvalidInputError } from '../runtime/errors';

/** Row-major numbers in either precision, as engines take them. */
export type NumberArray = Float32Array | Float64Array;

/** Numbers as a caller may give them: a plain array, or a typed array of any kind but bigint. */
export type Numbers = ArrayLike<number>;

/**
 * Finite numbers as engines take them: a Float32Array or Float64Array as it is, any other array of numbers as a Float64Array.
 * @throws InvalidInputError naming `what` when it is not an array, or when an entry is not a finite number.
 */
export function finiteNumbers(what: string, given: Numbers): NumberArray {
  const kind = kindOf(given);
  requireArray(what, given);
  for (let i = 0; i < given.length; i++) {
    if (!Number.isFinite(given[i])) {
      throw new InvalidInputError(what, {
        given: `${shown(given[i])} at index ${i}`,
        expected: 'finite numbers only',
        remedy: 'Remove or repair the entry; to forbid a pair give it a large finite cost.',
      });
    }
  }
  return kind === 'Float32Array' || kind === 'Float64Array' ? (given as NumberArray) : Float64Array.from(given);
}

/** @throws InvalidInputError naming `what` unless it is an array, plain or typed. */
export function requireArray(what: string, given: unknown): void {
  if (/Array$/.test(kindOf(given))) return;
  throw new InvalidInputError(what, {
    given: shown(given),
    expected: 'an array of numbers, plain or typed',
    remedy: 'Pass all numbers in one flat array, row-major.',
  });
}

/**
 * @throws InvalidInputError naming `what` unless it is an integer >= 1.
 */
export function requirePositiveInteger(what: string, value: number): void {
  if (Number.isInteger(value) && value >= 1) return;
  throw new InvalidInputError(what, {
    given: shown(value),
    expected: 'an integer >= 1',
    remedy: 'State the shape of the arrays that you pass.',
  });
}

/** A value of any kind in a few words. */
export function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  const primitive = value === null || (typeof value !== 'object' && typeof value !== 'function');
  return primitive ? String(value) : `${/^[AEIOU]/.test(kindOf(value)) ? 'an' : 'a'} ${kindOf(value)}`;
}

/** The kind of an object by its own name, which holds for those of another realm too: `Float32Array`, `Array`, `Null`. */
function kindOf(value: unknown): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
