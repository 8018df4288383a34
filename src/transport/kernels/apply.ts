// The plan at work: (K values) for many columns of values, K row-major float32 as the solver builds it.
import { madd } from './simd';

/** Rows of values that are summed before they join the total: they stay in the cache, and float32 rounding stays small. */
const PANEL: i32 = 256;

/**
 * out_i = sum_j K_ij values_j for rows `start` .. `end` (multiples of 4): `values` [stride, width] and `out` [rows, width]
 * float32, `width` a multiple of 8. Four rows by eight columns stay in registers.
 */
export function applyRows(
  matrix: usize,
  stride: i32,
  start: i32,
  end: i32,
  values: usize,
  width: i32,
  out: usize,
): void {
  const rowBytes: usize = (<usize>stride) << 2;
  const widthBytes: usize = (<usize>width) << 2;
  memory.fill(out + <usize>start * widthBytes, 0, <usize>(end - start) * widthBytes);
  for (let first = 0; first < stride; first += PANEL) {
    const from = (<usize>first) << 2;
    const to = (<usize>min(first + PANEL, stride)) << 2;
    for (let i = start; i < end; i += 4) {
      const row = matrix + <usize>i * rowBytes;
      for (let k: usize = 0; k < widthBytes; k += 32) {
        applyBlock(row, rowBytes, from, to, values + <usize>first * widthBytes + k, widthBytes, out + <usize>i * widthBytes + k);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function applyBlock(row: usize, rowBytes: usize, from: usize, to: usize, values: usize, widthBytes: usize, out: usize): void {
  const zero = f32x4.splat(0);
  let a0 = zero, a1 = zero, b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero;
  for (let j = from; j < to; j += 4) {
    const v0 = v128.load(values);
    const v1 = v128.load(values, 16);
    let p = v128.load32_splat(row + j);
    a0 = madd(p, v0, a0);
    a1 = madd(p, v1, a1);
    p = v128.load32_splat(row + rowBytes + j);
    b0 = madd(p, v0, b0);
    b1 = madd(p, v1, b1);
    p = v128.load32_splat(row + 2 * rowBytes + j);
    c0 = madd(p, v0, c0);
    c1 = madd(p, v1, c1);
    p = v128.load32_splat(row + 3 * rowBytes + j);
    d0 = madd(p, v0, d0);
    d1 = madd(p, v1, d1);
    values += widthBytes;
  }
  addPair(out, a0, a1);
  addPair(out + widthBytes, b0, b1);
  addPair(out + 2 * widthBytes, c0, c1);
  addPair(out + 3 * widthBytes, d0, d1);
}

// @ts-ignore: decorator
@inline
function addPair(at: usize, low: v128, high: v128): void {
  v128.store(at, f32x4.add(v128.load(at), low));
  v128.store(at, f32x4.add(v128.load(at, 16), high), 16);
}
