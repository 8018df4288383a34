import { resolve } from 'node:path';
import { readSafetensors } from '../io/safetensors';
import { bytesOf, type StoredTensor, toFloat64 } from '../io/tensor-record';
import { type CheckpointValue, isTensor, readTorchCheckpoint, stateDict } from '../io/torch-checkpoint';
import { diffusionHeadShapes } from '../models/blocks/diffusion-loss';
import type { Shapes } from '../models/blocks/initialisers';
import { marShapes } from '../models/mar/mar';
import { vaeShapes } from '../models/vae/vae';
import { type Comparison, TOLERANCE } from './comparison';
import { marConfigOf } from './mar-cases';
import type { ReferenceCase } from './reference';
import type { Runner } from './runner';
import { vaeConfigOf } from './vae-cases';

interface HeadConfig {
  target_channels: number;
  z_channels: number;
  width: number;
  depth: number;
  timestep_frequency_size?: number;
}

/** Weight files: names and shapes against the shape table of their configuration. */
export const weightFiles: Runner = {
  family: 'weights',
  matches: (given) =>
    'config' in given.json && given.hasTensors && resolve(given.weightsPath()) === resolve(`${given.stem}.safetensors`),
  run: (given, compare) => {
    const listed = (shapes: Iterable<readonly [string, readonly number[]]>) =>
      Array.from(shapes, ([name, shape]) => `${name} [${shape}]`).sort();
    const stored = Array.from(given.tensors, ([name, { shape }]) => [name, shape] as const);
    compare.equal('names and shapes', listed(expectedShapes(given)), listed(stored));
  },
};

function expectedShapes(given: ReferenceCase): Shapes {
  const config = given.part<Record<string, unknown>>('config');
  if ('encoder_embed_dim' in config) return marShapes(marConfigOf(given));
  if ('ch_mult' in config) return vaeShapes(vaeConfigOf(given));
  const head = given.part<HeadConfig>('config');
  return diffusionHeadShapes({
    channels: head.target_channels,
    conditionWidth: head.z_channels,
    width: head.width,
    depth: head.depth,
    frequencies: head.timestep_frequency_size,
  });
}

interface Statistics {
  sum_float64: number;
  sum_squares_float64: number;
  first_values?: number[];
}

/** Tensors in half precision: exactly widened, and each the nearest to the float32 weight. */
export const halfPrecision: Runner = {
  family: 'half precision',
  matches: ({ tensors }) => [...tensors.values()].some(({ dtype }) => dtype === 'F16' || dtype === 'BF16'),
  run: (given, compare) => {
    const statistics = given.part<Record<string, Statistics>>('tensors');
    const full = readSafetensors(given.weightsPath()).tensors;
    for (const [name, tensor] of given.tensors) {
      const values = toFloat64(tensor);
      compareStatistics(compare, name, values, statistics[name]);
      const original = full.get(name);
      // Half the spacing of 11 or 8 significant bits, or of the subnormals of F16.
      const [spacing, least] = tensor.dtype === 'F16' ? [2 ** -11, 2 ** -25] : [2 ** -8, 0];
      if (!original || (tensor.dtype !== 'F16' && tensor.dtype !== 'BF16')) continue;
      const exact = toFloat64(original);
      const over = values.filter((v, i) => Math.abs(v - exact[i]) > Math.max(spacing * Math.abs(exact[i]), least));
      compare.add(`${name}: entries beyond half a spacing`, over.length, TOLERANCE.exact);
    }
  },
};

function compareStatistics(compare: Comparison, name: string, values: Float64Array, expected: Statistics): void {
  const squares = values.reduce((sum, v) => sum + v * v, 0);
  // Sums in another order differ in the last digits; a sum near zero is measured against the norm.
  const floor = Math.sqrt(expected.sum_squares_float64);
  const sum = values.reduce((total, v) => total + v, 0);
  compare.entries(`${name}: sum`, sum, expected.sum_float64, TOLERANCE.table, floor);
  compare.entries(`${name}: sum of squares`, squares, expected.sum_squares_float64, TOLERANCE.table);
  if (expected.first_values) {
    compare.equal(`${name}: first values`, values.slice(0, expected.first_values.length), expected.first_values);
  }
}

/** Training checkpoints: `model` bit for bit as its safetensors twin, `model_ema` by its sums, the plain values of `args`. */
export const torchCheckpoints: Runner = {
  family: '.pth checkpoint',
  matches: ({ json, stem }) => stem.endsWith('.pth') && 'model' in ((json.tensors ?? {}) as object),
  run: (given, compare) => {
    const checkpoint = readTorchCheckpoint(given.stem);
    const groups = given.part<Record<string, Record<string, Statistics>>>('tensors');
    for (const [key, group] of Object.entries(groups)) {
      const dict = stateDict(checkpoint, key);
      compare.equal(`${key}: names`, [...dict.keys()].sort(), Object.keys(group).sort());
      for (const [name, expected] of Object.entries(group)) {
        const stored = dict.get(name);
        if (stored) compareStatistics(compare, `${key}.${name}`, toFloat64(stored), expected);
      }
    }
    const twin = /equals (\S+\.safetensors)/.exec(given.part<string | undefined>('about') ?? '')?.[1];
    if (twin) compareBits(given, compare, twin, stateDict(checkpoint, 'model'));
    const args = (checkpoint.content as Map<string, CheckpointValue>).get('args');
    const expected = given.part<Record<string, unknown> | undefined>('args');
    if (expected) compare.equal('args', [canonical(args)], [canonical(expected)]);
  },
};

function compareBits(given: ReferenceCase, compare: Comparison, file: string, dict: Map<string, StoredTensor>): void {
  const path = given.stem.replace(/[^/\\]+$/, file);
  let different = 0;
  for (const [name, tensor] of readSafetensors(path).tensors) {
    const other = dict.get(name);
    const same =
      other &&
      other.shape.join() === tensor.shape.join() &&
      Buffer.compare(bytesOf(other.data), bytesOf(tensor.data)) === 0;
    if (!same) different++;
  }
  compare.add(`model: tensors that differ from ${file}`, different, TOLERANCE.exact);
}

interface OddTensor {
  torch_dtype: string;
  shape: number[];
  values: (number | string)[];
}

/** Checkpoints of views, shared storages, many types and plain values. */
export const oddCheckpoints: Runner = {
  family: '.pth tensors',
  matches: ({ json, stem }) => stem.endsWith('.pth') && 'plain' in json,
  run: (given, compare) => {
    const { content, tensors } = readTorchCheckpoint(given.stem);
    for (const [name, expected] of Object.entries(given.part<Record<string, OddTensor>>('tensors'))) {
      const path = [...tensors.keys()].find((key) => key === name || key.endsWith(`.${name}`)) ?? name;
      const tensor = tensors.get(path);
      compare.equal(`${name}: shape`, tensor?.shape ?? ['missing'], expected.shape);
      if (!tensor) continue;
      const big = tensor.data instanceof BigInt64Array || tensor.data instanceof BigUint64Array;
      const values: (number | string)[] = big
        ? Array.from(tensor.data as BigInt64Array, String)
        : [...toFloat64(tensor)];
      compare.equal(`${name}: values`, values, big ? expected.values.map(String) : expected.values);
    }
    const plain = content as Map<string, CheckpointValue>;
    for (const [name, expected] of Object.entries(given.part<Record<string, unknown>>('plain'))) {
      const key = name.replace(/_as_text$/, '');
      const value = plain.get(key);
      const actual = key === name ? canonical(withoutTensors(value)) : String(value);
      compare.equal(`plain ${key}`, [actual], [key === name ? canonical(expected) : expected]);
    }
  },
};

/** JSON with sorted keys, so that equal contents have equal text. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner) => {
    if (typeof inner === 'bigint') return Number(inner);
    const entries =
      inner instanceof Map ? [...inner] : inner?.constructor === Object ? Object.entries(inner) : undefined;
    return entries ? Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))) : inner;
  });
}

/** The reference's JSON describes a tensor inside a list in words. */
function withoutTensors(value: CheckpointValue | undefined): unknown {
  return Array.isArray(value) ? value.map((item) => (isTensor(item) ? 'tensor of two ones' : item)) : value;
}
