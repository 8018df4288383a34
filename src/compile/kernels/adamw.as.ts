// AssemblyScript, compiled to WebAssembly with SIMD. All arrays are float32 in the imported memory, 16-byte aligned, their
// lengths multiples of four. ./../update-kernel.ts has the same functions in TypeScript.

/** Sum of squares, accumulated in float64 so that it neither overflows nor loses small terms. */
export function sumOfSquares(at: usize, count: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const end = at + (<usize>count << 2);
  while (at < end) {
    const x = v128.load(at);
    const a = f64x2.promote_low_f32x4(x);
    const b = f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
    at += 16;
  }
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** `target = (target + source) * factor`; the sum of squares of the result. */
export function combine(target: usize, source: usize, count: i32, factor: f32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const factors = f32x4.splat(factor);
  const bytes = <usize>count << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.mul(f32x4.add(v128.load(target + i), v128.load(source + i)), factors);
    v128.store(target + i, x);
    const a = f64x2.promote_low_f32x4(x);
    const b = f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const sum = f64x2.add(low, high);
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
}

/** One AdamW update and one step of the moving average, in place, reading each array once. */
export function adamw(
  weights: usize,
  gradients: usize,
  first: usize,
  second: usize,
  average: usize,
  count: i32,
  clip: f32,
  keep: f32,
  beta1: f32,
  beta2: f32,
  stepSize: f32,
  inverseRootCorrection: f32,
  epsilon: f32,
  emaRate: f32,
): void {
  const clips = f32x4.splat(clip);
  const keeps = f32x4.splat(keep);
  const decay1 = f32x4.splat(beta1);
  const decay2 = f32x4.splat(beta2);
  const fresh1 = f32x4.splat(<f32>(1.0 - <f64>beta1));
  const fresh2 = f32x4.splat(<f32>(1.0 - <f64>beta2));
  const size = f32x4.splat(stepSize);
  const correction = f32x4.splat(inverseRootCorrection);
  const tiny = f32x4.splat(epsilon);
  const stay = f32x4.splat(emaRate);
  const move = f32x4.splat(<f32>(1.0 - <f64>emaRate));
  const bytes = <usize>count << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const g = f32x4.mul(v128.load(gradients + i), clips);
    const m = f32x4.add(f32x4.mul(decay1, v128.load(first + i)), f32x4.mul(fresh1, g));
    const v = f32x4.add(f32x4.mul(decay2, v128.load(second + i)), f32x4.mul(fresh2, f32x4.mul(g, g)));
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(v), correction), tiny);
    const w = f32x4.sub(f32x4.mul(v128.load(weights + i), keeps), f32x4.div(f32x4.mul(size, m), denominator));
    v128.store(first + i, m);
    v128.store(second + i, v);
    v128.store(weights + i, w);
    v128.store(average + i, f32x4.add(f32x4.mul(stay, v128.load(average + i)), f32x4.mul(move, w)));
  }
}
