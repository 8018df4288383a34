import { arrayOf, type DType, type Graph, type Value } from '../graph';
import { broadcastShape, broadcastTo, elementwise, type Lazy, reshapeValue, uniform } from '../lazy';
import { type Call, dtypeOf, type Kernels } from './call';

/** A number as a tensor of shape `[]`. */
export const number = (graph: Graph, x: number, dtype: DType = 'float32'): Lazy => ({
  value: graph.scalar(x, dtype),
  shape: [],
});

type Arithmetic = 'Add' | 'Sub' | 'Mul' | 'Div';
const FOLD: Record<Arithmetic, (a: number, b: number) => number> = {
  Add: (a, b) => a + b,
  Sub: (a, b) => a - b,
  Mul: (a, b) => a * b,
  Div: (a, b) => a / b,
};

/** Addition, subtraction, multiplication or division, with numbers folded and neutral elements dropped. */
export function arithmetic(graph: Graph, op: Arithmetic, a: Lazy, b: Lazy): Lazy {
  const dtype = a.value.dtype;
  const shape = broadcastShape(a.shape, b.shape);
  const left = uniform(a.value);
  const right = uniform(b.value);
  const constant = (x: number): Lazy => ({ value: graph.scalar(x, dtype), shape });
  if (left !== undefined && right !== undefined && dtype === 'float32') {
    return constant(Math.fround(FOLD[op](left, right)));
  }
  if (right === 0 && (op === 'Add' || op === 'Sub')) return broadcastTo(graph, a, shape);
  if (left === 0 && op === 'Add') return broadcastTo(graph, b, shape);
  if (right === 1 && (op === 'Mul' || op === 'Div')) return broadcastTo(graph, a, shape);
  if (left === 1 && op === 'Mul') return broadcastTo(graph, b, shape);
  if (dtype === 'float32' && op === 'Div' && right !== undefined && isNormal(Math.fround(1 / right))) {
    return arithmetic(graph, 'Mul', a, number(graph, Math.fround(1 / right)));
  }
  if (dtype === 'float32' && op === 'Mul') {
    const scaled =
      left !== undefined ? chained(graph, b, left) : right !== undefined ? chained(graph, a, right) : undefined;
    if (scaled) return broadcastTo(graph, scaled, shape);
  }
  return elementwise(graph, op, [a, b], dtype);
}

/** Whether a float32 number has all its bits: no zero, infinity or NaN, nor so small that it has fewer. */
const isNormal = (x: number): boolean => Number.isFinite(x) && Math.abs(x) >= 2 ** -126;

/** `(x * c1) * c2` as `x * (c1 c2)`. */
function chained(graph: Graph, { value, shape }: Lazy, factor: number): Lazy | undefined {
  if (value.node?.op !== 'Mul') return undefined;
  const [a, b] = value.node.inputs as Value[];
  const inner = uniform(a) ?? uniform(b);
  if (inner === undefined || !isNormal(Math.fround(inner * factor))) return undefined;
  const rest: Lazy = { value: uniform(a) === undefined ? a : b, shape };
  return arithmetic(graph, 'Mul', rest, number(graph, Math.fround(inner * factor)));
}

export const add = (graph: Graph, a: Lazy, b: Lazy): Lazy => arithmetic(graph, 'Add', a, b);
export const multiply = (graph: Graph, a: Lazy, b: Lazy): Lazy => arithmetic(graph, 'Mul', a, b);
export const subtract = (graph: Graph, a: Lazy, b: Lazy): Lazy => arithmetic(graph, 'Sub', a, b);

/** An operator of one argument that keeps the shape. */
export function unary(graph: Graph, op: string, { value, shape }: Lazy, dtype: DType = value.dtype): Lazy {
  return { value: elementwise(graph, op, [{ value, shape: value.shape }], dtype).value, shape };
}

/** Conversion between types. */
export function cast(graph: Graph, { value, shape }: Lazy, dtype: DType): Lazy {
  if (value.dtype === dtype) return { value, shape };
  if (value.constant) {
    const toInteger = dtype === 'int32' || dtype === 'int64';
    const data = Array.from(value.constant as ArrayLike<number>, (x) =>
      toInteger ? Math.trunc(Number(x)) : Number(x),
    );
    return { value: graph.constant(arrayOf(data, dtype), value.shape, dtype), shape };
  }
  const to = { float32: 1, int32: 6, int64: 7, bool: 9 }[dtype];
  return { value: graph.node('Cast', [value], value.shape, dtype, { to }), shape };
}

/** `condition ? yes : no`. */
export function select(graph: Graph, condition: Lazy, yes: Lazy, no: Lazy): Lazy {
  return elementwise(graph, 'Where', [cast(graph, condition, 'bool'), yes, no], yes.value.dtype);
}

const comparison =
  (op: string, negated = false) =>
  ({ graph, inputs: { a, b } }: Call) => {
    const compared = elementwise(graph, op, [a, b], 'bool');
    return negated ? unary(graph, 'Not', compared) : compared;
  };
const binary =
  (op: string) =>
  ({ graph, inputs: { a, b } }: Call) =>
    elementwise(graph, op, [a, b], a.value.dtype);
const simple =
  (op: string) =>
  ({ graph, inputs: { x } }: Call) =>
    unary(graph, op, x);
/** A function of real numbers: integers become float32. */
const real =
  (op: string) =>
  ({ graph, inputs: { x } }: Call) =>
    unary(graph, op, cast(graph, x, 'float32'));

function sigmoid(graph: Graph, x: Lazy): Lazy {
  return unary(graph, 'Sigmoid', x);
}

/** Applies the activation that a fused tfjs kernel asks for. */
export function activate(call: Call, x: Lazy): Lazy {
  const { graph, attributes, inputs } = call;
  switch (attributes.activation ?? 'linear') {
    case 'linear':
      return x;
    case 'relu':
      return unary(graph, 'Relu', x);
    case 'relu6':
      return clip(graph, x, 0, 6);
    case 'elu':
      return unary(graph, 'Elu', x);
    case 'sigmoid':
      return sigmoid(graph, x);
    case 'leakyrelu':
      return leaky(graph, x, attributes.leakyreluAlpha);
    case 'prelu':
      return elementwise(graph, 'PRelu', [x, inputs.preluActivationWeights], 'float32');
    default:
      throw new Error(`activation ${attributes.activation} has no emitter`);
  }
}

function clip(graph: Graph, x: Lazy, low: number, high: number): Lazy {
  const { dtype } = x.value;
  const inputs = [x.value, graph.scalar(low, dtype), graph.scalar(high, dtype)];
  return { value: graph.node('Clip', inputs, x.value.shape, dtype), shape: x.shape };
}

function leaky(graph: Graph, x: Lazy, alpha: number): Lazy {
  return {
    value: graph.node('LeakyRelu', [x.value], x.value.shape, 'float32', { alpha: { float: alpha } }),
    shape: x.shape,
  };
}

/** Step function with slope `alpha` on the negative side (tfjs' derivative of relu). */
function step(graph: Graph, x: Lazy, alpha: number): Lazy {
  const positive = elementwise(graph, 'Greater', [x, number(graph, 0, x.value.dtype)], 'bool');
  return alpha === 0
    ? cast(graph, positive, 'float32')
    : select(graph, positive, number(graph, 1), number(graph, alpha));
}

/** Gradient of elu from its output y: dy where y >= 0, dy (y + 1) elsewhere. */
function eluGradient({ graph, inputs: { dy, y } }: Call): Lazy {
  const positive = elementwise(graph, 'GreaterOrEqual', [y, number(graph, 0)], 'bool');
  return select(graph, positive, dy, multiply(graph, dy, add(graph, y, number(graph, 1))));
}

/** log(1 + x) without cancellation: log(u) x / (u - 1) with u = 1 + x (Higham 2002, section 1.14.1). */
function log1p(graph: Graph, x: Lazy): Lazy {
  const one = number(graph, 1);
  const u = elementwise(graph, 'Add', [x, one], 'float32');
  const ratio = elementwise(graph, 'Div', [x, elementwise(graph, 'Sub', [u, one], 'float32')], 'float32');
  const exact = elementwise(graph, 'Equal', [u, one], 'bool');
  return select(graph, exact, x, multiply(graph, unary(graph, 'Log', u), ratio));
}

/** exp(x) - 1 without cancellation: tanh(x / 2) (exp(x) + 1). */
function expm1(graph: Graph, x: Lazy): Lazy {
  const half = unary(graph, 'Tanh', multiply(graph, x, number(graph, 0.5)));
  return multiply(graph, half, add(graph, unary(graph, 'Exp', x), number(graph, 1)));
}

function constantLike({ graph, inputs: { x } }: Call, value: number): Lazy {
  return { value: graph.scalar(value, x.value.dtype), shape: x.shape };
}

/** Division rounded down; of integers in integers, since float32 has 24 bits. */
function floorDivide({ graph, inputs: { a, b } }: Call): Lazy {
  const { dtype } = a.value;
  if (dtype === 'float32') return unary(graph, 'Floor', elementwise(graph, 'Div', [a, b], dtype));
  const remainder = integerModulo(graph, a, b);
  const exact = elementwise(graph, 'Div', [subtract(graph, a, remainder), divisor(graph, b).safe], dtype);
  return byZeroOrMinusOne(graph, b, exact, unary(graph, 'Neg', a));
}

/** Remainder with the sign of the divisor. */
function modulo({ graph, inputs: { a, b } }: Call): Lazy {
  const { dtype } = a.value;
  if (dtype !== 'float32') return integerModulo(graph, a, b);
  const remainder = (x: Lazy) => elementwise(graph, 'Mod', [x, b], dtype, { fmod: 1 });
  const negative = (x: Lazy) => elementwise(graph, 'Less', [x, number(graph, 0)], 'bool');
  const plain = remainder(a);
  const differ = elementwise(graph, 'Xor', [negative(a), negative(b)], 'bool');
  return select(graph, differ, remainder(add(graph, plain, b)), plain);
}

function integerModulo(graph: Graph, a: Lazy, b: Lazy): Lazy {
  const remainder = elementwise(graph, 'Mod', [a, divisor(graph, b).safe], a.value.dtype);
  return byZeroOrMinusOne(graph, b, remainder, number(graph, 0, a.value.dtype));
}

/** Integer divisors by which the processor refuses to divide: 0, and -1 because of the smallest number. They are replaced by 1. */
function divisor(graph: Graph, b: Lazy): { zero: Lazy; minusOne: Lazy; safe: Lazy } {
  const { dtype } = b.value;
  const equals = (x: number) => elementwise(graph, 'Equal', [b, number(graph, x, dtype)], 'bool');
  const [zero, minusOne] = [equals(0), equals(-1)];
  const either = elementwise(graph, 'Or', [zero, minusOne], 'bool');
  return { zero, minusOne, safe: select(graph, either, number(graph, 1, dtype), b) };
}

/** `result`, but 0 where the divisor is 0 (as JavaScript stores infinity and NaN in an integer), `negated` where it is -1. */
function byZeroOrMinusOne(graph: Graph, b: Lazy, result: Lazy, negated: Lazy): Lazy {
  const { zero, minusOne } = divisor(graph, b);
  const chosen = select(graph, minusOne, negated, result);
  return select(graph, zero, number(graph, 0, b.value.dtype), chosen);
}

/** Kernels that work entry by entry. */
export const elementwiseKernels: Kernels = {
  Add: ({ graph, inputs: { a, b } }) => arithmetic(graph, 'Add', a, b),
  Sub: ({ graph, inputs: { a, b } }) => arithmetic(graph, 'Sub', a, b),
  Multiply: ({ graph, inputs: { a, b } }) => arithmetic(graph, 'Mul', a, b),
  RealDiv: ({ graph, inputs: { a, b } }) => arithmetic(graph, 'Div', a, b),
  FloorDiv: floorDivide,
  Mod: modulo,
  AddN: ({ graph, inputs }) => Object.values(inputs).reduce((sum, x) => arithmetic(graph, 'Add', sum, x)),
  Maximum: binary('Max'),
  Minimum: binary('Min'),
  Pow: binary('Pow'),
  Prelu: ({ graph, inputs: { x, alpha } }) => elementwise(graph, 'PRelu', [x, alpha], 'float32'),
  SquaredDifference: ({ graph, inputs: { a, b } }) => {
    const difference = subtract(graph, a, b);
    return multiply(graph, difference, difference);
  },
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Equal: comparison('Equal'),
  NotEqual: comparison('Equal', true),
  LogicalAnd: ({ graph, inputs: { a, b } }) => elementwise(graph, 'And', [a, b], 'bool'),
  LogicalOr: ({ graph, inputs: { a, b } }) => elementwise(graph, 'Or', [a, b], 'bool'),
  LogicalNot: simple('Not'),
  Select: ({ graph, inputs: { condition, t, e } }) => {
    const missing = t.shape.length - condition.shape.length;
    const shape = [...condition.shape, ...Array(missing).fill(1)];
    const value = missing === 0 ? condition.value : reshapeValue(graph, condition.value, shape);
    return select(graph, { value, shape }, t, e);
  },
  Neg: ({ graph, inputs: { x } }) =>
    x.value.node?.op === 'Neg' ? { value: x.value.node.inputs[0]!, shape: x.shape } : unary(graph, 'Neg', x),
  Exp: real('Exp'),
  Log: real('Log'),
  Log1p: ({ graph, inputs: { x } }) => log1p(graph, x),
  Expm1: ({ graph, inputs: { x } }) => expm1(graph, x),
  Sqrt: real('Sqrt'),
  Rsqrt: ({ graph, inputs: { x } }) => unary(graph, 'Reciprocal', unary(graph, 'Sqrt', x)),
  Reciprocal: real('Reciprocal'),
  Square: ({ graph, inputs: { x } }) => multiply(graph, x, x),
  Abs: simple('Abs'),
  Sign: simple('Sign'),
  Floor: simple('Floor'),
  Ceil: simple('Ceil'),
  Round: simple('Round'),
  Sin: real('Sin'),
  Cos: real('Cos'),
  Tanh: real('Tanh'),
  Sigmoid: real('Sigmoid'),
  Relu: simple('Relu'),
  Relu6: ({ graph, inputs: { x } }) => clip(graph, x, 0, 6),
  Elu: real('Elu'),
  EluGrad: eluGradient,
  Softplus: real('Softplus'),
  Erf: real('Erf'),
  LeakyRelu: ({ graph, inputs: { x }, attributes }) => leaky(graph, x, attributes.alpha),
  Step: ({ graph, inputs: { x }, attributes }) => step(graph, x, attributes.alpha ?? 0),
  ClipByValue: ({ graph, inputs: { x }, attributes }) =>
    clip(graph, x, attributes.clipValueMin, attributes.clipValueMax),
  IsNan: ({ graph, inputs: { x } }) => unary(graph, 'IsNaN', x, 'bool'),
  IsInf: ({ graph, inputs: { x } }) => unary(graph, 'IsInf', x, 'bool'),
  Cast: ({ graph, inputs: { x }, attributes }) => cast(graph, x, dtypeOf(attributes.dtype)),
  Identity: ({ inputs: { x } }) => x,
  ZerosLike: (call) => constantLike(call, 0),
  OnesLike: (call) => constantLike(call, 1),
  Fill: ({ graph, attributes: { shape, value, dtype } }) => ({
    value: graph.scalar(value, dtypeOf(dtype ?? 'float32')),
    shape,
  }),
};
