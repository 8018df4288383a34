import * as tf from '@tensorflow/tfjs';
import { type Graph, sizeOf, type Value } from '../graph';
import { broadcastTo, type Lazy, materialise, reshape, transpose, uniform, whole } from '../lazy';
import { axesOf, type Call, type Kernels } from './call';

/** Part of a tensor: `size[i]` entries from `begin[i]` on, `stride[i]` apart. */
export function slice(
  graph: Graph,
  x: Lazy,
  begin: readonly number[],
  size: readonly number[],
  stride: readonly number[] = begin.map(() => 1),
): Lazy {
  if (sizeOf(x.value.shape) === 1) return { value: x.value, shape: size };
  const source = materialise(graph, x);
  const axes = x.shape.flatMap((n, i) => (size[i] === n && stride[i] === 1 ? [] : [i]));
  if (axes.length === 0) return whole(source);
  const pick = (values: readonly number[]) => graph.integers(axes.map((axis) => values[axis]));
  const ends = begin.map((from, i) => {
    const end = from + (size[i] - 1) * stride[i] + Math.sign(stride[i]);
    return end < 0 ? -(x.shape[i] + 1) : end;
  });
  const inputs = [source, pick(begin), pick(ends), graph.integers(axes), pick(stride)];
  return whole(graph.node('Slice', inputs, size, source.dtype));
}

/** Tensors joined along an axis. */
export function concat(graph: Graph, parts: readonly Lazy[], axis: number): Lazy {
  const present = parts.filter((part) => sizeOf(part.shape) > 0);
  if (present.length === 1) return present[0];
  const [first] = present.length > 0 ? present : parts;
  const same = uniform(first.value);
  const shape = [...first.shape];
  shape[axis] = (present.length > 0 ? present : parts).reduce((sum, part) => sum + part.shape[axis], 0);
  if (present.length === 0) return { value: graph.scalar(0, first.value.dtype), shape };
  if (same !== undefined && present.every((part) => Object.is(uniform(part.value), same)))
    return { value: first.value, shape };
  const values = present.map((part) => materialise(graph, part));
  return whole(graph.node('Concat', values, shape, first.value.dtype, { axis }));
}

const list = (inputs: Readonly<Record<string, Lazy>>): Lazy[] => Object.values(inputs);

function pack({ graph, inputs, attributes }: Call): Lazy {
  const parts = list(inputs);
  const { length } = parts[0].shape;
  const axis = attributes.axis < 0 ? attributes.axis + length + 1 : attributes.axis;
  const shape = [...parts[0].shape.slice(0, axis), 1, ...parts[0].shape.slice(axis)];
  return concat(
    graph,
    parts.map((part) => reshape(graph, part, shape)),
    axis,
  );
}

function unpack({ graph, inputs: { value }, attributes }: Call): Lazy[] {
  const [axis] = axesOf(attributes.axis, value.shape.length);
  const shape = value.shape.filter((_, i) => i !== axis);
  return split(graph, value, Array(value.shape[axis]).fill(1), axis).map((part) => reshape(graph, part, shape));
}

/** Consecutive parts along an axis. */
function split(graph: Graph, x: Lazy, sizes: readonly number[], axis: number): Lazy[] {
  let at = 0;
  return sizes.map((size) => {
    const begin = x.shape.map((_, i) => (i === axis ? at : 0));
    at += size;
    return slice(
      graph,
      x,
      begin,
      x.shape.map((n, i) => (i === axis ? size : n)),
    );
  });
}

function splitV({ graph, inputs: { x }, attributes }: Call): Lazy[] {
  const [axis] = axesOf(attributes.axis, x.shape.length);
  const given: number | number[] = attributes.numOrSizeSplits;
  const known = Array.isArray(given) ? given.reduce((sum, n) => sum + Math.max(n, 0), 0) : 0;
  const sizes = Array.isArray(given)
    ? given.map((n) => (n < 0 ? x.shape[axis] - known : n))
    : Array(given).fill(x.shape[axis] / given);
  return split(graph, x, sizes, axis);
}

function tile({ graph, inputs: { x }, attributes }: Call): Lazy {
  const reps: number[] = attributes.reps;
  const shape = x.shape.map((n, i) => n * reps[i]);
  if (sizeOf(x.value.shape) === 1 || reps.every((r, i) => r === 1 || x.shape[i] === 1)) {
    return broadcastTo(graph, x, shape);
  }
  return whole(graph.node('Tile', [materialise(graph, x), graph.integers(reps)], shape, x.value.dtype));
}

function pad({ graph, inputs: { x }, attributes }: Call, mode: 'constant' | 'reflect'): Lazy {
  const paddings: [number, number][] = attributes.paddings;
  if (paddings.every(([before, after]) => before === 0 && after === 0)) return x;
  const shape = x.shape.map((n, i) => n + paddings[i][0] + paddings[i][1]);
  if (sizeOf(x.shape) === 0) return { value: graph.scalar(attributes.constantValue ?? 0, x.value.dtype), shape };
  const pads = graph.integers([...paddings.map((p) => p[0]), ...paddings.map((p) => p[1])]);
  const inputs: Value[] = [materialise(graph, x), pads];
  if (mode === 'constant') inputs.push(graph.scalar(attributes.constantValue ?? 0, x.value.dtype));
  return whole(graph.node('Pad', inputs, shape, x.value.dtype, { mode }));
}

function mirrorPad(call: Call): Lazy {
  if (call.attributes.mode !== 'reflect') throw new Error("mirrorPad mode 'symmetric' has no emitter");
  return pad(call, 'reflect');
}

function stridedSlice({ graph, inputs: { x }, attributes: a }: Call): Lazy {
  const masks = [a.beginMask, a.endMask, a.ellipsisMask, a.newAxisMask, a.shrinkAxisMask] as const;
  const info = tf.slice_util.sliceInfo([...x.shape], a.begin, a.end, a.strides, ...masks);
  const size = tf.slice_util.computeOutShape(info.begin, info.end, info.strides);
  return reshape(graph, slice(graph, x, info.begin, size, info.strides), info.finalShape);
}

/** Begin and size of every dimension; a size of -1 or none means the rest. */
function sliceOf({ shape }: Lazy, { begin, size }: Call['attributes']): { begin: number[]; size: number[] } {
  const from = shape.map((_, i) => [begin].flat()[i] ?? 0);
  const given = shape.map((_, i) => [size].flat()[i] ?? -1);
  return { begin: from, size: given.map((n, i) => (n === -1 ? shape[i] - from[i] : n)) };
}

function reverse({ graph, inputs: { x }, attributes }: Call): Lazy {
  const axes = axesOf(attributes.dims, x.shape.length);
  const begin = x.shape.map((n, i) => (axes.includes(i) ? n - 1 : 0));
  return slice(
    graph,
    x,
    begin,
    x.shape,
    x.shape.map((_, i) => (axes.includes(i) ? -1 : 1)),
  );
}

/** Kernels that rearrange entries. */
export const shapeKernels: Kernels = {
  Reshape: ({ graph, inputs: { x }, attributes }) => {
    const given: number[] = attributes.shape;
    const rest = sizeOf(x.shape) / sizeOf(given.filter((n) => n !== -1));
    return reshape(
      graph,
      x,
      given.map((n) => (n === -1 ? rest : n)),
    );
  },
  ExpandDims: ({ graph, inputs: { input }, attributes }) => {
    const { length } = input.shape;
    const at = attributes.dim < 0 ? attributes.dim + length + 1 : attributes.dim;
    return reshape(graph, input, [...input.shape.slice(0, at), 1, ...input.shape.slice(at)]);
  },
  Transpose: ({ graph, inputs: { x }, attributes }) => transpose(graph, x, attributes.perm),
  Slice: ({ graph, inputs: { x }, attributes }) => {
    const { begin, size } = sliceOf(x, attributes);
    return slice(graph, x, begin, size);
  },
  StridedSlice: stridedSlice,
  Concat: ({ graph, inputs, attributes }) => {
    const parts = list(inputs);
    return concat(graph, parts, axesOf(attributes.axis, parts[0].shape.length)[0]);
  },
  Pack: pack,
  Unpack: unpack,
  SplitV: splitV,
  Tile: tile,
  PadV2: (call) => pad(call, 'constant'),
  MirrorPad: mirrorPad,
  Reverse: reverse,
};
