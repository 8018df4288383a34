/**
 * Counter-based keyed random numbers (Threefry-2x32, 20 rounds; Salmon et al. 2011), as in JAX: a key is a value,
 * never a state. The same key gives the same numbers on every backend, in every process and after a resume.
 */

/** A random key: two unsigned 32-bit words. Never use one key for two draws; `split` or `foldIn` first. */
export type Key = readonly [number, number];

/**
 * One Threefry-2x32-20 block: two counter words to two random words, written to `out[at]`, `out[at + 1]`. Written out
 * without arrays, since every random number of the project passes here: twenty rounds in five groups of four.
 */
export function threefry(key: Key, c0: number, c1: number, out: Uint32Array, at: number): void {
  const k0 = key[0] | 0;
  const k1 = key[1] | 0;
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  let x0 = (c0 + k0) | 0;
  let x1 = (c1 + k1) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2 + 1) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k2) | 0;
  x1 = (x1 + k0 + 2) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k0) | 0;
  x1 = (x1 + k1 + 3) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k1) | 0;
  x1 = (x1 + k2 + 4) | 0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0;
  x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k2) | 0;
  x1 = (x1 + k0 + 5) | 0;
  out[at] = x0;
  out[at + 1] = x1;
}

/** A key from a seed (an integer in 0 .. 2^53-1). */
export function key(seed: number): Key {
  return [Math.floor(seed / 2 ** 32) >>> 0, seed >>> 0];
}

/** A new key from a key and a number or name; different data give independent keys. */
export function foldIn(parent: Key, data: number | string): Key {
  const out = new Uint32Array(2);
  if (typeof data === 'number') {
    threefry(parent, data >>> 0, 0x5eed, out, 0);
    return [out[0], out[1]];
  }
  let current = parent;
  for (const byte of new TextEncoder().encode(`${data}\0`)) {
    threefry(current, byte, 0x7e87, out, 0);
    current = [out[0], out[1]];
  }
  return current;
}

/** `count` independent keys from one. */
export function split(parent: Key, count = 2): Key[] {
  return Array.from({ length: count }, (_, i) => {
    const out = new Uint32Array(2);
    threefry(parent, i, 0x5717, out, 0);
    return [out[0], out[1]] as const;
  });
}

let watcher: (() => void) | undefined;

/** Calls `listener` at every draw from now on, until called with undefined; tracing refuses draws by throwing in it. */
export function watchDraws(listener: (() => void) | undefined): void {
  watcher = listener;
}

/** `count` random 32-bit words. */
export function bits(source: Key, count: number): Uint32Array {
  watcher?.();
  const out = new Uint32Array(count + (count & 1));
  for (let i = 0; i < count; i += 2) threefry(source, i >>> 1, 0, out, i);
  return out.subarray(0, count);
}

/** `count` uniform numbers in [low, high), 53 random bits each. */
export function uniform(source: Key, count: number, low = 0, high = 1): Float64Array {
  const words = bits(source, 2 * count);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const unit = ((words[2 * i] >>> 5) * 67108864 + (words[2 * i + 1] >>> 6)) / 9007199254740992;
    out[i] = low + (high - low) * unit;
  }
  return out;
}

/** `count` standard normal numbers in float64 (Box-Muller on 53-bit uniforms). */
export function normal(source: Key, count: number): Float64Array {
  const pairs = (count + 1) >> 1;
  const u = uniform(source, 2 * pairs);
  const out = new Float64Array(count);
  for (let i = 0; i < pairs; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - u[2 * i]));
    const angle = 2 * Math.PI * u[2 * i + 1];
    out[2 * i] = radius * Math.cos(angle);
    if (2 * i + 1 < count) out[2 * i + 1] = radius * Math.sin(angle);
  }
  return out;
}

/** `count` integers in [low, high). */
export function randint(source: Key, count: number, low: number, high: number): Int32Array {
  return Int32Array.from(uniform(source, count), (u) => low + Math.floor(u * (high - low)));
}

/** A random permutation of 0 .. count-1 (Fisher-Yates). */
export function permutation(source: Key, count: number): Int32Array {
  const u = uniform(source, count);
  const out = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(u[i] * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** `count` draws of a normal law (mean, std) truncated to [low, high], by rejection. */
export function truncatedNormal(
  source: Key,
  count: number,
  mean: number,
  std: number,
  low: number,
  high: number,
): Float64Array {
  const out = new Float64Array(count);
  let filled = 0;
  for (let attempt = 0; filled < count; attempt++) {
    for (const z of normal(foldIn(source, attempt), count)) {
      const x = mean + std * z;
      if (x >= low && x <= high && filled < count) out[filled++] = x;
    }
  }
  return out;
}

/** `count` indices drawn with probabilities proportional to `weights` (non-negative, not all zero). */
export function categorical(source: Key, count: number, weights: ArrayLike<number>): Int32Array {
  const cumulative = new Float64Array(weights.length);
  let total = 0;
  for (let i = 0; i < weights.length; i++) cumulative[i] = total += weights[i];
  return Int32Array.from(uniform(source, count), (u) => {
    const target = u * total;
    let low = 0;
    let high = weights.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] > target) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}
