import * as tf from '@tensorflow/tfjs';
import { fuse } from './fuse';
import { type Body, type Node, reachable, type Value } from './graph';
import { materialise, whole } from './lazy';
import { insideGradient, isTracing } from './trace';
import { tracingBackend } from './tracing-backend';

/** Result of one iteration of a scan: the next states, and the outputs of this iteration. */
export interface Turn {
  states: tf.Tensor[];
  kept?: tf.Tensor[];
}

/**
 * A loop in which each turn depends on the one before: `turn(states, entries)` is called with the i-th entries of `sequences`
 * along their first axis. In a compiled function it is one node with one body for any number of iterations, and whatever
 * does not depend on states or entries is computed before it; eagerly, and in a gradient, it is a plain loop.
 * @returns the last states, and the outputs of all iterations, stacked along a new first axis.
 */
export function scan(
  states: readonly tf.Tensor[],
  sequences: readonly tf.Tensor[],
  turn: (states: tf.Tensor[], entries: tf.Tensor[]) => Turn,
): { states: tf.Tensor[]; kept: tf.Tensor[] } {
  if (isTracing() && !insideGradient()) return traced(states, sequences, turn);
  let current = [...states];
  const kept: tf.Tensor[][] = [];
  const entries = sequences.map((sequence) => tf.unstack(sequence));
  for (let i = 0; i < sequences[0].shape[0]; i++) {
    const result = turn(
      current,
      entries.map((list) => list[i]),
    );
    current = result.states;
    for (const [k, x] of (result.kept ?? []).entries()) kept[k] = [...(kept[k] ?? []), x];
  }
  return { states: current, kept: kept.map((list) => tf.stack(list)) };
}

function traced(
  states: readonly tf.Tensor[],
  sequences: readonly tf.Tensor[],
  turn: (states: tf.Tensor[], entries: tf.Tensor[]) => Turn,
): { states: tf.Tensor[]; kept: tf.Tensor[] } {
  const backend = tracingBackend();
  const { graph } = backend;
  const inMemory = (x: tf.Tensor): Value =>
    materialise(graph, { value: backend.lookUp(x.dataId).value, shape: x.shape });
  const given = [...states, ...sequences].map(inMemory);
  const inputs = given.map(({ shape, dtype }, i) => graph.variable(i < states.length ? shape : shape.slice(1), dtype));
  const tensors = inputs.map((value) => backend.tensor(whole(value)));
  const result = turn(tensors.slice(0, states.length), tensors.slice(states.length));
  const results = [...result.states, ...(result.kept ?? [])];
  const outputs = fuse(
    graph,
    results.map((x, i) => ({ name: `${i}`, value: inMemory(x) })),
  ).map(({ value }) => value);
  const body = bodyOf(inputs, outputs);
  const turns = sequences[0].shape[0];
  const made = graph.nodes(
    'Scan',
    [...given, ...body.captured],
    outputs.map(({ shape, dtype }, i) => ({ shape: i < states.length ? shape : [turns, ...shape], dtype })),
    { num_scan_inputs: sequences.length },
    body,
  );
  const all = made.map((value) => backend.tensor(whole(value)));
  return { states: all.slice(0, states.length), kept: all.slice(states.length) };
}

/** The nodes that depend on the inputs, and the values that these take from outside. */
function bodyOf(inputs: readonly Value[], outputs: readonly Value[]): Body {
  const inside = new Set<Value>(inputs);
  const nodes: Node[] = [];
  for (const node of reachable(outputs)) {
    if (!node.inputs.some((input) => input && inside.has(input))) continue;
    nodes.push(node);
    for (const output of node.outputs) inside.add(output);
  }
  const used = [...nodes.flatMap(({ inputs }) => inputs), ...outputs];
  const captured = new Set(used.filter((x): x is Value => x !== undefined && !x.constant && !inside.has(x)));
  return { inputs, outputs, nodes, captured: [...captured] };
}
