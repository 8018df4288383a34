// Building the matrix: squared distances in float64, then exponents relative to potentials, stored in float32. The large
// parts of cost and potential cancel in float64, so that the entries that carry mass keep the full precision of float32.
import { exp4, laneSums, madd, madd64 } from './simd';

/**
 * Squared distances of `rows` x `columns` points, all float64 with `depth` (even, zero-padded) numbers each, to
 * `out` (float64, `stride` entries per row). Differences, not the expanded square: no cancellation.
 */
export function costBlock(
  x: usize,
  rows: i32,
  y: usize,
  columns: i32,
  depth: i32,
  out: usize,
  stride: i32,
): void {
  const bytes: usize = (<usize>depth) << 3;
  const outBytes: usize = (<usize>stride) << 3;
  const zero = f64x2.splat(0);
  let i = 0;
  for (; i + 2 <= rows; i += 2) {
    const x0 = x + <usize>i * bytes;
    const to = out + <usize>i * outBytes;
    let j = 0;
    for (; j + 4 <= columns; j += 4) {
      const y0 = y + <usize>j * bytes;
      let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
      let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
      for (let k: usize = 0; k < bytes; k += 16) {
        const p = v128.load(x0 + k);
        const q = v128.load(x0 + bytes + k);
        let z = v128.load(y0 + k);
        let d = f64x2.sub(p, z);
        a0 = madd64(d, d, a0);
        d = f64x2.sub(q, z);
        b0 = madd64(d, d, b0);
        z = v128.load(y0 + bytes + k);
        d = f64x2.sub(p, z);
        a1 = madd64(d, d, a1);
        d = f64x2.sub(q, z);
        b1 = madd64(d, d, b1);
        z = v128.load(y0 + 2 * bytes + k);
        d = f64x2.sub(p, z);
        a2 = madd64(d, d, a2);
        d = f64x2.sub(q, z);
        b2 = madd64(d, d, b2);
        z = v128.load(y0 + 3 * bytes + k);
        d = f64x2.sub(p, z);
        a3 = madd64(d, d, a3);
        d = f64x2.sub(q, z);
        b3 = madd64(d, d, b3);
      }
      const at = to + ((<usize>j) << 3);
      storePair(at, a0, a1);
      storePair(at + 16, a2, a3);
      storePair(at + outBytes, b0, b1);
      storePair(at + outBytes + 16, b2, b3);
    }
    for (; j < columns; j++) {
      const y0 = y + <usize>j * bytes;
      f64.store(to + ((<usize>j) << 3), squaredDistance(x0, y0, bytes));
      f64.store(to + outBytes + ((<usize>j) << 3), squaredDistance(x0 + bytes, y0, bytes));
    }
  }
  for (; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = out + <usize>i * outBytes + ((<usize>j) << 3);
      f64.store(at, squaredDistance(x + <usize>i * bytes, y + <usize>j * bytes, bytes));
    }
  }
}

/** Dimensions that are summed in float32 before they join the float64 total. */
const CHUNK: i32 = 64;

/**
 * The same for many dimensions, twice as fast: points are float32 (exactly as given; `depth` a multiple of 4), squares are summed
 * in float32 over 64 dimensions at a time and these sums in float64. Relative error of a distance about 5e-8.
 */
export function costBlockWide(
  x: usize,
  rows: i32,
  y: usize,
  columns: i32,
  depth: i32,
  out: usize,
  stride: i32,
): void {
  const bytes: usize = (<usize>depth) << 2;
  const outBytes: usize = (<usize>stride) << 3;
  const zero = f32x4.splat(0);
  for (let i = 0; i < rows; i += 2) {
    // An odd last row, and the last columns, are computed twice rather than by code of their own.
    const pair: usize = i + 1 < rows ? bytes : 0;
    const outPair: usize = i + 1 < rows ? outBytes : 0;
    const x0 = x + <usize>i * bytes;
    const to = out + <usize>i * outBytes;
    for (let j = 0; j < columns; j += 4) {
      const y0 = y + <usize>j * bytes;
      const s1: usize = min(1, columns - 1 - j);
      const s2: usize = min(2, columns - 1 - j);
      const s3: usize = min(3, columns - 1 - j);
      const y1 = y0 + s1 * bytes;
      const y2 = y0 + s2 * bytes;
      const y3 = y0 + s3 * bytes;
      let t0 = f64x2.splat(0), t1 = t0, t2 = t0, t3 = t0;
      for (let from = 0; from < depth; from += CHUNK) {
        const end = (<usize>min(from + CHUNK, depth)) << 2;
        let a0 = zero, a1 = zero, a2 = zero, a3 = zero;
        let b0 = zero, b1 = zero, b2 = zero, b3 = zero;
        for (let k = (<usize>from) << 2; k < end; k += 16) {
          const p = v128.load(x0 + k);
          const q = v128.load(x0 + pair + k);
          let z = v128.load(y0 + k);
          let d = f32x4.sub(p, z);
          a0 = madd(d, d, a0);
          d = f32x4.sub(q, z);
          b0 = madd(d, d, b0);
          z = v128.load(y1 + k);
          d = f32x4.sub(p, z);
          a1 = madd(d, d, a1);
          d = f32x4.sub(q, z);
          b1 = madd(d, d, b1);
          z = v128.load(y2 + k);
          d = f32x4.sub(p, z);
          a2 = madd(d, d, a2);
          d = f32x4.sub(q, z);
          b2 = madd(d, d, b2);
          z = v128.load(y3 + k);
          d = f32x4.sub(p, z);
          a3 = madd(d, d, a3);
          d = f32x4.sub(q, z);
          b3 = madd(d, d, b3);
        }
        const a = laneSums(a0, a1, a2, a3);
        const b = laneSums(b0, b1, b2, b3);
        t0 = f64x2.add(t0, f64x2.promote_low_f32x4(a));
        t1 = f64x2.add(t1, f64x2.promote_low_f32x4(v128.shuffle<f64>(a, a, 1, 1)));
        t2 = f64x2.add(t2, f64x2.promote_low_f32x4(b));
        t3 = f64x2.add(t3, f64x2.promote_low_f32x4(v128.shuffle<f64>(b, b, 1, 1)));
      }
      const at = to + ((<usize>j) << 3);
      storeRow(at, t0, t1, s1, s2, s3);
      storeRow(at + outPair, t2, t3, s1, s2, s3);
    }
  }
}

// @ts-ignore: decorator
@inline
function storeRow(at: usize, low: v128, high: v128, s1: usize, s2: usize, s3: usize): void {
  f64.store(at, f64x2.extract_lane(low, 0));
  f64.store(at + 8 * s1, s1 == 1 ? f64x2.extract_lane(low, 1) : f64x2.extract_lane(low, 0));
  if (s2 == 2) f64.store(at, f64x2.extract_lane(high, 0), 16);
  if (s3 == 3) f64.store(at, f64x2.extract_lane(high, 1), 24);
}

// @ts-ignore: decorator
@inline
function storePair(at: usize, a: v128, b: v128): void {
  v128.store(at, f64x2.add(v128.shuffle<f64>(a, b, 0, 2), v128.shuffle<f64>(a, b, 1, 3)));
}

// @ts-ignore: decorator
@inline
function squaredDistance(x: usize, y: usize, bytes: usize): f64 {
  let sum = f64x2.splat(0);
  for (let k: usize = 0; k < bytes; k += 16) {
    const d = f64x2.sub(v128.load(x + k), v128.load(y + k));
    sum = madd64(d, d, sum);
  }
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/**
 * Turns `rows` rows of float64 costs into rows of the matrix: E_ij = (f_i + g_j - C_ij) / epsilon, stored as E (log form)
 * or exp(E). With `normalise`, f_i is first set to min_j (C_ij - g_j) over the columns with mass, so that the largest
 * entry of each row is exp(0) whatever the potentials were. `stride` (multiple of 8) entries per row on both sides;
 * the caller keeps `g` at -Infinity in the padding, and `gLive` (used for the minimum) at columns without mass too; costs
 * in the padding may be any finite numbers.
 */
export function finishRows(
  cost: usize,
  rows: i32,
  stride: i32,
  f: usize,
  g: usize,
  gLive: usize,
  epsilon: f64,
  matrix: usize,
  normalise: i32,
  logForm: i32,
): void {
  const scale = f64x2.splat(1 / epsilon);
  const ceiling = f64x2.splat(80);
  const floor = f64x2.splat(-1e30);
  for (let i = 0; i < rows; i++) {
    const from = cost + (((<usize>i) * <usize>stride) << 3);
    const to = matrix + (((<usize>i) * <usize>stride) << 2);
    if (normalise) {
      let best0 = f64x2.splat(-Infinity);
      let best1 = best0;
      for (let j: usize = 0; j < (<usize>stride) << 3; j += 32) {
        best0 = f64x2.pmax(best0, f64x2.sub(v128.load(gLive + j), v128.load(from + j)));
        best1 = f64x2.pmax(best1, f64x2.sub(v128.load(gLive + j, 16), v128.load(from + j, 16)));
      }
      const best = f64x2.pmax(best0, best1);
      f64.store(f + ((<usize>i) << 3), -max(f64x2.extract_lane(best, 0), f64x2.extract_lane(best, 1)));
    }
    const offset = f64x2.splat(f64.load(f + ((<usize>i) << 3)));
    for (let j = 0; j < stride; j += 4) {
      const at = (<usize>j) << 3;
      const low = exponent(offset, v128.load(g + at), v128.load(from + at), scale, floor, ceiling);
      const high = exponent(offset, v128.load(g + at, 16), v128.load(from + at, 16), scale, floor, ceiling);
      const pair = v128.shuffle<f32>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 1, 4, 5);
      v128.store(to + ((<usize>j) << 2), logForm ? pair : exp4(pair));
    }
  }
}

// @ts-ignore: decorator
@inline
function exponent(f: v128, g: v128, cost: v128, scale: v128, floor: v128, ceiling: v128): v128 {
  return f64x2.pmin(f64x2.pmax(f64x2.mul(f64x2.sub(f64x2.add(f, g), cost), scale), floor), ceiling);
}
