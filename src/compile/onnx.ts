import { type Attribute, type DType, type Graph, type Node, reachable, type Value } from './graph';
import { ProtobufWriter } from './protobuf';

/** ONNX operator set and file version in use; both are read by ONNX Runtime 1.17 and later. */
const OPSET = 18;
const IR_VERSION = 9;
const ELEMENT: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

/** Inputs and outputs of a model, in order, and the number of its nodes. */
export interface Signature {
  inputs: { name: string; shape: readonly number[]; dtype: DType }[];
  outputs: { name: string; shape: readonly number[]; dtype: DType }[];
  nodes: number;
}

/** An encoded model. */
export interface OnnxModel extends Signature {
  /** Not needed once it is loaded, and as large as its weights. */
  bytes: Uint8Array;
}

/** A model without its bytes. */
export const signatureOf = ({ inputs, outputs, nodes }: OnnxModel): Signature => ({ inputs, outputs, nodes });

/**
 * Encodes the part of a graph that `outputs` depend on as an ONNX file. Inputs that no output depends on are dropped.
 * @param outputs named results; a name must be unique and is kept in the file.
 */
export function encodeOnnx(
  graph: Graph,
  outputs: readonly { name: string; value: Value }[],
  name = 'graph',
): OnnxModel {
  const nodes = reachable(outputs.map(({ value }) => value));
  const used = new Set([...outputs.map(({ value }) => value), ...nodes.flatMap((node) => node.inputs)]);
  const inputs = graph.inputs.filter((value) => used.has(value));
  const names = new Map(inputs.map((value) => [value, value.input!]));
  const body = encodeGraph({ name, nodes, inputs, outputs, names });
  const model = new ProtobufWriter().integer(1, IR_VERSION).bytes(2, 'condition-refinement').bytes(7, body);
  model.bytes(8, new ProtobufWriter().bytes(1, '').integer(2, OPSET));
  model.bytes(8, new ProtobufWriter().bytes(1, 'com.microsoft').integer(2, 1));
  return {
    bytes: model.finish(),
    inputs: inputs.map((value) => ({ name: value.input!, shape: value.shape, dtype: value.dtype })),
    outputs: outputs.map(({ name, value }) => ({ name, shape: value.shape, dtype: value.dtype })),
    nodes: nodes.length,
  };
}

interface Scope {
  name: string;
  nodes: readonly Node[];
  inputs: readonly Value[];
  outputs: readonly { name?: string; value: Value }[];
  /** Names of values from outside: inputs, and what a body captures. */
  names: ReadonlyMap<Value, string>;
}

/** A graph, or the body of a loop, with the constants that it uses. */
function encodeGraph({ name, nodes, inputs, outputs, names }: Scope): ProtobufWriter {
  const used = new Set([...nodes.flatMap((node) => node.inputs), ...outputs.map(({ value }) => value)]);
  const constants = [...used].flatMap((value) =>
    value?.constant ? [{ ...value, constant: value.constant, value }] : [],
  );
  // A body has constants of its own, which ONNX Runtime then treats as it does those of a whole graph.
  const named = new Map([...names, ...constants.map(({ id, value }) => [value, `${name}.${id}`] as const)]);
  const made = new Set(nodes.flatMap((node) => node.outputs));
  const results = outputs.map((output, i) => {
    const { value } = output;
    const result = { name: output.name ?? `${name}.${i}`, value };
    if (made.has(value) && !named.has(value)) named.set(value, result.name);
    return result;
  });
  const label = (value: Value | undefined) => (value === undefined ? '' : (named.get(value) ?? `v${value.id}`));

  const writer = new ProtobufWriter();
  for (const node of nodes) {
    const { body } = node;
    const given = node.inputs.slice(0, body?.inputs.length);
    const message = new ProtobufWriter();
    for (const input of given) message.bytes(1, label(input));
    for (const output of node.outputs) message.bytes(2, label(output));
    message.bytes(3, label(node.outputs[0])).bytes(4, node.op);
    for (const [key, value] of Object.entries(node.attributes)) message.bytes(5, attribute(key, value));
    if (body) {
      const captured = body.captured.map((value, i) => [value, label(node.inputs[given.length + i])] as const);
      const scope: Scope = {
        name: `${label(node.outputs[0])}.body`,
        nodes: body.nodes,
        inputs: body.inputs,
        outputs: body.outputs.map((value) => ({ value })),
        names: new Map([...named, ...captured]),
      };
      message.bytes(5, new ProtobufWriter().bytes(1, 'body').bytes(6, encodeGraph(scope)).integer(20, 5));
    }
    if (node.domain) message.bytes(7, node.domain);
    writer.bytes(1, message);
  }
  for (const { name: result, value } of results) {
    if (label(value) === result) continue;
    writer.bytes(1, new ProtobufWriter().bytes(1, label(value)).bytes(2, result).bytes(4, 'Identity'));
  }
  writer.bytes(2, name);
  for (const { shape, dtype, constant, value } of constants) {
    const message = new ProtobufWriter();
    for (const n of shape) message.integer(1, n);
    message.integer(2, ELEMENT[dtype]).bytes(8, label(value));
    message.bytes(9, new Uint8Array(constant.buffer, constant.byteOffset, constant.byteLength));
    writer.bytes(5, message);
  }
  for (const value of inputs) writer.bytes(11, valueInfo(label(value), value));
  for (const { name: result, value } of results) writer.bytes(12, valueInfo(result, value));
  return writer;
}

function valueInfo(name: string, { shape, dtype }: Value): ProtobufWriter {
  const dimensions = new ProtobufWriter();
  for (const n of shape) dimensions.bytes(1, new ProtobufWriter().integer(1, n));
  const tensor = new ProtobufWriter().integer(1, ELEMENT[dtype]).bytes(2, dimensions);
  return new ProtobufWriter().bytes(1, name).bytes(2, new ProtobufWriter().bytes(1, tensor));
}

function attribute(name: string, value: Attribute): ProtobufWriter {
  const message = new ProtobufWriter().bytes(1, name);
  if (typeof value === 'number') return message.integer(3, value).integer(20, 2);
  if (typeof value === 'string') return message.bytes(4, value).integer(20, 3);
  if ('float' in value) return message.float(2, value.float).integer(20, 1);
  for (const n of value) message.integer(8, n);
  return message.integer(20, 7);
}
