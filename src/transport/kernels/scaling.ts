// Kernel scaling. One pass over the matrix does both halves of an iteration: while a block of four rows is in the cache, its
// products with the column scaling give the four row scalings, and with them the block's share of the column sums.
import { exp4, laneSums, lanesMax, lanesMin, lanesSum, madd } from './simd';

/** Rows whose column sums are added up before they join the total: keeps float32 rounding small for thousands of rows. */
const PANEL = 64;

/**
 * Rows `start` .. `end` (multiples of 4) of an iteration u = (K qv)^-damping exp(shift), w = K^T (r u), from the last to the
 * first when `backward`: a caller that alternates finds the rows that it read last still in the cache.
 * `stats` (float64): [error += sum a |u_old / u_new - 1|, smallest u, largest u] over rows with mass.
 * `w` (zeroed here) and `panel` have `stride` floats, private to the calling thread.
 */
export function scalingPass(
  matrix: usize,
  stride: i32,
  start: i32,
  end: i32,
  qv: usize,
  u: usize,
  r: usize,
  a: usize,
  shift: usize,
  damping: f32,
  w: usize,
  panel: usize,
  stats: usize,
  backward: i32,
): void {
  const rowBytes: usize = (<usize>stride) << 2;
  memory.fill(w, 0, rowBytes);
  let error: f64 = 0;
  let smallest: f32 = Infinity;
  let largest: f32 = 0;
  for (let done = 0; done < end - start; done += PANEL) {
    const stop = min(done + PANEL, end - start);
    memory.fill(panel, 0, rowBytes);
    for (let k = done; k < stop; k += 4) {
      const i = backward ? end - 4 - k : start + k;
      const row = matrix + <usize>i * rowBytes;
      const sums = rowProducts(row, rowBytes, qv);
      const at = (<usize>i) << 2;
      const old = v128.load(u + at);
      const fresh = scalings(sums, damping, shift + at);
      v128.store(u + at, fresh);
      const mass = v128.load(r + at);
      const live = f32x4.gt(mass, f32x4.splat(0));
      // Rows without mass may have any u, infinities included: they must not reach the column sums as 0 * Infinity.
      const weights = v128.and(f32x4.mul(mass, fresh), live);
      const change = f32x4.abs(f32x4.sub(f32x4.div(old, fresh), f32x4.splat(1)));
      error += <f64>lanesSum(v128.and(f32x4.mul(v128.load(a + at), change), live));
      const low = v128.bitselect(fresh, f32x4.splat(Infinity), live);
      const high = v128.and(fresh, live);
      smallest = min(smallest, lanesMin(low));
      largest = max(largest, lanesMax(high));
      addRows(row, rowBytes, weights, panel);
    }
    for (let j: usize = 0; j < rowBytes; j += 16) v128.store(w + j, f32x4.add(v128.load(w + j), v128.load(panel + j)));
  }
  f64.store(stats, error);
  f64.store(stats, <f64>smallest, 8);
  f64.store(stats, <f64>largest, 16);
}

/**
 * Rows `start` .. `end` of the averaged update of a symmetric problem: next = sqrt(u / (K ru)), written to `next`.
 * `stats` as in scalingPass.
 */
export function symmetricPass(
  matrix: usize,
  stride: i32,
  start: i32,
  end: i32,
  ru: usize,
  u: usize,
  a: usize,
  shift: usize,
  damping: f32,
  next: usize,
  stats: usize,
): void {
  const rowBytes: usize = (<usize>stride) << 2;
  let error: f64 = 0;
  let smallest: f32 = Infinity;
  let largest: f32 = 0;
  for (let i = start; i < end; i += 4) {
    const sums = rowProducts(matrix + <usize>i * rowBytes, rowBytes, ru);
    v128.store(next + ((<usize>i) << 2), scalings(sums, damping, shift + ((<usize>i) << 2)));
    for (let k = i; k < i + 4; k++) {
      const at = (<usize>k) << 2;
      const old = f32.load(u + at);
      const fresh = f32.load(next + at);
      const mean = sqrt<f32>(old * fresh);
      f32.store(next + at, mean);
      const mass = f32.load(a + at);
      if (mass > 0) {
        error += <f64>(mass * abs<f32>(old / fresh - 1));
        smallest = min(smallest, mean);
        largest = max(largest, mean);
      }
    }
  }
  f64.store(stats, error);
  f64.store(stats, <f64>smallest, 8);
  f64.store(stats, <f64>largest, 16);
}

/** v = (w summed over threads)^-damping exp(shift), qv = q v; `stats`: [0, smallest v, largest v] over columns with mass. */
export function columnStep(
  w: usize,
  threads: i32,
  stride: i32,
  q: usize,
  shift: usize,
  damping: f32,
  v: usize,
  qv: usize,
  stats: usize,
): void {
  const bytes: usize = (<usize>stride) << 2;
  let smallest = f32x4.splat(Infinity);
  let largest = f32x4.splat(0);
  const zero = f32x4.splat(0);
  for (let j: usize = 0; j < bytes; j += 16) {
    let sum = v128.load(w + j);
    for (let t: usize = 1; t < <usize>threads; t++) sum = f32x4.add(sum, v128.load(w + t * bytes + j));
    const fresh = scalings(sum, damping, shift + j);
    const mass = v128.load(q + j);
    const live = f32x4.gt(mass, zero);
    smallest = f32x4.min(smallest, v128.bitselect(fresh, f32x4.splat(Infinity), live));
    largest = f32x4.max(largest, v128.and(fresh, live));
    v128.store(v + j, fresh);
    v128.store(qv + j, v128.and(f32x4.mul(mass, fresh), live));
  }
  f64.store(stats, 0);
  f64.store(stats, <f64>lanesMin(smallest), 8);
  f64.store(stats, <f64>lanesMax(largest), 16);
}

/** sums^-damping exp(shift), of four rows or columns. */
// @ts-ignore: decorator
@inline
function scalings(sums: v128, damping: f32, shift: usize): v128 {
  // Exact marginals (and penalties so large that their damping rounds to 1) need no logarithm; exp4(0) is exactly 1.
  if (damping == 1) return f32x4.div(exp4(v128.load(shift)), sums);
  let fresh = f32x4.splat(damped(f32x4.extract_lane(sums, 0), damping, f32.load(shift)));
  fresh = f32x4.replace_lane(fresh, 1, damped(f32x4.extract_lane(sums, 1), damping, f32.load(shift, 4)));
  fresh = f32x4.replace_lane(fresh, 2, damped(f32x4.extract_lane(sums, 2), damping, f32.load(shift, 8)));
  return f32x4.replace_lane(fresh, 3, damped(f32x4.extract_lane(sums, 3), damping, f32.load(shift, 12)));
}

// @ts-ignore: decorator
@inline
function damped(sum: f32, damping: f32, shift: f32): f32 {
  return Mathf.exp(shift - damping * Mathf.log(sum));
}

/** The four sums K_i . qv of a block of rows. */
// @ts-ignore: decorator
@inline
function rowProducts(row: usize, rowBytes: usize, qv: usize): v128 {
  const zero = f32x4.splat(0);
  // Four accumulators, not eight: with eight the engine runs out of registers.
  let a = zero, b = zero, c = zero, d = zero;
  const row1 = row + rowBytes;
  const row2 = row1 + rowBytes;
  const row3 = row2 + rowBytes;
  for (let j: usize = 0; j < rowBytes; j += 32) {
    let v = v128.load(qv + j);
    a = madd(v128.load(row + j), v, a);
    b = madd(v128.load(row1 + j), v, b);
    c = madd(v128.load(row2 + j), v, c);
    d = madd(v128.load(row3 + j), v, d);
    v = v128.load(qv + j, 16);
    a = madd(v128.load(row + j, 16), v, a);
    b = madd(v128.load(row1 + j, 16), v, b);
    c = madd(v128.load(row2 + j, 16), v, c);
    d = madd(v128.load(row3 + j, 16), v, d);
  }
  return laneSums(a, b, c, d);
}

/** to += sum over four rows of weight_i K_i. */
// @ts-ignore: decorator
@inline
function addRows(row: usize, rowBytes: usize, weights: v128, to: usize): void {
  const w0 = f32x4.splat(f32x4.extract_lane(weights, 0));
  const w1 = f32x4.splat(f32x4.extract_lane(weights, 1));
  const w2 = f32x4.splat(f32x4.extract_lane(weights, 2));
  const w3 = f32x4.splat(f32x4.extract_lane(weights, 3));
  const row1 = row + rowBytes;
  const row2 = row1 + rowBytes;
  const row3 = row2 + rowBytes;
  for (let j: usize = 0; j < rowBytes; j += 32) {
    let s0 = madd(v128.load(row + j), w0, v128.load(to + j));
    let s1 = madd(v128.load(row + j, 16), w0, v128.load(to + j, 16));
    s0 = madd(v128.load(row1 + j), w1, s0);
    s1 = madd(v128.load(row1 + j, 16), w1, s1);
    s0 = madd(v128.load(row2 + j), w2, s0);
    s1 = madd(v128.load(row2 + j, 16), w2, s1);
    s0 = madd(v128.load(row3 + j), w3, s0);
    s1 = madd(v128.load(row3 + j, 16), w3, s1);
    v128.store(to + j, s0);
    v128.store(to + j, s1, 16);
  }
}
