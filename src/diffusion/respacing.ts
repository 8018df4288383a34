import { InvalidInputError } from '../runtime/errors';

/**
 * The original steps kept by a respacing, ascending, distinct.
 *
 * - `'100'` or `100`: that many steps, evenly over 0 .. total-1, both ends kept; positions are rounded half to even.
 * - `'10,15,20'` or `[10, 15, 20]`: the range is cut into equal sections with that many steps each.
 * - `'ddim25'`: the first integer stride that gives exactly 25 steps.
 * - `''`: all of them.
 * @throws InvalidInputError where the reference refuses: no such stride, or more steps than a section has.
 */
export function spaceTimesteps(total: number, respacing: string | number | readonly number[]): number[] {
  if (respacing === '') return Array.from({ length: total }, (_, i) => i);
  if (typeof respacing === 'string' && respacing.startsWith('ddim')) return strided(total, respacing);
  const counts = Array.isArray(respacing) ? [...respacing] : String(respacing).split(',').map(Number);
  if (counts.some((count) => !Number.isInteger(count) || count < 1)) {
    throw new InvalidInputError('Respacing', {
      given: JSON.stringify(respacing),
      expected: 'positive integers separated by commas, or ddimN',
      remedy: 'For example "100", "10,15,20" or "ddim25".',
    });
  }
  const size = Math.floor(total / counts.length);
  const extra = total % counts.length;
  const kept = new Set<number>();
  let start = 0;
  counts.forEach((count, section) => {
    const length = size + (section < extra ? 1 : 0);
    if (length < count) {
      throw new InvalidInputError('Respacing', {
        given: `${count} steps in section ${section} of ${JSON.stringify(respacing)}`,
        expected: `at most ${length}, the length of that section of ${total} steps`,
        remedy: 'Ask for fewer steps.',
      });
    }
    const stride = count <= 1 ? 1 : (length - 1) / (count - 1);
    let position = 0; // accumulated, not multiplied, so that rounding agrees with the reference
    for (let i = 0; i < count; i++) {
      kept.add(start + roundHalfToEven(position));
      position += stride;
    }
    start += length;
  });
  return [...kept].sort((a, b) => a - b);
}

function strided(total: number, respacing: string): number[] {
  const count = Number(respacing.slice('ddim'.length));
  for (let stride = 1; stride < total; stride++) {
    if (Math.ceil(total / stride) === count) {
      return Array.from({ length: count }, (_, i) => i * stride);
    }
  }
  throw new InvalidInputError('Respacing', {
    given: JSON.stringify(respacing),
    expected: `a number of steps that some integer stride over ${total} steps gives exactly`,
    remedy: 'Use a divisor of the number of training steps, or the plain form without "ddim".',
  });
}

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  if (rest !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
