import { strict as assert } from 'node:assert';
import type { ClaimCheck } from '../../src/theory/claim';

/** |actual - expected| <= tolerance (1 + |expected|). */
export function close(actual: number, expected: number, tolerance: number, message = ''): void {
  const far = Math.abs(actual - expected);
  assert.ok(far <= tolerance * (1 + Math.abs(expected)), `${message} ${actual} is ${far} from ${expected}`);
}

/** Gradient by central differences with step 1e-5. */
export function gradientOf(f: (x: Float64Array) => number, x: ArrayLike<number>): Float64Array {
  const moved = Float64Array.from(x);
  return moved.map((value, i) => {
    moved[i] = value + 1e-5;
    const up = f(moved);
    moved[i] = value - 1e-5;
    const down = f(moved);
    moved[i] = value;
    return (up - down) / 2e-5;
  });
}

/** A check gives the same result for the same seed, and its verdict for each of several seeds. */
export function assertVerdict(check: ClaimCheck, verdict: string, seeds: readonly number[] = [0, 1]): void {
  for (const seed of seeds) {
    const result = check({ seed });
    assert.equal(result.verdict, verdict, `seed ${seed}: ${result.detail}`);
  }
}
