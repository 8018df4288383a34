import * as tf from '@tensorflow/tfjs';

const f32 = Math.fround;
/** a b + c with one rounding: the product of two float32 numbers is exact in float64. */
const multiplyAdd = (a: number, b: number, c: number) => f32(a * b + c);

/** Steps of the training process, whose numbers have features. */
const STEPS = 1000;
const tables = new Map<number, Float32Array>();

/**
 * Sinusoidal features of original step numbers `[rows]`, int32 from 0 to 999: cosines then sines, frequencies 1 .. 1e-4,
 * `[rows, count]`. Looked up, since a step number is one of a thousand and sines are slow.
 */
export function timestepFeatures(steps: tf.Tensor1D, count = 256): tf.Tensor2D {
  let table = tables.get(count);
  if (!table) {
    table = featuresOfAllSteps(count / 2);
    tables.set(count, table);
  }
  return tf.gather(tf.tensor2d(table, [STEPS, count]), steps);
}

/** Angles are float32 products, as the reference makes them. */
function featuresOfAllSteps(half: number): Float32Array {
  const scales = frequencies(half);
  const table = new Float32Array(STEPS * 2 * half);
  for (let step = 0; step < STEPS; step++) {
    for (let i = 0; i < half; i++) {
      const angle = f32(step * scales[i]);
      table[2 * half * step + i] = Math.cos(angle);
      table[2 * half * step + half + i] = Math.sin(angle);
    }
  }
  return table;
}

/** exp(-ln(10000) i / half) with every operation in float32, as the reference makes them. */
function frequencies(half: number): Float32Array {
  const scale = f32(-Math.log(10000));
  return Float32Array.from({ length: half }, (_, i) => exponential(f32(f32(scale * i) / half)));
}

/**
 * exp(x) in float32 by the method of the SLEEF library, which PyTorch uses on a CPU: x = q ln 2 + s, then a polynomial in s.
 * It differs in the last digit from the correctly rounded value for a few frequencies; at step 999 that moves a sinusoid
 * by 3e-5, which was the largest difference left from the reference.
 */
function exponential(x: number): number {
  const q = Math.round(f32(x * f32(Math.LOG2E)));
  const s = multiplyAdd(q, -f32(1.428606765330187e-6), multiplyAdd(q, -f32(0.693145751953125), x));
  const coefficients = [1.9852761761285365e-4, 1.3930435525253415e-3, 8.333360776305199e-3, 0.041666485369205475];
  const polynomial = [...coefficients, 0.1666666716337204, 0.5].reduce((sum, c) => multiplyAdd(sum, s, f32(c)), 0);
  return f32(f32(1 + multiplyAdd(f32(s * s), polynomial, s)) * 2 ** q);
}
