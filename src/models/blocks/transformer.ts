import * as tf from '@tensorflow/tfjs';
import type { Parameters } from '../../runtime/parameters';
import type { Shapes } from './initialisers';
import { gelu, layerNorm, linear, weight } from './layers';

/** Factors that dropout multiplies with (0 or 1 / (1 - rate)), by place, e.g. `encoder_blocks.0.attn`; see `dropoutShapes`. */
export type Dropout = Record<string, tf.Tensor>;

export interface BlockOptions {
  heads: number;
  /** Of both layer norms; default 1e-6. */
  epsilon?: number;
  dropout?: Dropout;
  /** Added to the attention scores `[queries, keys]` before the softmax, e.g. -1e9 for what must not be seen. */
  scoreBias?: tf.Tensor2D;
  /** Keys and values to attend to instead of the block's own, given those: a cache puts the earlier tokens' in front. */
  extend?: (name: string, keys: tf.Tensor4D, values: tf.Tensor4D) => [keys: tf.Tensor4D, values: tf.Tensor4D];
}

/** Adds the names and shapes of one pre-norm block to a table. */
export function addBlockShapes(shapes: Shapes, name: string, width: number, mlpRatio: number): void {
  const hidden = Math.trunc(width * mlpRatio);
  const add = (part: string, shape: number[]) => {
    shapes.set(`${name}.${part}.weight`, shape).set(`${name}.${part}.bias`, [shape[0]]);
  };
  add('norm1', [width]);
  add('attn.qkv', [3 * width, width]);
  add('attn.proj', [width, width]);
  add('norm2', [width]);
  add('mlp.fc1', [hidden, width]);
  add('mlp.fc2', [width, hidden]);
}

/** Pre-norm transformer block: x + attention(norm(x)), then x + MLP(norm(x)); `[batch, tokens, width]`. */
export function block(parameters: Parameters, name: string, x: tf.Tensor3D, options: BlockOptions): tf.Tensor3D {
  const normed = layerNorm(parameters, `${name}.norm1`, x, options.epsilon);
  return residual(parameters, name, x, attention(parameters, `${name}.attn`, normed, options), options);
}

/**
 * Some rows of a block's result, `[batch, rows, width]`, and nothing that only other rows need: they attend to all tokens, but
 * queries and MLP are theirs alone.
 * @param take the rows of `[batch, tokens, width]`.
 */
export function blockRows(
  parameters: Parameters,
  name: string,
  x: tf.Tensor3D,
  take: (x: tf.Tensor3D) => tf.Tensor3D,
  { heads, epsilon }: Pick<BlockOptions, 'heads' | 'epsilon'>,
): tf.Tensor3D {
  const taken = take(x);
  const [few, all] = [taken, x].map((rows) => layerNorm(parameters, `${name}.norm1`, rows, epsilon));
  const matrices = tf.split(weight<tf.Tensor2D>(parameters, `${name}.attn.qkv.weight`), 3);
  const biases = tf.split(weight<tf.Tensor1D>(parameters, `${name}.attn.qkv.bias`), 3);
  const [queries, keys, values] = [few, all, all].map((rows, i) => {
    const part = new Map<string, tf.Tensor>().set('part.weight', matrices[i]).set('part.bias', biases[i]);
    return splitHeads(linear(part, 'part', rows), heads);
  });
  const attended = linear(parameters, `${name}.attn.proj`, attend(queries, keys, values));
  return residual(parameters, name, taken, attended, { heads, epsilon });
}

/** x + attention, then that + MLP(norm(that)). */
function residual(
  parameters: Parameters,
  name: string,
  x: tf.Tensor3D,
  attended: tf.Tensor3D,
  { dropout, epsilon }: BlockOptions,
): tf.Tensor3D {
  const middle = x.add(drop(attended, dropout, `${name}.attn.proj`));
  const normed = layerNorm(parameters, `${name}.norm2`, middle, epsilon);
  const hidden = drop(gelu(linear(parameters, `${name}.mlp.fc1`, normed)), dropout, `${name}.mlp.fc1`);
  return middle.add(drop(linear(parameters, `${name}.mlp.fc2`, hidden), dropout, `${name}.mlp.fc2`)) as tf.Tensor3D;
}

/** Queries, keys and values of a fused projection, each `[batch, heads, tokens, width / heads]`. */
export function projectHeads(parameters: Parameters, name: string, x: tf.Tensor3D, heads: number): tf.Tensor4D[] {
  return tf.split(linear(parameters, `${name}.qkv`, x), 3, 2).map((part) => splitHeads(part as tf.Tensor3D, heads));
}

/** `[batch, tokens, width]` as `[batch, heads, tokens, width / heads]`. */
function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [batch, tokens, width] = x.shape;
  return x.reshape([batch, tokens, heads, width / heads]).transpose([0, 2, 1, 3]) as tf.Tensor4D;
}

/** softmax(q k^T / sqrt(d)) v with heads joined again: `[batch, queries, width]`. */
export function attend(
  queries: tf.Tensor4D,
  keys: tf.Tensor4D,
  values: tf.Tensor4D,
  scoreBias?: tf.Tensor2D,
  factor?: tf.Tensor,
): tf.Tensor3D {
  const [batch, heads, tokens, width] = queries.shape;
  const scores = tf.matMul(queries.mul(width ** -0.5), keys, false, true);
  const probabilities = tf.softmax(scoreBias ? scores.add(scoreBias) : scores);
  return tf
    .matMul(factor ? probabilities.mul(factor) : probabilities, values)
    .transpose([0, 2, 1, 3])
    .reshape([batch, tokens, heads * width]);
}

function attention(parameters: Parameters, name: string, x: tf.Tensor3D, options: BlockOptions): tf.Tensor3D {
  const [queries, ...own] = projectHeads(parameters, name, x, options.heads);
  const [keys, values] = options.extend?.(name, own[0], own[1]) ?? own;
  const joined = attend(queries, keys, values, options.scoreBias, options.dropout?.[name]);
  return linear(parameters, `${name}.proj`, joined);
}

/** Where a block drops, and the shapes of the factors. */
export function addDropoutShapes(
  shapes: Shapes,
  name: string,
  x: readonly [batch: number, tokens: number, width: number],
  heads: number,
  mlpRatio: number,
): void {
  const [batch, tokens, width] = x;
  shapes.set(`${name}.attn`, [batch, heads, tokens, tokens]);
  shapes.set(`${name}.attn.proj`, [batch, tokens, width]);
  shapes.set(`${name}.mlp.fc1`, [batch, tokens, Math.trunc(width * mlpRatio)]);
  shapes.set(`${name}.mlp.fc2`, [batch, tokens, width]);
}

function drop<T extends tf.Tensor>(x: T, dropout: Dropout | undefined, name: string): T {
  const factor = dropout?.[name];
  return factor ? (x.mul(factor) as T) : x;
}
