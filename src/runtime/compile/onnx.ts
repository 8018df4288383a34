import { type Attribute, type DType, type Graph, reachable, type Value } from './graph';
import { ProtobufWriter } from './protobuf';

/** ONNX operator set and file version in use; both are read by ONNX Runtime 1.17 and later. */
const OPSET = 18;
const IR_VERSION = 9;
const ELEMENT: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

/** Inputs and outputs of an encoded model, in order. */
export interface OnnxModel {
  bytes: Uint8Array;
  inputs: { name: string; shape: readonly number[]; dtype: DType }[];
  outputs: { name: string; shape: readonly number[]; dtype: DType }[];
  nodes: number;
}

/**
 * Encodes the part of a graph that `outputs` depend on as an ONNX file. Inputs that no output depends on are dropped.
 * @param outputs named results; a name must be unique and is kept in the file.
 */
export function encodeOnnx(
  graph: Graph,
  outputs: readonly { name: string; value: Value }[],
  name = 'graph',
): OnnxModel {
  const nodes = reachable(outputs.map((output) => output.value));
  const used = new Set<Value>(outputs.map((output) => output.value));
  for (const node of nodes) for (const input of node.inputs) if (input) used.add(input);
  const inputs = graph.inputs.filter((value) => used.has(value));
  const named = new Map<Value, string>();
  for (const { name, value } of outputs) if (value.node && !named.has(value)) named.set(value, name);
  const label = (value: Value | undefined) =>
    value === undefined ? '' : (value.input ?? named.get(value) ?? `v${value.id}`);

  const body = new ProtobufWriter();
  for (const node of nodes) {
    const message = new ProtobufWriter();
    for (const input of node.inputs) message.bytes(1, label(input));
    for (const output of node.outputs) message.bytes(2, label(output));
    message.bytes(3, label(node.outputs[0])).bytes(4, node.op);
    for (const [key, value] of Object.entries(node.attributes)) message.bytes(5, attribute(key, value));
    if (node.domain) message.bytes(7, node.domain);
    body.bytes(1, message);
  }
  for (const { name, value } of outputs) {
    if (label(value) !== name)
      body.bytes(1, new ProtobufWriter().bytes(1, label(value)).bytes(2, name).bytes(4, 'Identity'));
  }
  body.bytes(2, name);
  for (const value of used) {
    if (!value.constant) continue;
    const message = new ProtobufWriter();
    for (const n of value.shape) message.integer(1, n);
    message.integer(2, ELEMENT[value.dtype]).bytes(8, label(value));
    message.bytes(9, new Uint8Array(value.constant.buffer, value.constant.byteOffset, value.constant.byteLength));
    body.bytes(5, message);
  }
  for (const value of inputs) body.bytes(11, valueInfo(label(value), value));
  for (const { name, value } of outputs) body.bytes(12, valueInfo(name, value));

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
