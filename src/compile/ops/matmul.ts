import { type Graph, sizeOf, type Value } from '../graph';
import { aligned, broadcastShape, type Lazy, materialise, reshapeValue, transpose } from '../lazy';
import type { Call, Kernels } from './call';
import { activate, add } from './elementwise';

/**
 * Matrix product over the last two dimensions; earlier ones are batches and broadcast. One plain product where the
 * right-hand side has no batch, ONNX Runtime's FusedMatMul (transposes inside the product) elsewhere.
 */
export function matmul(graph: Graph, a: Lazy, b: Lazy, transposeA: boolean, transposeB: boolean): Lazy {
  const [m, k] = transposeA ? lastTwo(a.shape).reverse() : lastTwo(a.shape);
  const n = transposeB ? lastTwo(b.shape)[0] : lastTwo(b.shape)[1];
  const batch = broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, m, n];
  const { dtype } = a.value;
  if (sizeOf(shape) * k === 0) return { value: graph.scalar(0, dtype), shape };
  if (dtype !== 'float32')
    return integers(graph, transposeA ? swapped(graph, a) : a, transposeB ? swapped(graph, b) : b, shape);
  const left = full(graph, a);
  const right = full(graph, b);
  const leftBatch = sizeOf(left.shape.slice(0, -2));
  const rightBatch = sizeOf(right.shape.slice(0, -2));
  const known = [...broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2)), m, n];
  if (rightBatch === 1 && (leftBatch === 1 || !transposeA)) {
    const rows = leftBatch * m;
    const flat = reshapeValue(graph, left, transposeA ? [k, m] : [rows, k]);
    const product = gemm(
      graph,
      flat,
      reshapeValue(graph, right, lastTwo(right.shape)),
      rows,
      n,
      transposeA,
      transposeB,
    );
    return { value: reshapeValue(graph, product, known), shape };
  }
  if (!transposeA && !transposeB) return { value: graph.node('MatMul', [left, right], known, 'float32'), shape };
  const flags = { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 };
  return { value: graph.node('FusedMatMul', [left, right], known, 'float32', flags), shape };
}

/** ONNX Runtime multiplies matrices of integers by MatMul only. */
function integers(graph: Graph, a: Lazy, b: Lazy, shape: readonly number[]): Lazy {
  const product = graph.node('MatMul', [materialise(graph, a), materialise(graph, b)], shape, a.value.dtype);
  return { value: product, shape };
}

/** The last two dimensions swapped. */
function swapped(graph: Graph, x: Lazy): Lazy {
  const { length } = x.shape;
  return transpose(graph, x, [...x.shape.slice(0, -2).keys(), length - 1, length - 2]);
}

function gemm(graph: Graph, a: Value, b: Value, m: number, n: number, transposeA: boolean, transposeB: boolean): Value {
  if (!transposeA && !transposeB) return graph.node('MatMul', [a, b], [m, n], 'float32');
  return graph.node('Gemm', [a, b], [m, n], 'float32', { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 });
}

const lastTwo = (shape: readonly number[]): number[] => shape.slice(-2);

/** Matrices in memory, batch dimensions lazy. */
function full(graph: Graph, x: Lazy): Value {
  const value = aligned(graph, x);
  const shape = [...value.shape.slice(0, -2), ...lastTwo(x.shape)];
  return materialise(graph, { value, shape });
}

/** Kernels of matrix products. */
export const matmulKernels: Kernels = {
  BatchMatMul: ({ graph, inputs: { a, b }, attributes }) =>
    matmul(graph, a, b, attributes.transposeA ?? false, attributes.transposeB ?? false),
  _FusedMatMul: (call: Call) => {
    const { graph, inputs, attributes } = call;
    const product = matmul(graph, inputs.a, inputs.b, attributes.transposeA ?? false, attributes.transposeB ?? false);
    return activate(call, inputs.bias ? add(graph, product, inputs.bias) : product);
  },
};
