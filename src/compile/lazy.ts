import { type Attribute, arrayOf, type DType, type Graph, sameShape, sizeOf, type Value } from './graph';

/**
 * A tensor while tracing: a value of the graph that broadcasts to `shape`. Broadcasts, fills and ones thus cost nothing
 * until an operator needs every element in memory.
 */
export interface Lazy {
  readonly value: Value;
  readonly shape: readonly number[];
}

export const whole = (value: Value): Lazy => ({ value, shape: value.shape });

/** The shape that two shapes broadcast to, aligned at the right. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[a.length - rank + i] ?? 1;
    const n = b[b.length - rank + i] ?? 1;
    return m === 1 ? n : m;
  });
}

/** The number that every entry of a constant equals, if there is one. */
export function uniform({ constant }: Value): number | undefined {
  return constant?.length === 1 ? Number(constant[0]) : undefined;
}

/** The same values with as many dimensions as the tensor has, lazy ones being 1. */
export function aligned(graph: Graph, { value, shape }: Lazy): Value {
  if (value.shape.length === shape.length) return value;
  return reshapeValue(graph, value, [...Array(shape.length - value.shape.length).fill(1), ...value.shape]);
}

/** Every element in memory. */
export function materialise(graph: Graph, lazy: Lazy): Value {
  const { value, shape } = lazy;
  if (sameShape(value.shape, shape)) return value;
  if (sizeOf(value.shape) === sizeOf(shape)) return reshapeValue(graph, value, shape);
  const number = uniform(value);
  if (number !== undefined && sizeOf(shape) <= 4096) {
    return graph.constant(arrayOf(new Array(sizeOf(shape)).fill(number), value.dtype), shape, value.dtype);
  }
  return graph.node('Expand', [value, graph.integers(shape)], shape, value.dtype);
}

/** Reshape of a value; a reshape of a reshape is one, and a constant is reshaped at once. */
export function reshapeValue(graph: Graph, value: Value, shape: readonly number[]): Value {
  if (sameShape(value.shape, shape)) return value;
  if (value.constant) return graph.constant(value.constant, shape, value.dtype);
  const source = value.node?.op === 'Reshape' ? value.node.inputs[0]! : value;
  if (sameShape(source.shape, shape)) return source;
  const below = source.node?.op === 'Transpose' ? reshapeBelow(graph, source, shape) : undefined;
  if (below) return below;
  return graph.node('Reshape', [source, graph.integers(shape)], shape, value.dtype);
}

/**
 * `reshape(transpose(x))` as `transpose(reshape(x))`, where only dimensions that stay side by side are joined or split, so that the
 * transpose can go on to meet its inverse (see `elementwise`).
 */
function reshapeBelow(graph: Graph, { shape: from, node }: Value, to: readonly number[]): Value | undefined {
  const perm = node!.attributes.perm as readonly number[];
  const source = node!.inputs[0]!;
  /** For each run of the source's axes the axes of the result that it becomes. */
  const runs: { first: number; sizes: number[]; axes: number[] }[] = [];
  for (let i = 0, j = 0; i < from.length || j < to.length; ) {
    const [start, at] = [i, j];
    let [joined, split] = [from[i++] ?? 1, to[j++] ?? 1];
    while (joined !== split) {
      if (joined < split) joined *= from[i++];
      else split *= to[j++];
    }
    for (let k = start + 1; k < i; k++) if (perm[k] !== perm[k - 1] + 1) return undefined;
    const axes = Array.from({ length: Math.min(j, to.length) - at }, (_, k) => at + k);
    runs.push({ first: perm[start] ?? from.length, sizes: to.slice(at, j), axes });
  }
  const ordered = [...runs].sort((a, b) => a.first - b.first);
  const order = ordered.flatMap(({ axes }) => axes);
  const reshaped = reshapeValue(
    graph,
    source,
    ordered.flatMap(({ sizes }) => sizes),
  );
  return transposeValue(
    graph,
    reshaped,
    to.map((_, axis) => order.indexOf(axis)),
  );
}

/** Transpose of a value; transposes compose, and moving dimensions of length one is a reshape. */
export function transposeValue(graph: Graph, value: Value, perm: readonly number[]): Value {
  if (perm.every((p, i) => p === i)) return value;
  const shape = perm.map((p) => value.shape[p]);
  if (inOrder(value.shape, perm)) return reshapeValue(graph, value, shape);
  if (value.node?.op === 'Transpose') {
    const inner = value.node.attributes.perm as readonly number[];
    return transposeValue(
      graph,
      value.node.inputs[0]!,
      perm.map((p) => inner[p]),
    );
  }
  return graph.node('Transpose', [value], shape, value.dtype, { perm: [...perm] });
}

/** Whether a transpose moves dimensions of length one only. */
function inOrder(shape: readonly number[], perm: readonly number[]): boolean {
  const long = perm.filter((p) => shape[p] !== 1);
  return long.every((p, i) => i === 0 || p > long[i - 1]);
}

/** Reshape of a tensor; stays lazy where only dimensions of length one come or go. */
export function reshape(graph: Graph, lazy: Lazy, shape: readonly number[]): Lazy {
  if (sameShape(lazy.shape, shape)) return lazy;
  const { value } = lazy;
  if (sizeOf(value.shape) === 1 && sizeOf(lazy.shape) > 0) return { value: reshapeValue(graph, value, []), shape };
  if (sizeOf(value.shape) !== sizeOf(lazy.shape)) {
    const from = lazy.shape.flatMap((n, i) => (n === 1 ? [] : [i]));
    const to = shape.flatMap((n, i) => (n === 1 ? [] : [i]));
    if (from.length === to.length && from.every((at, i) => lazy.shape[at] === shape[to[i]])) {
      const known = aligned(graph, lazy);
      const next: number[] = Array(shape.length).fill(1);
      from.forEach((at, i) => {
        next[to[i]] = known.shape[at];
      });
      return { value: reshapeValue(graph, known, next), shape };
    }
  }
  return { value: reshapeValue(graph, materialise(graph, lazy), shape), shape };
}

/** Transpose of a tensor; lazy dimensions stay lazy. */
export function transpose(graph: Graph, lazy: Lazy, perm: readonly number[]): Lazy {
  const shape = perm.map((p) => lazy.shape[p]);
  if (sizeOf(lazy.value.shape) === 1) return { value: reshapeValue(graph, lazy.value, []), shape };
  return { value: transposeValue(graph, aligned(graph, lazy), perm), shape };
}

/** Broadcast to a larger shape, which costs nothing. */
export function broadcastTo(graph: Graph, lazy: Lazy, shape: readonly number[]): Lazy {
  return { value: sizeOf(lazy.value.shape) === 1 ? reshapeValue(graph, lazy.value, []) : aligned(graph, lazy), shape };
}

/** An elementwise operator over broadcast tensors; the result is lazy where all operands are. */
export function elementwise(
  graph: Graph,
  op: string,
  operands: readonly Lazy[],
  dtype: DType,
  attributes: Record<string, Attribute> = {},
): Lazy {
  const shape = operands.map((x) => x.shape).reduce(broadcastShape);
  const values = operands.map((x) => x.value);
  const known = values.map((x) => x.shape).reduce(broadcastShape);
  const swapped = liftTranspose(graph, values, known);
  if (swapped) {
    const inner = graph.node(op, swapped.values, swapped.shape, dtype, attributes);
    return { value: transposeValue(graph, inner, swapped.perm), shape };
  }
  return { value: graph.node(op, values, known, dtype, attributes), shape };
}

/**
 * Rewrites `op(transpose(a), transpose(b), ...)` as `transpose(op(a, b, ...))`, so that the transposes round
 * convolutions (tfjs keeps channels last, ONNX first) meet and cancel. Other operands must be cheap to permute.
 */
function liftTranspose(graph: Graph, values: readonly Value[], shape: readonly number[]) {
  const leader = values.find((x) => x.node?.op === 'Transpose' && sameShape(x.shape, shape));
  if (!leader) return undefined;
  const perm = leader.node!.attributes.perm as readonly number[];
  const inverse = perm.map((_, i) => perm.indexOf(i));
  const aligned = values.map((x) =>
    x.shape.length === 0 ? x : reshapeValue(graph, x, [...Array(shape.length - x.shape.length).fill(1), ...x.shape]),
  );
  const cheap = (x: Value) =>
    x.constant !== undefined ||
    inOrder(x.shape, inverse) ||
    (x.node?.op === 'Transpose' && String(x.node.attributes.perm) === String(perm));
  if (!aligned.every(cheap)) return undefined;
  const inner = aligned.map((x) => (x.shape.length === 0 ? x : transposeValue(graph, x, inverse)));
  return { values: inner, perm, shape: inverse.map((p) => shape[p]) };
}
