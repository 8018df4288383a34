import { type Graph, sizeOf } from '../graph';
import { aligned, elementwise, type Lazy, materialise, reshape, reshapeValue, whole } from '../lazy';
import { axesOf, type Call, dtypeOf, type Kernels } from './call';
import { arithmetic, cast, number, select } from './elementwise';

/** Rows of `x` along `axis`; with batch dimensions the indices are shifted so that one plain gather serves. */
function gather({ graph, inputs: { x, indices }, attributes }: Call): Lazy {
  const [axis] = axesOf(attributes.axis ?? 0, x.shape.length);
  const batchDims: number = attributes.batchDims ?? 0;
  const source = materialise(graph, x);
  const index = materialise(graph, cast(graph, indices, 'int32'));
  if (batchDims === 0) {
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return whole(graph.node('Gather', [source, index], shape, source.dtype, { axis }));
  }
  if (axis !== batchDims) throw new Error('gather with batchDims other than axis has no emitter');
  const batch = x.shape.slice(0, batchDims);
  const count = sizeOf(batch);
  const rows = x.shape[axis];
  const inner = x.shape.slice(axis + 1);
  const flat = reshapeValue(graph, source, [count * rows, ...inner]);
  const offsets = graph.constant(
    Int32Array.from({ length: count }, (_, i) => i * rows),
    [count, 1],
    'int32',
  );
  const perBatch = reshape(graph, whole(index), [count, sizeOf(indices.shape) / count]);
  const shifted = arithmetic(graph, 'Add', perBatch, whole(offsets)).value;
  const picked = graph.node('Gather', [flat, shifted], [...shifted.shape, ...inner], source.dtype, { axis: 0 });
  return reshape(graph, whole(picked), [...indices.shape, ...inner]);
}

/** Sums of the rows that share a segment: the gradient of a gather. ScatterElements adds in order, so it is exact. */
function segmentSum({ graph, inputs: { x, segmentIds }, attributes }: Call): Lazy {
  const segments: number = attributes.numSegments;
  const inner = x.shape.slice(segmentIds.shape.length);
  const rows = sizeOf(segmentIds.shape);
  const width = sizeOf(inner);
  const updates = materialise(graph, reshape(graph, x, [rows, width]));
  const index = reshape(graph, cast(graph, segmentIds, 'int32'), [rows, 1]);
  const every = materialise(graph, { value: aligned(graph, index), shape: [rows, width] });
  const nothing: Lazy = { value: graph.scalar(0, x.value.dtype), shape: [segments, width] };
  if (rows * width === 0) return { ...nothing, shape: [segments, ...inner] };
  const zeros = materialise(graph, nothing);
  const summed = graph.node('ScatterElements', [zeros, every, updates], [segments, width], x.value.dtype, {
    axis: 0,
    reduction: 'add',
  });
  return reshape(graph, whole(summed), [segments, ...inner]);
}

/** Indices outside of 0 .. depth - 1 have no hot entry (ONNX' own OneHot counts negative ones from the end). */
function oneHot({ graph, inputs: { indices }, attributes }: Call): Lazy {
  const { depth, onValue, offValue } = attributes;
  const dtype = dtypeOf(attributes.dtype ?? 'int32');
  const index = reshape(graph, cast(graph, indices, 'int32'), [...indices.shape, 1]);
  const hot = elementwise(graph, 'Equal', [index, sequence(graph, 0, 1, depth, 'int32')], 'bool');
  return select(graph, hot, number(graph, onValue, dtype), number(graph, offValue, dtype));
}

function gatherNd({ graph, inputs: { params, indices } }: Call): Lazy {
  const depth = indices.shape[indices.shape.length - 1];
  const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
  const index = materialise(graph, cast(graph, indices, 'int64'));
  const source = materialise(graph, params);
  return whole(graph.node('GatherND', [source, index], shape, source.dtype));
}

/** Sums updates into zeros, through flat row numbers. */
function scatterNd(call: Call): Lazy {
  const { graph, inputs, attributes } = call;
  const shape: number[] = attributes.shape;
  const depth = inputs.indices.shape[inputs.indices.shape.length - 1];
  const strides = shape.slice(0, depth).map((_, i) => sizeOf(shape.slice(i + 1, depth)));
  const count = sizeOf(inputs.indices.shape) / depth;
  const rows = reshape(graph, cast(graph, inputs.indices, 'int32'), [count, depth]);
  const scaled = arithmetic(graph, 'Mul', rows, whole(graph.constant(Int32Array.from(strides), [depth], 'int32')));
  const flat = graph.node('ReduceSum', [materialise(graph, scaled), graph.integers([1])], [count, 1], 'int32');
  const inner = shape.slice(depth);
  const summed = segmentSum({
    graph,
    inputs: {
      x: reshape(graph, inputs.updates, [count, ...inner]),
      segmentIds: reshape(graph, whole(flat), [count]),
    },
    attributes: { numSegments: sizeOf(shape.slice(0, depth)) },
  });
  return reshape(graph, summed, shape);
}

function sequence(graph: Graph, first: number, step: number, count: number, dtype: 'float32' | 'int32'): Lazy {
  const values = Array.from({ length: count }, (_, i) => first + i * step);
  const data = dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
  return count === 1
    ? { value: number(graph, first, dtype).value, shape: [1] }
    : whole(graph.constant(data, [count], dtype));
}

/** Kernels that pick or scatter rows. */
export const gatherKernels: Kernels = {
  GatherV2: gather,
  GatherNd: gatherNd,
  ScatterNd: scatterNd,
  UnsortedSegmentSum: segmentSum,
  OneHot: oneHot,
  LinSpace: ({ graph, attributes: { start, stop, num } }) =>
    sequence(graph, start, num > 1 ? (stop - start) / (num - 1) : 0, num, 'float32'),
  Range: ({ graph, attributes: { start, stop, step, dtype } }) =>
    sequence(
      graph,
      start,
      step,
      Math.max(0, Math.ceil((stop - start) / step)),
      dtype === 'int32' ? 'int32' : 'float32',
    ),
};
