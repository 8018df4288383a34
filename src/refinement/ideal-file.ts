import { z } from 'zod';
import { readSafetensors, writeSafetensors } from '../io/safetensors';
import type { TensorRecord } from '../io/tensor-record';
import { FileFormatError, InvalidInputError } from '../runtime/errors';
import { GROUPINGS } from './grouping';
import { IdealConditions } from './ideal-conditions';

const FORMAT = 'ideal conditions 2';

const header = z.object({
  width: z.number().int().positive(),
  grouping: z.enum(GROUPINGS),
  capacity: z.number().int().positive(),
  fingerprint: z.string(),
  channels: z.number().int().min(0),
  tokens: z.number().int().min(0),
  replacement: z.union([z.literal('reservoir'), z.object({ halfLife: z.number().positive() })]),
  /** Group names with the number of rows that each was ever offered. */
  groups: z.array(z.tuple([z.string(), z.number().int().positive()])).min(1),
});

/** Tensors of a file: which part of a group each holds, and the numbers per row. */
const PARTS = [
  { tensor: 'conditions', part: 'rows', dtype: 'F32', each: ({ width }: Sizes) => width },
  { tensor: 'latents', part: 'latents', dtype: 'F32', each: ({ channels }: Sizes) => channels },
  { tensor: 'visible', part: 'visibleTokens', dtype: 'U8', each: ({ tokens }: Sizes) => tokens },
] as const;
type Sizes = Pick<IdealConditions, 'width' | 'channels' | 'tokens'>;

/**
 * Writes a buffer as safetensors, atomically: `conditions` (and `latents`, `visible`), all groups one after another, and in the
 * metadata what they are of: fingerprint, grouping, capacity, replacement policy, groups with their counts.
 * @throws InvalidInputError for an empty buffer.
 */
export function saveIdealConditions(path: string, buffer: IdealConditions): void {
  requireFilled(buffer);
  const { width, grouping, capacity, fingerprint, channels, tokens, replacement } = buffer;
  const { rows } = buffer.size;
  const tensors = PARTS.flatMap(({ tensor, part, dtype, each }): [string, TensorRecord][] => {
    const size = each(buffer);
    if (size === 0) return [];
    const data = dtype === 'F32' ? new Float32Array(rows * size) : new Uint8Array(rows * size);
    let at = 0;
    for (const group of buffer.groups.values()) {
      const filled = group[part].subarray(0, buffer.filled(group) * size);
      data.set(filled, at);
      at += filled.length;
    }
    return [[tensor, { dtype, shape: [rows, size], data }]];
  });
  const groups = [...buffer.groups].map(([name, { seen }]) => [name, seen]);
  const described = { width, grouping, capacity, fingerprint, channels, tokens, replacement, groups };
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
  const { groups, ...options } = parsed.data;
  const buffer = new IdealConditions(options);
  if (fingerprint !== undefined) requireModel(buffer, fingerprint);
  const rows = groups.reduce((sum, [, seen]) => sum + buffer.filled({ seen }), 0);
  const values = PARTS.map(({ tensor: name, each }) => {
    const size = each(buffer);
    if (size === 0) return new Float32Array();
    const tensor = tensors.get(name);
    if (tensor?.shape.join() !== `${rows},${size}`) {
      throw wrongFile(path, `${name} of shape [${tensor?.shape ?? 'absent'}] where [${rows}, ${size}] is announced`);
    }
    return tensor.data as Float32Array;
  });
  if (!values[0].every(Number.isFinite)) throw wrongFile(path, 'conditions that are not finite');
  let at = 0;
  for (const [name, seen] of groups) {
    const end = at + buffer.filled({ seen });
    const part = (index: number, size: number) => values[index].subarray(at * size, end * size);
    buffer.restore(name, {
      seen,
      rows: part(0, buffer.width),
      latents: part(1, buffer.channels),
      visibleTokens: Uint8Array.from(part(2, buffer.tokens)),
    });
    at = end;
  }
  return buffer;
}

/** @throws InvalidInputError when the buffer was made by another model. */
export function requireModel(buffer: IdealConditions, fingerprint: string): void {
  if (buffer.fingerprint === fingerprint) return;
  throw new InvalidInputError('Refinement, buffer of ideal conditions', {
    given: `a buffer of model ${buffer.fingerprint}`,
    expected: `a buffer of the sampled model, ${fingerprint}`,
    remedy: 'Collect the ideal conditions again with these weights.',
  });
}

/** @throws InvalidInputError when no group of the buffer has a row. */
export function requireFilled(buffer: IdealConditions): void {
  if (buffer.groups.size > 0) return;
  throw new InvalidInputError('Buffer of ideal conditions', {
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
