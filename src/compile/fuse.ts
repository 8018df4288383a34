import { type Graph, type Node, reachable, sameShape, sizeOf, type Value } from './graph';
import { reshapeValue, transposeValue, uniform } from './lazy';

interface Output {
  name: string;
  value: Value;
}

/**
 * Rewrites patterns that ONNX Runtime's own optimiser misses: a bias added to a product (also behind a reshape) and scalar factors of
 * it or its operands become part of it, a layer norm becomes one node, with its weight and bias where nothing else needs
 * the normalised values, and so does a GELU.
 */
export function fuse(graph: Graph, outputs: readonly Output[]): Output[] {
  const uses = countUses(outputs.map(({ value }) => value));
  const renewed = new Map<Value, Value>();
  const renew = (value: Value): Value => renewed.get(value) ?? value;
  for (const node of reachable(outputs.map(({ value }) => value))) {
    const [only] = node.outputs;
    const fused =
      withBias(graph, only, uses, renew) ??
      scaledProduct(graph, only, uses, renew) ??
      productOfScaled(graph, node, renew) ??
      affineNorm(graph, only, uses, renew) ??
      gelu(graph, only, uses, renew) ??
      layerNorm(graph, only, renewed, renew);
    if (fused) {
      renewed.set(only, fused);
      continue;
    }
    if (node.inputs.every((input) => input === undefined || renew(input) === input)) continue;
    const inputs = node.inputs.map((input) => input && renew(input));
    const made = graph.nodes(node.op, inputs, node.outputs, node.attributes, node.body);
    node.outputs.forEach((output, i) => {
      renewed.set(output, made[i]);
    });
  }
  return outputs.map(({ name, value }) => ({ name, value: renew(value) }));
}

function countUses(outputs: readonly Value[]): Map<Value, number> {
  const uses = new Map<Value, number>();
  const use = (value: Value | undefined) => value && uses.set(value, (uses.get(value) ?? 0) + 1);
  outputs.forEach(use);
  for (const node of reachable(outputs)) node.inputs.forEach(use);
  return uses;
}

type Renew = (value: Value) => Value;

/** `product + bias`, with one bias per column: the third argument of Gemm. */
function withBias(graph: Graph, sum: Value, uses: Map<Value, number>, renew: Renew): Value | undefined {
  if (sum.node?.op !== 'Add' || sum.dtype !== 'float32') return undefined;
  const operands = sum.node.inputs as readonly Value[];
  for (const [i, term] of operands.entries()) {
    const reshaped = term.node?.op === 'Reshape' && uses.get(term) === 1;
    const product = reshaped ? term.node!.inputs[0]! : term;
    const bias = operands[1 - i];
    const columns = product.shape[1];
    const plain = product.node?.op === 'MatMul' || (product.node?.op === 'Gemm' && product.node.inputs.length === 2);
    const fits =
      plain &&
      product.shape.length === 2 &&
      uses.get(product) === 1 &&
      term.shape[term.shape.length - 1] === columns &&
      bias.shape[bias.shape.length - 1] === columns &&
      sizeOf(bias.shape) === columns &&
      sizeOf(sum.shape) === sizeOf(product.shape);
    if (!fits) continue;
    const { inputs, attributes } = renew(product).node!;
    const vector = reshapeValue(graph, renew(bias), [columns]);
    const gemm = graph.node('Gemm', [inputs[0], inputs[1], vector], product.shape, 'float32', {
      ...PLAIN,
      ...attributes,
    });
    return reshapeValue(graph, gemm, sum.shape);
  }
  return undefined;
}

const PLAIN = { transA: 0, transB: 0 };
const PRODUCTS = new Set(['MatMul', 'Gemm', 'FusedMatMul']);

/** `number * product`, where only this needs the product, also with its bias and behind reshapes and transposes. */
function scaledProduct(graph: Graph, value: Value, uses: Map<Value, number>, renew: Renew): Value | undefined {
  const scaled = scaledByNumber(value);
  if (!scaled) return undefined;
  let inner = scaled.x;
  while (uses.get(inner) === 1 && isMove(inner)) inner = inner.node!.inputs[0]!;
  if (uses.get(inner) !== 1) return undefined;
  const made = renew(inner);
  let product = made;
  while (isMove(product)) product = product.node!.inputs[0]!;
  const { node } = product;
  if (!node || !PRODUCTS.has(node.op)) return undefined;
  return moved(
    graph,
    scaled.x,
    inner,
    moved(graph, made, product, scale(graph, node, node.inputs, scaled.number, ['alpha', 'beta'])),
  );
}

/** A product of `number * x`, also where that is reshaped or transposed on the way. */
function productOfScaled(graph: Graph, node: Node, renew: Renew): Value | undefined {
  if (!PRODUCTS.has(node.op) || node.outputs[0].dtype !== 'float32') return undefined;
  let number = 1;
  const factors = node.inputs.map((input, i) => {
    const factor = input && renew(input);
    let inner = factor;
    while (inner && isMove(inner)) inner = inner.node!.inputs[0]!;
    const scaled = i < 2 && inner ? scaledByNumber(inner) : undefined;
    if (!scaled) return factor;
    number *= scaled.number;
    return moved(graph, factor!, inner!, scaled.x);
  });
  return number === 1 ? undefined : scale(graph, node, factors, number, ['alpha']);
}

/** The product with its factor (`alpha`), or also that of its bias (`beta`), times a number. */
function scale(graph: Graph, node: Node, inputs: Node['inputs'], number: number, factors: readonly string[]): Value {
  const [{ shape }] = node.outputs;
  const before = (name: string) => (node.attributes[name] as { float: number } | undefined)?.float ?? 1;
  const used = factors.filter((name) => name === 'alpha' || inputs[2]);
  const scaled = Object.fromEntries(used.map((name) => [name, { float: number * before(name) }]));
  const attributes = { ...PLAIN, ...node.attributes, ...scaled };
  return graph.node(shape.length === 2 ? 'Gemm' : 'FusedMatMul', inputs, shape, 'float32', attributes);
}

/** The operand and the number of a product with a number. */
function scaledByNumber(value: Value): { x: Value; number: number } | undefined {
  if (value.dtype !== 'float32') return undefined;
  for (const [x, right] of operandsOf(value, 'Mul')) {
    const number = uniform(right);
    if (number !== undefined && sameShape(x.shape, value.shape)) return { x, number };
  }
  return undefined;
}

const isMove = ({ node }: Value): boolean => node?.op === 'Reshape' || node?.op === 'Transpose';

/** The reshapes and transposes of `from`, applied to `to` instead. */
function moved(graph: Graph, value: Value, from: Value, to: Value): Value {
  if (value === from) return to;
  const { op, inputs, attributes } = value.node!;
  const inner = moved(graph, inputs[0]!, from, to);
  return op === 'Reshape'
    ? reshapeValue(graph, inner, value.shape)
    : transposeValue(graph, inner, attributes.perm as readonly number[]);
}

/**
 * `(x - mean) / sqrt(variance + epsilon)` over the last axis. ONNX Runtime takes the mean out before it squares, so that it is
 * accurate also where the mean is large (a test holds it to that).
 */
function layerNorm(graph: Graph, value: Value, renewed: Map<Value, Value>, renew: Renew): Value | undefined {
  if (value.node?.op === 'Reciprocal') {
    const found = inverseDeviation(value);
    if (!found) return undefined;
    const { source, centred, epsilon } = found;
    const [normed, , inverse] = normalisation(graph, renew(source), epsilon);
    normalised.set(value, { source, centred, normed, epsilon });
    return inverse;
  }
  for (const [x, inverse] of operandsOf(value, 'Mul')) {
    const known = renewed.has(inverse) ? normalised.get(inverse) : undefined;
    if (known?.centred === x) return known.normed;
  }
  return undefined;
}

/** `normed * weight + bias` with one weight and bias per column, where only this needs `normed`. */
function affineNorm(graph: Graph, sum: Value, uses: Map<Value, number>, renew: Renew): Value | undefined {
  for (const [product, bias] of operandsOf(sum, 'Add')) {
    for (const [normed, weight] of uses.get(product) === 1 ? operandsOf(product, 'Mul') : []) {
      for (const [centred, inverse] of uses.get(normed) === 1 ? operandsOf(normed, 'Mul') : []) {
        const known = normalised.get(inverse);
        const width = centred.shape[centred.shape.length - 1];
        const perColumn = [weight, bias].every(
          ({ shape }) => sizeOf(shape) === width && shape[shape.length - 1] === width,
        );
        if (known?.centred !== centred || !perColumn || sizeOf(sum.shape) !== sizeOf(centred.shape)) continue;
        const vectors = [weight, bias].map((vector) => reshapeValue(graph, renew(vector), [width]));
        return normalisation(graph, renew(known.source), known.epsilon, vectors)[0];
      }
    }
  }
  return undefined;
}

/** `u (1 + erf(u)) / sqrt 2` of `u = x / sqrt 2`, written as models/layers does, where only this needs its parts: one node. */
function gelu(graph: Graph, value: Value, uses: Map<Value, number>, renew: Renew): Value | undefined {
  const alone = (x: Value) => uses.get(x) === 1;
  /** The other operand of a product or sum with a number. */
  const without = (x: Value, op: 'Add' | 'Mul', number: number) =>
    operandsOf(x, op).find(([, right]) => Math.abs((uniform(right) ?? Number.NaN) - number) < 1e-6)?.[0];
  const product = without(value, 'Mul', Math.SQRT1_2);
  for (const [u, sum] of product && alone(product) ? operandsOf(product, 'Mul') : []) {
    const erf = alone(sum) ? without(sum, 'Add', 1) : undefined;
    const x = uses.get(u) === 2 ? without(u, 'Mul', Math.SQRT1_2) : undefined;
    if (erf?.node?.op !== 'Erf' || !alone(erf) || erf.node.inputs[0] !== u || !x) continue;
    return graph.node('Gelu', [renew(x)], x.shape, 'float32');
  }
  return undefined;
}

/** A layer norm node: normalised values, mean, inverse deviation. */
function normalisation(graph: Graph, x: Value, epsilon: number, [weight, bias]: Value[] = []): Value[] {
  const width = x.shape[x.shape.length - 1];
  const scale = weight ?? graph.constant(new Float32Array(width).fill(1), [width], 'float32');
  const statistics = [...x.shape.slice(0, -1), 1];
  const kinds = [x.shape, statistics, statistics].map((shape) => ({ shape, dtype: 'float32' as const }));
  const attributes = { axis: -1, epsilon: { float: epsilon } };
  return graph.nodes('LayerNormalization', bias ? [x, scale, bias] : [x, scale], kinds, attributes);
}

/** Both orders of the operands of a sum or product. */
function operandsOf({ node }: Value, op: 'Add' | 'Mul'): [Value, Value][] {
  if (node?.op !== op) return [];
  const [a, b] = node.inputs as readonly Value[];
  return [
    [a, b],
    [b, a],
  ];
}

/** Inverse deviations found so far, before they were renewed. */
const normalised = new WeakMap<Value, { source: Value; centred: Value; normed: Value; epsilon: number }>();

/** Matches 1 / sqrt(mean(c c) + epsilon) where c is x without its mean over the last axis. */
function inverseDeviation(value: Value): { source: Value; centred: Value; epsilon: number } | undefined {
  const root = operand(value, 'Reciprocal', 'Sqrt');
  const shifted = root && operand(root, 'Sqrt', 'Add');
  if (!shifted) return undefined;
  const [left, right] = shifted.node!.inputs as readonly Value[];
  const epsilon = uniform(right) ?? uniform(left);
  const variance = uniform(right) === undefined ? right : left;
  const square = lastAxisMean(variance);
  if (epsilon === undefined || square?.node?.op !== 'Mul') return undefined;
  const [centred, same] = square.node.inputs as readonly Value[];
  if (centred !== same || centred.node?.op !== 'Sub') return undefined;
  const [x, mean] = centred.node.inputs as readonly Value[];
  return lastAxisMean(mean) === x ? { source: x, centred, epsilon } : undefined;
}

function operand(value: Value, op: string, inner: string): Value | undefined {
  const input = value.node?.op === op ? value.node.inputs[0] : undefined;
  return input?.node?.op === inner ? input : undefined;
}

/** The operand of a mean over the last axis, kept as 1. */
function lastAxisMean({ node, shape }: Value): Value | undefined {
  if (node?.op !== 'ReduceMean') return undefined;
  const [source, axes] = node.inputs as readonly Value[];
  const last = source.shape.length - 1;
  const onlyLast = axes.constant?.length === 1 && Number(axes.constant[0]) === last;
  return onlyLast && shape.length === source.shape.length ? source : undefined;
}
