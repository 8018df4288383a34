/**
 * A computation as a graph of ONNX operators with static shapes. Building it shares common subexpressions: the same
 * operator on the same values with the same attributes is one node.
 */
export type DType = 'float32' | 'int32' | 'int64' | 'bool';
export type Attribute = number | string | readonly number[] | { float: number };
export type ConstantData = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** One array that flows through the graph. */
export interface Value {
  readonly id: number;
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** Name, when it is an input of the graph. */
  readonly input?: string;
  /** Contents, when it is known while tracing. */
  readonly constant?: ConstantData;
  /** Producer, otherwise. */
  readonly node?: Node;
}

/** The body of a loop. */
export interface Body {
  /** Stand for the states and entries of a turn. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** The nodes of a turn, producers first. */
  readonly nodes: readonly Node[];
  /** Values from outside, in the order in which they follow the loop's own inputs. */
  readonly captured: readonly Value[];
}

export interface Node {
  readonly op: string;
  readonly domain: '' | 'com.microsoft';
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: Value[];
  readonly body?: Body;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** Constants up to this many elements are compared by content, so that equal ones are shared. */
const SHARED_CONSTANT = 4096;
/** Operators of ONNX Runtime's own domain; every ONNX Runtime build has it. */
const CONTRIBUTED = new Set(['FusedMatMul', 'Gelu', 'QuickGelu']);

export class Graph {
  readonly inputs: Value[] = [];
  private count = 0;
  private readonly known = new Map<string, Value[]>();

  /** An input of the graph. */
  input(name: string, shape: readonly number[], dtype: DType): Value {
    const value: Value = { id: this.count++, shape, dtype, input: name };
    this.inputs.push(value);
    return value;
  }

  /** A value that a body takes in each turn. */
  variable(shape: readonly number[], dtype: DType): Value {
    return { id: this.count++, shape, dtype };
  }

  /** A constant array; an array of equal entries is better made by `scalar` and broadcast. */
  constant(data: ConstantData, shape: readonly number[], dtype: DType): Value {
    if (data.length > SHARED_CONSTANT) return { id: this.count++, shape, dtype, constant: data };
    const bits = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    return this.share(`constant|${dtype}|${shape}|${bits}`, () => [
      { id: this.count++, shape, dtype, constant: data },
    ])[0];
  }

  /** A constant of shape `[]`. */
  scalar(value: number, dtype: DType): Value {
    return this.constant(arrayOf([value], dtype), [], dtype);
  }

  /** A constant vector of 64-bit integers, the form in which ONNX takes shapes, axes and offsets. */
  integers(values: readonly number[]): Value {
    return this.constant(BigInt64Array.from(values, BigInt), [values.length], 'int64');
  }

  /** Adds one node with a single output; an empty array needs none. */
  node(
    op: string,
    inputs: readonly (Value | undefined)[],
    shape: readonly number[],
    dtype: DType,
    attributes: Record<string, Attribute> = {},
  ): Value {
    if (sizeOf(shape) === 0) return this.constant(arrayOf([], dtype), shape, dtype);
    return this.nodes(op, inputs, [{ shape, dtype }], attributes)[0];
  }

  /** Adds one node with several outputs. */
  nodes(
    op: string,
    inputs: readonly (Value | undefined)[],
    outputs: readonly { shape: readonly number[]; dtype: DType }[],
    attributes: Record<string, Attribute> = {},
    body?: Body,
  ): Value[] {
    const inner = body ? `|${body.outputs.map(({ id }) => id)}` : '';
    const key = `${op}|${inputs.map((x) => x?.id ?? '-').join()}|${JSON.stringify(attributes, exactly)}${inner}`;
    return this.share(key, () => {
      const domain = CONTRIBUTED.has(op) ? 'com.microsoft' : '';
      const node: Node = { op, domain, inputs, attributes, outputs: [], body };
      for (const { shape, dtype } of outputs) node.outputs.push({ id: this.count++, shape, dtype, node });
      return node.outputs;
    });
  }

  private share(key: string, make: () => Value[]): Value[] {
    const found = this.known.get(key);
    if (found) return found;
    const made = make();
    this.known.set(key, made);
    return made;
  }
}

/** JSON has no NaN, infinities or negative zero, which are different attributes. */
const exactly = (_: string, x: unknown): unknown =>
  typeof x === 'number' && (Object.is(x, -0) || !Number.isFinite(x)) ? `${Object.is(x, -0) ? '-0' : x}` : x;

/** A typed array of the kind that stores `dtype`: `values` itself where it is one. */
export function arrayOf(values: ArrayLike<number>, dtype: DType): ConstantData {
  if (dtype === 'float32') return values instanceof Float32Array ? values : Float32Array.from(values);
  if (dtype === 'int32') return Int32Array.from(values);
  if (dtype === 'bool') return Uint8Array.from(values, (x) => (x ? 1 : 0));
  return BigInt64Array.from(Array.from(values, (x) => BigInt(Math.trunc(x))));
}

/** The nodes that the given values depend on, producers first; nodes that nothing depends on are left out. */
export function reachable(outputs: readonly Value[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  const visit = (value: Value | undefined) => {
    if (value?.node && !seen.has(value.node)) {
      seen.add(value.node);
      stack.push({ node: value.node, next: 0 });
    }
  };
  for (const output of outputs) {
    visit(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next < top.node.inputs.length) visit(top.node.inputs[top.next++]);
      else order.push(stack.pop()!.node);
    }
  }
  return order;
}
