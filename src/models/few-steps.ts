import { InvalidInputError } from '../runtime/errors';

/**
 * Fewer reverse-process steps as more tokens are known: from `first` at the first generation step down to `last` at the
 * last one, linearly, rounded. Late tokens are nearly determined by the others, so that they need fewer.
 * @throws InvalidInputError unless both are integers from 1 to 1000.
 */
export function fewerSteps(first: number, last: number): (step: number, steps: number) => number {
  if (![first, last].every((count) => Number.isInteger(count) && count >= 1 && count <= 1000)) {
    throw new InvalidInputError('Reverse-process steps', {
      given: `from ${first} to ${last}`,
      expected: 'integers from 1 to 1000',
      remedy: 'For example fewerSteps(100, 25).',
    });
  }
  return (step, steps) => Math.round(first + ((last - first) * step) / Math.max(1, steps - 1));
}
