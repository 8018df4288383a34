import type { ElementArray } from './tensor-record';

/** The strides of a row-major tensor of a shape, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

/** Whether a non-empty view reads its elements in memory order without gaps (strides of axes of length 1 are free). */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  const row = contiguousStrides(shape);
  return shape.every((side, axis) => side === 1 || strides[axis] === row[axis]);
}

/** The last element that a non-empty view touches, counted from its first. */
export function lastElement(shape: readonly number[], strides: readonly number[]): number {
  return shape.reduce((sum, side, axis) => sum + (side - 1) * strides[axis], 0);
}

/** The elements of a view in row-major order. `from` begins with the view's first element. */
export function gather<T extends ElementArray>(from: T, shape: readonly number[], strides: readonly number[]): T {
  const count = shape.reduce((product, side) => product * side, 1);
  const out = new (from.constructor as new (length: number) => T)(count);
  const index = new Array<number>(shape.length).fill(0);
  const last = shape.length - 1;
  let at = 0;
  for (let i = 0; i < count; i++) {
    out[i] = from[at];
    for (let axis = last; axis >= 0; axis--) {
      at += strides[axis];
      index[axis]++;
      if (index[axis] < shape[axis]) break;
      at -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}
