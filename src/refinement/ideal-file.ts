import { z } from 'zod';
import { readSafetensors, writeSafetensors } from '../io/safetensors';
import type { TensorRecord } from '../io/tensor-record';
import { FileFormatError, InvalidInputError } from '../runtime/errors';
import { bufferSize, emptyGroup, GROUPINGS, type IdealConditions, samplesOf } from './ideal-conditions';

const FORMAT = 'ideal conditions 1';

const header = z.object({
  width: z.number().int().positive(),
  grouping: z.enum(GROUPINGS),
  capacity: z.number().int().positive(),
  fingerprint: z.string(),
  channels: z.number().int().positive().optional(),
  tokens: z.number().int().positive().optional(),
  upkeep: z.union([z.literal('reservoir'), z.object({ halfLife: z.number().positive() })]).optional(),
  /** Group names with the number of rows that each was ever offered. */
  groups: z.array(z.tuple([z.string(), z.number().int().positive()])).min(1),
});

/**
 * Writes a buffer as safetensors, atomically: `conditions` (and `latents`, `known` as bits), all groups one after another, and in the
 * metadata what they are of: fingerprint, grouping, capacity, upkeep, groups with their counts.
 * @throws InvalidInputError for an empty buffer.
 */
export function saveIdealConditions(path: string, buffer: IdealConditions): void {
  if (buffer.groups.size === 0) throw emptyBuffer();
  const { width, capacity, channels, tokens, groups, ...rest } = buffer;
  const { rows } = bufferSize(buffer);
  const counts = [...groups].map(([name, { seen }]) => [name, seen] as [string, number]);
  const join = <A extends Float32Array | Uint8Array>(out: A, each: number, part: 'rows' | 'latents' | 'known') => {
    let at = 0;
    for (const group of groups.values()) {
      const count = Math.min(group.seen, capacity);
      out.set((group[part] as A).subarray(0, count * each), at);
      at += count * each;
    }
    return out;
  };
  const tensors: [string, TensorRecord][] = [
    ['conditions', { dtype: 'F32', shape: [rows, width], data: join(new Float32Array(rows * width), width, 'rows') }],
  ];
  if (channels) {
    const data = join(new Float32Array(rows * channels), channels, 'latents');
    tensors.push(['latents', { dtype: 'F32', shape: [rows, channels], data }]);
  }
  if (tokens) {
    const bytes = Math.ceil(tokens / 8);
    const data = join(new Uint8Array(rows * bytes), bytes, 'known');
    tensors.push(['known', { dtype: 'U8', shape: [rows, bytes], data }]);
  }
  const described = { width, capacity, channels, tokens, ...rest, groups: counts };
  writeSafetensors(path, tensors, { format: FORMAT, buffer: JSON.stringify(described) });
}

/**
 * Reads a buffer that `saveIdealConditions` wrote.
 * @param fingerprint of the model that it is to serve; leave out to look at any buffer.
 * @throws FileFormatError for another or a damaged file, InvalidInputError for the buffer of another model.
 */
export function loadIdealConditions(path: string, fingerprint?: string): IdealConditions {
  const { metadata, tensors } = readSafetensors(path);
  if (metadata.format !== FORMAT) throw wrongFile(path, `format ${metadata.format ?? 'not stated'}`);
  const parsed = header.safeParse(parseJson(path, metadata.buffer ?? ''));
  if (!parsed.success) throw wrongFile(path, `metadata with a wrong ${parsed.error.issues[0].path.join('.')}`);
  const { groups: counts, ...described } = parsed.data;
  const buffer: IdealConditions = { ...described, groups: new Map() };
  if (fingerprint !== undefined) requireModel(buffer, fingerprint);
  const rows = counts.reduce((sum, [, seen]) => sum + Math.min(seen, buffer.capacity), 0);
  const part = (name: string, each: number) => {
    const tensor = tensors.get(name);
    if (tensor?.shape.join() !== `${rows},${each}`) {
      throw wrongFile(path, `${name} of shape [${tensor?.shape ?? 'absent'}] where [${rows}, ${each}] is announced`);
    }
    return { each, values: tensor.data as Float32Array | Uint8Array };
  };
  const conditions = part('conditions', buffer.width);
  const latents = buffer.channels ? part('latents', buffer.channels) : undefined;
  const known = buffer.tokens ? part('known', Math.ceil(buffer.tokens / 8)) : undefined;
  if (!conditions.values.every(Number.isFinite)) throw wrongFile(path, 'conditions that are not finite');
  let at = 0;
  for (const [name, seen] of counts) {
    const count = Math.min(seen, buffer.capacity);
    const group = { ...emptyGroup(buffer), seen };
    const fill = (to: Float32Array | Uint8Array | undefined, from?: { each: number; values: ArrayLike<number> }) => {
      if (to && from) {
        to.set((from.values as Float32Array).subarray(at * from.each, (at + count) * from.each));
      }
    };
    fill(group.rows, conditions);
    fill(group.latents, latents);
    fill(group.known, known);
    buffer.groups.set(name, group);
    at += count;
  }
  return buffer;
}

/** @throws InvalidInputError when the buffer was made by another model, or holds nothing. */
export function requireModel(buffer: IdealConditions, fingerprint: string): void {
  if (buffer.fingerprint !== fingerprint) {
    throw new InvalidInputError('Refinement, buffer of ideal conditions', {
      given: `a buffer of model ${buffer.fingerprint}`,
      expected: `a buffer of the sampled model, ${fingerprint}`,
      remedy: 'Collect the ideal conditions again with these weights.',
    });
  }
}

/** @throws InvalidInputError when no group of the buffer has a row. */
export function requireFilled(buffer: IdealConditions): void {
  if (![...buffer.groups.keys()].some((name) => samplesOf(buffer, name)?.targets.length)) throw emptyBuffer();
}

function emptyBuffer(): InvalidInputError {
  return new InvalidInputError('Buffer of ideal conditions', {
    given: 'an empty buffer',
    expected: 'at least one group with rows',
    remedy: 'Fill it with teacher-forced conditions of real data first (`learnIdealLaw`).',
  });
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrongFile(path, 'metadata that is not JSON');
  }
}

function wrongFile(path: string, given: string): FileFormatError {
  return new FileFormatError(path, {
    given,
    expected: `a whole file of format "${FORMAT}"`,
    remedy: 'Write it with `saveIdealConditions`, or collect the ideal conditions again.',
  });
}
