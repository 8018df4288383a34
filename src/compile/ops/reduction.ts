import { type Graph, sizeOf, type Value } from '../graph';
import { aligned, type Lazy, materialise, reshapeValue, transposeValue, whole } from '../lazy';
import { axesOf, type Call, type Kernels } from './call';
import { cast, multiply, number } from './elementwise';

type Reduction = 'ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd';

/** Reductions of zero entries; tfjs divides before it adds, so that their mean is 0. An extremum of nothing has no value. */
const EMPTY: Partial<Record<Reduction, number>> = { ReduceSum: 0, ReduceMean: 0, ReduceProd: 1 };

/**
 * Reduces over `axes`. A dimension that is only broadcast is skipped: a sum over it is a multiplication, a mean
 * or an extremum does nothing.
 */
export function reduce(graph: Graph, op: Reduction, x: Lazy, axes: readonly number[], keepDims: boolean): Lazy {
  const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n));
  const shape = keepDims ? kept : kept.filter((_, i) => !axes.includes(i));
  if (axes.length === 0) return x;
  if (sizeOf(x.shape) === 0) {
    const empty = EMPTY[op];
    if (empty === undefined && sizeOf(shape) > 0) throw new Error(`${op} of no entries has no emitter`);
    return { value: graph.scalar(empty ?? 0, x.value.dtype), shape };
  }
  if (op === 'ReduceProd') {
    const value = graph.node(op, [materialise(graph, x), graph.integers(axes)], kept, x.value.dtype);
    return { value: reshapeValue(graph, value, shape), shape };
  }
  const full = aligned(graph, x);
  const real = axes.filter((axis) => full.shape[axis] !== 1);
  const repeats = axes.reduce((product, axis) => product * (full.shape[axis] === 1 ? x.shape[axis] : 1), 1);
  const reduced = full.shape.map((n, i) => (axes.includes(i) ? 1 : n));
  let value = full;
  if (real.length > 0) {
    // A transpose below a reduction is dropped: the reduction goes over the source's axes.
    const perm = full.node?.op === 'Transpose' ? (full.node.attributes.perm as number[]) : undefined;
    const source = perm ? full.node!.inputs[0]! : full;
    const sourceAxes = (perm ? real.map((axis) => perm[axis]) : real).sort((a, b) => a - b);
    const sourceShape = source.shape.map((n, i) => (sourceAxes.includes(i) ? 1 : n));
    value =
      op === 'ReduceSum' && isColumnSum(source, sourceAxes)
        ? reshapeValue(graph, columnSum(graph, source, sourceAxes.length), sourceShape)
        : graph.node(op, [source, graph.integers(sourceAxes)], sourceShape, x.value.dtype);
    if (perm) value = transposeValue(graph, value, perm);
  }
  const known = keepDims ? reduced : reduced.filter((_, i) => !axes.includes(i));
  const result: Lazy = { value: reshapeValue(graph, value, known), shape };
  return op === 'ReduceSum' && repeats !== 1 ? multiply(graph, result, number(graph, repeats, x.value.dtype)) : result;
}

/** Sums over the leading axes of many rows, such as the gradient of a bias. */
function isColumnSum({ shape, dtype }: Value, axes: readonly number[]): boolean {
  const rows = sizeOf(shape.slice(0, axes.length));
  return dtype === 'float32' && axes.length < shape.length && axes.every((axis, i) => axis === i) && rows >= 16;
}

/** They are a row of ones times the matrix: the product is vectorised, ONNX Runtime's reduction is four times slower. */
function columnSum(graph: Graph, x: Value, leading: number): Value {
  const rows = sizeOf(x.shape.slice(0, leading));
  const columns = sizeOf(x.shape.slice(leading));
  const ones = graph.constant(new Float32Array(rows).fill(1), [rows], 'float32');
  return graph.node('MatMul', [ones, reshapeValue(graph, x, [rows, columns])], [columns], 'float32');
}

const reducer =
  (op: Reduction) =>
  ({ graph, inputs: { x }, attributes }: Call) => {
    const axes = axesOf(attributes.axis ?? attributes.reductionIndices, x.shape.length);
    const { dtype } = x.value;
    const numbers = cast(graph, x, op === 'ReduceMean' ? 'float32' : dtype === 'bool' ? 'int32' : dtype);
    const reduced = reduce(graph, op, numbers, axes, attributes.keepDims ?? false);
    return op === 'ReduceMax' || op === 'ReduceMin' ? cast(graph, reduced, dtype) : reduced;
  };

/** All / Any as minimum / maximum of 0 and 1. */
const logical =
  (op: 'ReduceMin' | 'ReduceMax') =>
  ({ graph, inputs: { x }, attributes }: Call) => {
    const axes = axesOf(attributes.axis, x.shape.length);
    // Of no entries at all, a product is 1 (all are true) and a sum is 0 (not any is).
    const used = sizeOf(x.shape) > 0 ? op : op === 'ReduceMin' ? 'ReduceProd' : 'ReduceSum';
    return cast(graph, reduce(graph, used, cast(graph, x, 'int32'), axes, attributes.keepDims ?? false), 'bool');
  };

const argument =
  (op: 'ArgMax' | 'ArgMin') =>
  ({ graph, inputs: { x }, attributes }: Call) => {
    const [axis] = axesOf(attributes.axis, x.shape.length);
    const shape = x.shape.filter((_, i) => i !== axis);
    const found = graph.node(op, [materialise(graph, x)], shape, 'int64', { axis, keepdims: 0 });
    return cast(graph, whole(found), 'int32');
  };

/** Kernels that reduce over axes. */
export const reductionKernels: Kernels = {
  Sum: reducer('ReduceSum'),
  Mean: reducer('ReduceMean'),
  Max: reducer('ReduceMax'),
  Min: reducer('ReduceMin'),
  Prod: reducer('ReduceProd'),
  All: logical('ReduceMin'),
  Any: logical('ReduceMax'),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Softmax: ({ graph, inputs: { logits } }) => {
    const x = materialise(graph, logits);
    return whole(graph.node('Softmax', [x], x.shape, 'float32', { axis: -1 }));
  },
  Cumsum: ({ graph, inputs: { x }, attributes }) => {
    const full = materialise(graph, x);
    const [axis] = axesOf(attributes.axis, x.shape.length);
    const flags = { exclusive: attributes.exclusive ? 1 : 0, reverse: attributes.reverse ? 1 : 0 };
    return whole(graph.node('CumSum', [full, graph.scalar(axis, 'int64')], full.shape, full.dtype, flags));
  },
};
