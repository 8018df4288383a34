import * as tf from '@tensorflow/tfjs';
import { key, uniform } from '../../src/runtime/random';

/** A small program: its arguments and what it computes. */
export interface Program {
  text: string;
  inputs: Record<string, tf.Tensor>;
  fn: (inputs: Record<string, tf.Tensor>) => tf.Tensor;
}
/** One step: its text and what it makes of a tensor. */
type Step = [text: string, fn: (x: tf.Tensor) => tf.Tensor];

const UNARY = ['tanh', 'sigmoid', 'sin', 'neg', 'abs', 'square', 'relu', 'softplus', 'elu', 'erf'] as const;
const INTEGER = ['floorDiv', 'mod', 'add', 'sub', 'mul', 'maximum', 'minimum'] as const;

/**
 * The program of a seed: up to five steps on arrays of rank 0 to 5 with sides 0 to 3, of float32 or int32.
 * Batched products have equal batches: tfjs' gradient of broadcast ones is wrong. Resizing is left out for the same reason (the
 * gradient of nearest over a batch, of bilinear with half pixels); `kernels.test.ts` holds both to values of their own.
 */
export function randomProgram(seed: number): Program {
  const draws = uniform(key(seed), 400);
  let at = 0;
  const below = (n: number) => Math.floor(draws[at++] * n);
  const pick = <T>(list: readonly T[]): T => list[below(list.length)];
  const sizeOf = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const numbers = (shape: readonly number[]) =>
    Float32Array.from(uniform(key(1_000_003 * seed + at++), sizeOf(shape), -2, 2));
  const shape = Array.from({ length: below(6) }, () => pick([1, 2, 3, 2, 3, 0]));
  const integer = below(4) === 0;

  /** A shape that broadcasts with `to`. */
  const partner = (to: number[]) => to.slice(below(to.length + 1)).map((n) => (below(3) === 0 ? 1 : n));
  const axesOf = ({ length }: number[]) => [...Array(length).keys()].filter(() => below(2) === 0);
  const orderOf = ({ length }: number[]) => {
    const left = [...Array(length).keys()];
    return Array.from({ length }, () => left.splice(below(left.length), 1)[0]);
  };

  function step(given: number[], whole: boolean): Step {
    const rank = given.length;
    const moves: (() => Step | undefined)[] = [
      () => {
        const perm = orderOf(given);
        return [`transpose [${perm}]`, (x) => tf.transpose(x, perm)];
      },
      () => ['squeeze', (x) => tf.squeeze(x)],
      () => {
        const axis = below(rank + 1);
        return rank < 5 ? [`expandDims ${axis}`, (x) => tf.expandDims(x, axis)] : undefined;
      },
      () => ['reshape [size]', (x) => tf.reshape(x, [x.size])],
      () => {
        const [axes, keep, op] = [axesOf(given), below(2) === 0, pick(['sum', 'mean', 'max', 'min'] as const)];
        const none = axes.some((axis) => given[axis] === 0);
        const used = none ? 'sum' : op;
        return [`${used} [${axes}]${keep ? ' kept' : ''}`, (x) => x[used](axes, keep)];
      },
      () => {
        const begin = given.map((n) => below(n + 1));
        const size = given.map((n, i) => below(n - begin[i] + 1));
        return [`slice [${begin}] [${size}]`, (x) => tf.slice(x, begin, size)];
      },
      () => {
        const masks = Array.from({ length: 2 }, () => below(1 << rank));
        const [begin, end] = [given.map((n) => below(n + 1)), given.map((n) => below(n + 1))];
        const strides = given.map(() => pick([1, 2, -1]));
        const fn = (x: tf.Tensor) => tf.stridedSlice(x, begin, end, strides, masks[0], masks[1]);
        return whole && rank > 0 ? [`stridedSlice [${begin}] [${end}] [${strides}] ${masks}`, fn] : undefined;
      },
      () => {
        const axis = below(rank);
        return rank > 0 ? [`concat ${axis}`, (x) => tf.concat([x, x], axis)] : undefined;
      },
      () => (rank < 5 ? ['stack', (x) => tf.stack([x, x], 0)] : undefined),
      () =>
        rank > 0 && rank < 5
          ? [
              'tile',
              (x) =>
                tf.tile(
                  x,
                  given.map((_, i) => 1 + (i % 2)),
                ),
            ]
          : undefined,
      () =>
        rank > 0 && rank < 5
          ? [
              'pad',
              (x) =>
                tf.pad(
                  x,
                  given.map((_, i) => [i % 2, 1] as [number, number]),
                ),
            ]
          : undefined,
      () => {
        const axes = axesOf(given);
        return rank > 0 ? [`reverse [${axes}]`, (x) => tf.reverse(x, axes)] : undefined;
      },
      () => {
        const axis = below(rank);
        const rows =
          rank > 0 && given[axis] > 0 ? Array.from({ length: below(4) }, () => below(given[axis])) : undefined;
        return rows && [`gather [${rows}] ${axis}`, (x) => tf.gather(x, tf.tensor1d(rows, 'int32'), axis)];
      },
    ];
    const floats: (() => Step | undefined)[] = [
      () => {
        const op = pick(UNARY);
        return [op, (x) => x[op]()];
      },
      () => {
        const [op, other] = [pick(['add', 'sub', 'mul', 'maximum'] as const), partner(given)];
        const values = below(4) === 0 ? new Float32Array(sizeOf(other)).fill(pick([0, -0, 1, 2, -1])) : numbers(other);
        const left = below(2) === 0;
        const fn = (x: tf.Tensor) => (left ? x[op](tf.tensor(values, other)) : tf.tensor(values, other)[op](x));
        return [`${op} [${other}]`, fn];
      },
      () => {
        const divisor = numbers([1])[0] + 3;
        return [`div ${divisor}`, (x) => tf.div(x, divisor)];
      },
      () => {
        const [p, q] = pick([
          [true, false],
          [false, true],
        ] as const);
        return rank > 1 ? [`matMul ${p} ${q}`, (x) => tf.matMul(x, x, p, q)] : undefined;
      },
      () => (rank > 0 ? ['softmax', (x) => tf.softmax(x)] : undefined),
      () => (rank > 0 ? ['cumsum', (x) => tf.cumsum(x, rank - 1)] : undefined),
    ];
    const integers: (() => Step | undefined)[] = [
      () => {
        const [op, other] = [pick(INTEGER), partner(given)];
        const values = Int32Array.from(numbers(other), (n) => Math.round(3 * n));
        return [`${op} [${other}] of int32`, (x) => x[op](tf.tensor(values, other, 'int32'))];
      },
      () => (rank < 5 ? ['oneHot', (x) => tf.oneHot(x as tf.Tensor1D, 3)] : undefined),
      () => ['square', (x) => tf.square(x)],
    ];
    for (;;) {
      const found = pick(below(2) === 0 ? moves : whole ? integers : floats)();
      if (found) return found;
    }
  }

  const values = numbers(shape);
  const x = integer
    ? tf.tensor(
        Int32Array.from(values, (n) => Math.round(5 * n)),
        shape,
        'int32',
      )
    : tf.tensor(values, shape);
  const steps: Step[] = [];
  tf.tidy(() => {
    let current = x;
    // Beyond 2^31 integers wrap in eager, where they are float64 on the way; a step at most squares a number and adds 200 of them.
    const small = () => current.dtype === 'float32' || current.dataSync().every((n) => Math.abs(n) < 1000);
    for (let count = 1 + below(5); steps.length < count && current.size < 200 && small(); ) {
      const next = step(current.shape, current.dtype !== 'float32');
      steps.push(next);
      current = next[1](current);
    }
  });
  const run = (given: tf.Tensor) => steps.reduce((value, [, fn]) => fn(value), given);
  // The weight makes every entry count differently in the gradient.
  const weighted = (given: tf.Tensor) => {
    const y = run(given);
    return tf.sum(
      tf.mul(y, tf.reshape(tf.tensor1d(Float32Array.from({ length: y.size }, (_, i) => Math.cos(i))), y.shape)),
    );
  };
  const gradient = !integer && below(2) === 0;
  const text = `${gradient ? 'gradient of ' : ''}${integer ? 'int32' : 'float32'} [${shape}]: ${steps.map(([t]) => t).join(' | ')}`;
  return { text, inputs: { x }, fn: ({ x: given }) => (gradient ? tf.grad((y) => weighted(y))(given) : run(given)) };
}
