// The log domain: the matrix holds exponents, each iteration takes one exponential per entry (not two): the row's
// exponentials, relative to its maximum, serve its own sum and then, divided by it, the column sums.
import { exp4, lanesMax, lanesSum, madd } from './simd';

/**
 * Rows `start` .. `end` of an iteration phi = -damping log sum_j q_j exp(E_ij + gamma_j) + shift, w_j = sum_i r_i exp(E_ij + gamma_j + phi_i).
 * `gamma` is -1e30 in columns without mass and in the padding. `row` is a private buffer of `stride` floats, `w` private too.
 * `stats`: [error, smallest phi, largest phi] over rows with mass.
 */
export function logPass(
  matrix: usize,
  stride: i32,
  start: i32,
  end: i32,
  gamma: usize,
  q: usize,
  phi: usize,
  r: usize,
  a: usize,
  shift: usize,
  damping: f32,
  w: usize,
  row: usize,
  stats: usize,
): void {
  const rowBytes: usize = (<usize>stride) << 2;
  memory.fill(w, 0, rowBytes);
  let error: f64 = 0;
  let smallest: f64 = Infinity;
  let largest: f64 = -Infinity;
  for (let i = start; i < end; i++) {
    const at = (<usize>i) << 2;
    const from = matrix + <usize>i * rowBytes;
    let best = f32x4.splat(-Infinity);
    for (let j: usize = 0; j < rowBytes; j += 16) {
      const exponent = f32x4.add(v128.load(from + j), v128.load(gamma + j));
      v128.store(row + j, exponent);
      best = f32x4.pmax(best, exponent);
    }
    const top = lanesMax(best);
    const offset = f32x4.splat(top);
    let sum0 = f32x4.splat(0);
    let sum1 = f32x4.splat(0);
    for (let j: usize = 0; j < rowBytes; j += 32) {
      const e0 = exp4(f32x4.sub(v128.load(row + j), offset));
      const e1 = exp4(f32x4.sub(v128.load(row + j, 16), offset));
      v128.store(row + j, e0);
      v128.store(row + j, e1, 16);
      sum0 = madd(e0, v128.load(q + j), sum0);
      sum1 = madd(e1, v128.load(q + j, 16), sum1);
    }
    const sum: f64 = <f64>lanesSum(f32x4.add(sum0, sum1));
    const old: f64 = <f64>f32.load(phi + at);
    const fresh: f64 = <f64>f32.load(shift + at) - <f64>damping * (<f64>top + Math.log(sum));
    f32.store(phi + at, <f32>fresh);
    const mass = f32.load(r + at);
    if (mass > 0) {
      error += <f64>f32.load(a + at) * abs(Math.exp(min<f64>(old - fresh, 700)) - 1);
      smallest = min(smallest, fresh);
      largest = max(largest, fresh);
      const weight = f32x4.splat(<f32>(<f64>mass * Math.exp(min<f64>(fresh + <f64>top, 80))));
      for (let j: usize = 0; j < rowBytes; j += 16) {
        v128.store(w + j, madd(v128.load(row + j), weight, v128.load(w + j)));
      }
    }
  }
  f64.store(stats, error);
  f64.store(stats, smallest, 8);
  f64.store(stats, largest, 16);
}

/**
 * gamma_j = damping (gamma_j - log w_j) + shift_j for columns with mass (with the old gamma inside w). Columns whose sum
 * left the range of float32 are summed again from the matrix, relative to their own maximum.
 */
export function logColumnStep(
  matrix: usize,
  n: i32,
  w: usize,
  threads: i32,
  stride: i32,
  q: usize,
  phi: usize,
  r: usize,
  shift: usize,
  damping: f32,
  gamma: usize,
  stats: usize,
): void {
  const bytes: usize = (<usize>stride) << 2;
  let smallest: f64 = Infinity;
  let largest: f64 = -Infinity;
  for (let j = 0; j < stride; j++) {
    const at = (<usize>j) << 2;
    if (!(f32.load(q + at) > 0)) continue;
    let sum: f64 = 0;
    for (let t: usize = 0; t < <usize>threads; t++) sum += <f64>f32.load(w + t * bytes + at);
    let log: f64;
    if (sum > 1e-25 && sum < 1e25) log = Math.log(sum) - <f64>f32.load(gamma + at);
    else log = columnLogSum(matrix + at, bytes, n, phi, r);
    const fresh: f64 = <f64>f32.load(shift + at) - <f64>damping * log;
    f32.store(gamma + at, <f32>fresh);
    smallest = min(smallest, fresh);
    largest = max(largest, fresh);
  }
  f64.store(stats, 0);
  f64.store(stats, smallest, 8);
  f64.store(stats, largest, 16);
}

/** log sum_i r_i exp(E_ij + phi_i) of one column. */
function columnLogSum(column: usize, rowBytes: usize, n: i32, phi: usize, r: usize): f64 {
  let top: f64 = -Infinity;
  for (let i = 0; i < n; i++) {
    const at = (<usize>i) << 2;
    if (f32.load(r + at) > 0) top = max(top, <f64>f32.load(column + <usize>i * rowBytes) + <f64>f32.load(phi + at));
  }
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) {
    const at = (<usize>i) << 2;
    const mass: f64 = <f64>f32.load(r + at);
    if (mass > 0) sum += mass * Math.exp(<f64>f32.load(column + <usize>i * rowBytes) + <f64>f32.load(phi + at) - top);
  }
  return top + Math.log(sum);
}
