// The yardstick of the benchmark: reading memory as fast as one thread of WebAssembly can.

/** Sum of `count` floats (a multiple of 32) at `from`: eight independent accumulators, nothing but loads and adds. */
export function streamSum(from: usize, count: i32): f32 {
  const zero = f32x4.splat(0);
  let a = zero, b = zero, c = zero, d = zero, e = zero, f = zero, g = zero, h = zero;
  const end = from + ((<usize>count) << 2);
  for (let at = from; at < end; at += 128) {
    a = f32x4.add(a, v128.load(at));
    b = f32x4.add(b, v128.load(at, 16));
    c = f32x4.add(c, v128.load(at, 32));
    d = f32x4.add(d, v128.load(at, 48));
    e = f32x4.add(e, v128.load(at, 64));
    f = f32x4.add(f, v128.load(at, 80));
    g = f32x4.add(g, v128.load(at, 96));
    h = f32x4.add(h, v128.load(at, 112));
  }
  a = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  return f32x4.extract_lane(a, 0) + f32x4.extract_lane(a, 1) + f32x4.extract_lane(a, 2) + f32x4.extract_lane(a, 3);
}
