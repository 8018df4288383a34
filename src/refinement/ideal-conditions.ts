import { InvalidInputError, NumericalError } from '../runtime/errors';
import { foldIn, type Key, randint, uniform } from '../runtime/random';
import { packBits, unpackBits } from './known-bits';

/** Which conditions share an ideal law. `step` is the AR step; where all images share one order, it fixes what is known. */
export type Grouping = 'class-position-step' | 'class-position' | 'class-step' | 'class' | 'position-step' | 'global';
export const GROUPINGS = [
  'class-position-step',
  'class-position',
  'class-step',
  'class',
  'position-step',
  'global',
] as const;

/** Where a condition row comes from. */
export interface RowOrigin {
  class: number;
  position: number;
  step: number;
}

/** Rows of conditions with their origins. */
export interface ConditionRows {
  /** `[rows, width]` */
  conditions: Float32Array;
  classes: ArrayLike<number>;
  positions: ArrayLike<number>;
  steps: ArrayLike<number>;
  /** `[rows, channels]` real tokens; kept when the buffer has `channels`. */
  latents?: Float32Array;
  /** `[rows, tokens]` 1 where a token was known; kept (one bit each) when the buffer has `tokens`. */
  known?: Uint8Array;
}

/**
 * What becomes of old rows when a group is full. `reservoir` (default): the rows kept are a uniform sample of all rows ever
 * offered. `{ halfLife }`: the buffer follows a model in training; each offered row is kept with a fixed probability in the
 * place of a random one, so that a row of age n is still there with probability 2^(-n / halfLife). The kept rows are then
 * a sample of the *exponentially weighted mixture of the laws* of past rows: an EMA of the law. An EMA of the rows themselves
 * would be another thing: it shrinks the variance, by (1 - decay) / (1 + decay).
 */
export type Upkeep = 'reservoir' | { halfLife: number };

/** The rows of one group; arrays have room for `capacity` rows, of which min(seen, capacity) are filled. */
export interface IdealGroup {
  rows: Float32Array;
  /** Rows ever offered. */
  seen: number;
  /** `[capacity, channels]` */
  latents?: Float32Array;
  /** `[capacity, ceil(tokens / 8)]` bits. */
  known?: Uint8Array;
}

/**
 * Samples of the ideal law P_c*: conditions computed with ground-truth history (teacher forcing), a reservoir per group.
 * A reservoir does not depend on how the data was batched but for the order of rows.
 */
export interface IdealConditions {
  width: number;
  grouping: Grouping;
  /** Rows kept per group. */
  capacity: number;
  /** Fingerprint of the model that made the conditions; whoever follows a model in training sets it anew. */
  fingerprint: string;
  /** Numbers per token latent, where latents are kept. */
  channels?: number;
  /** Tokens of an image, where it is kept which of them were known. */
  tokens?: number;
  upkeep?: Upkeep;
  groups: Map<string, IdealGroup>;
}

/**
 * An empty buffer; `bufferSize` says how much memory it takes.
 * @throws InvalidInputError for a capacity below 1 or a half-life that a full group of this capacity cannot have.
 */
export function createIdealConditions(options: Omit<IdealConditions, 'groups'>): IdealConditions {
  const { capacity, upkeep = 'reservoir' } = options;
  if (!(Number.isInteger(capacity) && capacity >= 1)) {
    throw new InvalidInputError('Buffer of ideal conditions, capacity', {
      given: String(capacity),
      expected: 'an integer >= 1',
      remedy: '100 rows per group is a good start.',
    });
  }
  if (upkeep !== 'reservoir' && !(keepProbability(capacity, upkeep.halfLife) <= 1)) {
    const least = -1 / Math.log2(1 - 1 / capacity);
    throw new InvalidInputError('Buffer of ideal conditions, half-life', {
      given: `${upkeep.halfLife} rows for a capacity of ${capacity}`,
      expected: `at least ${least.toPrecision(4)} rows, the half-life when every offered row is kept`,
      remedy: 'Lower the capacity or lengthen the half-life.',
    });
  }
  return { ...options, groups: new Map() };
}

/** With which probability an offered row replaces a random one: survival of a kept row is (1 - p / capacity) per offer. */
function keepProbability(capacity: number, halfLife: number): number {
  return halfLife > 0 ? capacity * (1 - 2 ** (-1 / halfLife)) : Number.NaN;
}

/** The name of a row's group. */
export function groupOf(grouping: Grouping, origin: RowOrigin): string {
  const parts = grouping === 'global' ? [] : grouping.split('-');
  return parts.map((part) => `${part} ${origin[part as keyof RowOrigin]}`).join(', ') || 'all';
}

/** What a group is called but for the position of its rows in the image. */
export function withoutPosition(name: string): string {
  return name.replace(/(^|, )position \d+/, '');
}

/**
 * Offers teacher-forced conditions to the groups, keyed by row, so that the same rows in the same order give the same buffer
 * (reservoir: Vitter's algorithm R). The positions of an image draw the same places, so that rows of one number in groups that differ in
 * position alone are of one image, as long as every image has them all.
 * @throws InvalidInputError when arrays are not as wide as the buffer's, NumericalError for a row that is not finite.
 */
export function addConditions(buffer: IdealConditions, rows: ConditionRows, source: Key): void {
  const { width, capacity, channels, tokens } = buffer;
  const count = rows.classes.length;
  checkRows(buffer, rows);
  const bits = tokens ? packBits(rows.known as Uint8Array, tokens) : undefined;
  for (let i = 0; i < count; i++) {
    const origin = { class: rows.classes[i], position: rows.positions[i], step: rows.steps[i] };
    const name = groupOf(buffer.grouping, origin);
    const group = buffer.groups.get(name) ?? emptyGroup(buffer);
    buffer.groups.set(name, group);
    const slot = slotOf(buffer, group.seen, () => foldIn(foldIn(source, withoutPosition(name)), group.seen));
    group.seen++;
    if (slot >= capacity) continue;
    copyRow(rows.conditions, i, group.rows, slot, width);
    if (channels) copyRow(rows.latents as Float32Array, i, group.latents as Float32Array, slot, channels);
    if (bits) copyRow(bits, i, group.known as Uint8Array, slot, Math.ceil((tokens as number) / 8));
  }
}

/** Room for a group. */
export function emptyGroup({ width, capacity, channels, tokens }: IdealConditions): IdealGroup {
  return {
    rows: new Float32Array(capacity * width),
    seen: 0,
    ...(channels ? { latents: new Float32Array(capacity * channels) } : {}),
    ...(tokens ? { known: new Uint8Array(capacity * Math.ceil(tokens / 8)) } : {}),
  };
}

/** Where the next row goes; `capacity` or more: nowhere. */
function slotOf({ capacity, upkeep = 'reservoir' }: IdealConditions, seen: number, draw: () => Key): number {
  if (seen < capacity) return seen;
  if (upkeep === 'reservoir') return randint(draw(), 1, 0, seen + 1)[0];
  const [keep, place] = uniform(draw(), 2);
  return keep < keepProbability(capacity, upkeep.halfLife) ? Math.floor(place * capacity) : capacity;
}

function copyRow<A extends Float32Array | Uint8Array>(from: A, row: number, to: A, slot: number, width: number) {
  to.set(from.subarray(row * width, (row + 1) * width), slot * width);
}

function checkRows({ width, channels, tokens }: IdealConditions, rows: ConditionRows): void {
  const count = rows.classes.length;
  const parts = [
    { name: '', values: rows.conditions, each: width },
    { name: ', latents', values: rows.latents, each: channels },
    { name: ', known tokens', values: rows.known, each: tokens },
  ];
  for (const { name, values, each } of parts) {
    if (!each) continue;
    if (values?.length !== count * each) {
      throw new InvalidInputError(`Buffer of ideal conditions${name}`, {
        given: `${values?.length ?? 0} numbers for ${count} rows`,
        expected: `${count} rows of width ${each}`,
        remedy: 'Use the conditions of the model for which the buffer was made.',
      });
    }
    const bad = (values as Float32Array).findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      throw new NumericalError(`Buffer of ideal conditions${name}`, {
        given: `${values[bad]} in row ${Math.floor(bad / each)}`,
        expected: 'finite numbers',
        remedy: 'The model or its weights diverged: look at them before anything is refined with them.',
      });
    }
  }
}

/** The filled part of a group. The same object as long as no row is offered, so that what is computed from it can be kept. */
export interface IdealSamples {
  /** `[count, width]` */
  targets: Float32Array;
  /** `[count, channels]` */
  latents?: Float32Array;
  /** `[count, tokens]`, 1 or 0. */
  known?: Uint8Array;
}

const samplesMade = new WeakMap<IdealGroup, { seen: number; samples: IdealSamples }>();

/** The samples of a group's ideal law with their latents and masks, or undefined when none was ever offered. */
export function samplesOf(buffer: IdealConditions, name: string): IdealSamples | undefined {
  const group = buffer.groups.get(name);
  if (!group) return undefined;
  const made = samplesMade.get(group);
  if (made?.seen === group.seen) return made.samples;
  const count = Math.min(group.seen, buffer.capacity);
  const { channels, tokens } = buffer;
  const samples: IdealSamples = {
    targets: group.rows.subarray(0, count * buffer.width),
    ...(group.latents && channels ? { latents: group.latents.subarray(0, count * channels) } : {}),
    ...(group.known && tokens ? { known: unpackBits(group.known, count, tokens) } : {}),
  };
  samplesMade.set(group, { seen: group.seen, samples });
  return samples;
}

/** The samples of a group's ideal law `[rows, width]`, or undefined when none was ever offered. */
export function targetsOf(buffer: IdealConditions, name: string): Float32Array | undefined {
  return samplesOf(buffer, name)?.targets;
}

/** How large a buffer is. */
export interface BufferSize {
  groups: number;
  /** Rows kept now, and the fewest and the most of a group. */
  rows: number;
  smallest: number;
  largest: number;
  /** Of one row with its latent and its mask. */
  bytesPerRow: number;
  /** Memory: groups x capacity x bytesPerRow. */
  bytes: number;
}

/** The size of a buffer in rows and bytes. */
export function bufferSize({ groups, capacity, width, channels = 0, tokens = 0 }: IdealConditions): BufferSize {
  const counts = [...groups.values()].map(({ seen }) => Math.min(seen, capacity));
  const bytesPerRow = 4 * (width + channels) + Math.ceil(tokens / 8);
  return {
    groups: groups.size,
    rows: counts.reduce((sum, count) => sum + count, 0),
    smallest: counts.length ? Math.min(...counts) : 0,
    largest: Math.max(0, ...counts),
    bytesPerRow,
    bytes: groups.size * capacity * bytesPerRow,
  };
}
