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
  const [first] = present;
  const same = uniform(first.value);
  const shape = [...first.shape];
  shape[axis] = present.reduce((sum, part) => sum + part.shape[axis], 0);
  if (same !== undefined && present.every((part) => uniform(part.value) === same)) return { value: first.value, shape };
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
  if (a.ellipsisMask || a.newAxisMask) throw new Error('stridedSlice with an ellipsis or new axis has no emitter');
  const size: number[] = [];
  const begin = x.shape.map((n, i) => {
    const step = a.strides[i];
    const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + n : at, step > 0 ? 0 : -1), step > 0 ? n : n - 1);
    const from = a.beginMask & (1 << i) ? (step > 0 ? 0 : n - 1) : clamp(a.begin[i]);
    const single = a.shrinkAxisMask & (1 << i);
    const to = single ? from + 1 : a.endMask & (1 << i) ? (step > 0 ? n : -1) : clamp(a.end[i]);
    size.push(Math.max(0, Math.ceil((to - from) / step)));
    return from;
  });
  const shape = size.filter((_, i) => !(a.shrinkAxisMask & (1 << i)));
  return reshape(graph, slice(graph, x, begin, size, a.strides), shape);
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
    const begin: number[] = x.shape.map((_, i) => attributes.begin[i] ?? 0);
    const size = x.shape.map((n, i) => ((attributes.size[i] ?? -1) === -1 ? n - begin[i] : attributes.size[i]));
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
