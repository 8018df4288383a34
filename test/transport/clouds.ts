import { key, normal } from '../../src/runtime/random';

/** Normal points [count, dimension] in float32, shifted. */
export function cloud(seed: number, count: number, dimension: number, shift = 0): Float32Array {
  return Float32Array.from(normal(key(seed), count * dimension), (x) => x + shift);
}

/** Largest absolute difference. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs(a[i] - b[i]));
  return largest;
}

export function largest(a: ArrayLike<number>): number {
  return largestDifference(a, new Float64Array(a.length));
}
