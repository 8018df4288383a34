import { InvalidInputError, NumericalError } from '../runtime/errors';
import { foldIn, type Key, randint, uniform } from '../runtime/random';
import { type Grouping, groupOf, withoutClass, withoutPosition } from './grouping';
import { fitToLaws, type InverseKind, type InverseProcess } from './inverse-process';
import { IdealLaw } from './law';
import { type ConditionMoments, pooledMoments } from './moments';

/** Rows of conditions with their origins. */
export interface ConditionRows {
  /** `[rows, width]` */
  conditions: Float32Array;
  classes: ArrayLike<number>;
  positions: ArrayLike<number>;
  steps: ArrayLike<number>;
  /** `[rows, channels]` real tokens; kept when the buffer has `channels`. */
  latents?: Float32Array;
  /** `[rows, tokens]` 1 where a token was visible; kept when the buffer has `tokens`. */
  visibleTokens?: Uint8Array;
}

/**
 * Which rows a full group evicts. `reservoir` (default): the rows kept are a uniform sample of all rows ever offered.
 * `{ halfLife }`: the buffer follows a model in training; each offered row is kept with a fixed probability in the
 * place of a random one, so that a row of age n is still there with probability 2^(-n / halfLife). The kept rows are then
 * a sample of the *exponentially weighted mixture of the laws* of past rows: an EMA of the law. An EMA of the rows themselves
 * would be another thing: it shrinks the variance, by (1 - decay) / (1 + decay).
 */
export type ReplacementPolicy = 'reservoir' | { halfLife: number };

/** The rows of one group; arrays have room for `capacity` rows, of which min(seen, capacity) are filled. */
export interface IdealGroup {
  rows: Float32Array;
  /** Rows ever offered. */
  seen: number;
  /** `[capacity, channels]`, empty where latents are not kept. */
  latents: Float32Array;
  /** `[capacity, tokens]`, empty where it is not kept which tokens were visible. */
  visibleTokens: Uint8Array;
}

/** What a buffer keeps, and of whom. */
export interface BufferOptions {
  width: number;
  grouping: Grouping;
  /** Rows kept per group. */
  capacity: number;
  /** Fingerprint of the model that made the conditions. */
  fingerprint: string;
  /** Numbers per token latent; default 0, latents are not kept. */
  channels?: number;
  /** Tokens of an image; default 0, it is not kept which were visible. */
  tokens?: number;
  replacement?: ReplacementPolicy;
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

/**
 * Samples of the ideal law P_c*: conditions computed with ground-truth history (teacher forcing), a reservoir per group, and what
 * follows from them. A reservoir does not depend on how the data was batched but for the order of rows.
 */
export class IdealConditions implements Required<BufferOptions> {
  readonly width: number;
  readonly grouping: Grouping;
  readonly capacity: number;
  readonly channels: number;
  readonly tokens: number;
  readonly replacement: ReplacementPolicy;
  /** Whoever follows a model in training sets it again. */
  fingerprint: string;
  private readonly rows = new Map<string, IdealGroup>();
  /** Until rows are added. */
  private derived = nothingDerived();

  /** @throws InvalidInputError for a capacity below 1 or a half-life that a full group of this capacity cannot have. */
  constructor({ capacity, replacement = 'reservoir', ...options }: BufferOptions) {
    if (!(Number.isInteger(capacity) && capacity >= 1)) {
      throw new InvalidInputError('Buffer of ideal conditions, capacity', {
        given: String(capacity),
        expected: 'an integer >= 1',
        remedy: '100 rows per group is a good start.',
      });
    }
    if (replacement !== 'reservoir' && !(keepProbability(capacity, replacement.halfLife) <= 1)) {
      const least = -1 / Math.log2(1 - 1 / capacity);
      throw new InvalidInputError('Buffer of ideal conditions, half-life', {
        given: `${replacement.halfLife} rows for a capacity of ${capacity}`,
        expected: `at least ${least.toPrecision(4)} rows, the half-life when every offered row is kept`,
        remedy: 'Lower the capacity or lengthen the half-life.',
      });
    }
    ({ width: this.width, grouping: this.grouping, fingerprint: this.fingerprint } = options);
    ({ channels: this.channels = 0, tokens: this.tokens = 0 } = options);
    this.capacity = capacity;
    this.replacement = replacement;
  }

  get groups(): ReadonlyMap<string, Readonly<IdealGroup>> {
    return this.rows;
  }

  /**
   * Offers teacher-forced conditions to the groups, keyed by row, so that the same rows in the same order give the same buffer
   * (reservoir: Vitter's algorithm R). The positions of an image draw the same places, so that rows of one number in groups that
   * differ in position alone are of one image, as long as every image has them all.
   * @throws InvalidInputError when arrays are not as wide as the buffer's, NumericalError for a row that is not finite.
   */
  add(offered: ConditionRows, source: Key): void {
    const parts = this.checked(offered);
    this.derived = nothingDerived();
    for (let i = 0; i < offered.classes.length; i++) {
      const origin = { class: offered.classes[i], position: offered.positions[i], step: offered.steps[i] };
      const name = groupOf(this.grouping, origin);
      const group = this.rows.get(name) ?? this.emptyGroup();
      this.rows.set(name, group);
      const slot = this.slotOf(group.seen, () => foldIn(foldIn(source, withoutPosition(name)), group.seen));
      group.seen++;
      if (slot >= this.capacity) continue;
      for (const { part, values, each } of parts) {
        group[part].set(values.subarray(i * each, (i + 1) * each), slot * each);
      }
    }
  }

  /** Puts a group in place of what there was of that name, as from a file: the leading rows and how many were ever offered. */
  restore(name: string, { rows, latents, visibleTokens, seen }: Partial<IdealGroup> & { seen: number }): void {
    const group = { ...this.emptyGroup(), seen };
    if (rows) group.rows.set(rows);
    if (latents) group.latents.set(latents);
    if (visibleTokens) group.visibleTokens.set(visibleTokens);
    this.rows.set(name, group);
    this.derived = nothingDerived();
  }

  /** Forgets all rows. */
  clear(): void {
    this.rows.clear();
    this.derived = nothingDerived();
  }

  /**
   * The ideal law of a group, or of several side by side (the tokens that an image gets in one step); undefined where the buffer
   * has no rows of one. The same object until rows are added.
   * @throws InvalidInputError where groups have different numbers of rows: their rows are then not of the same images.
   */
  law(...names: string[]): IdealLaw | undefined {
    const key = names.join('; ');
    const found = this.derived.laws.get(key);
    if (found) return found;
    const groups = names.flatMap((name) => this.rows.get(name) ?? []);
    if (groups.length === 0 || groups.length < names.length) return undefined;
    if (groups.some(({ seen }) => seen !== groups[0].seen)) throw notShared();
    const { width, channels, tokens } = this;
    const count = this.filled(groups[0]);
    const latents = channels ? sideBySide(groups, 'latents', count, channels) : undefined;
    const law = new IdealLaw(
      {
        targets: sideBySide(groups, 'rows', count, width),
        width: width * names.length,
        latents,
        visibleTokens: tokens ? groups[0].visibleTokens.subarray(0, count * tokens) : undefined, // of one step: the same for all
      },
      names.length === 1 ? () => this.moments(names[0]) : undefined,
    );
    this.derived.laws.set(key, law);
    return law;
  }

  /** Means of the other classes' laws of the same groups, side by side; none where a class lacks one of them. */
  otherMeans(...names: string[]): Float64Array[] {
    const all = names.map((name) =>
      this.ofKind(withoutClass(name)).flatMap((other) => (other === name ? [] : (this.law(other)?.mean ?? []))),
    );
    if (names.length === 1) return all[0];
    if (all.some((means) => means.length !== all[0].length)) return [];
    return all[0].map((_, k) => Float64Array.from(all.flatMap((means) => [...means[k]])));
  }

  /**
   * T^-1 fitted to all pairs of conditions and latents.
   * @throws InvalidInputError for a buffer that keeps no latents.
   */
  inverse(kind: InverseKind): InverseProcess {
    const process =
      this.derived.inverses.get(kind) ??
      fitToLaws(
        [...this.rows.keys()].flatMap((name) => this.law(name) ?? []),
        kind,
      );
    this.derived.inverses.set(kind, process);
    return process;
  }

  /** The size in rows and bytes. */
  get size(): BufferSize {
    const counts = [...this.rows.values()].map((group) => this.filled(group));
    const bytesPerRow = 4 * (this.width + this.channels) + this.tokens;
    return {
      groups: counts.length,
      rows: counts.reduce((sum, count) => sum + count, 0),
      smallest: counts.length ? Math.min(...counts) : 0,
      largest: Math.max(0, ...counts),
      bytesPerRow,
      bytes: counts.length * this.capacity * bytesPerRow,
    };
  }

  /** Rows of a group that are filled. */
  filled({ seen }: Pick<IdealGroup, 'seen'>): number {
    return Math.min(seen, this.capacity);
  }

  /**
   * Moments for a group, pooled over the groups that differ from it in class alone: a hundred rows of one class do
   * not show a covariance in 64 dimensions, a thousand of ten classes do.
   */
  private moments(name: string): ConditionMoments {
    const kind = withoutClass(name);
    const found =
      this.derived.moments.get(kind) ??
      pooledMoments(
        this.ofKind(kind).flatMap((other) => this.law(other) ?? []),
        this.width,
      );
    this.derived.moments.set(kind, found);
    return found;
  }

  private ofKind(kind: string): string[] {
    return [...this.rows.keys()].filter((name) => withoutClass(name) === kind);
  }

  private emptyGroup(): IdealGroup {
    const { capacity, width, channels, tokens } = this;
    return {
      rows: new Float32Array(capacity * width),
      seen: 0,
      latents: new Float32Array(capacity * channels),
      visibleTokens: new Uint8Array(capacity * tokens),
    };
  }

  /** Where the next row goes; `capacity` or more: nowhere. */
  private slotOf(seen: number, draw: () => Key): number {
    const { capacity, replacement } = this;
    if (seen < capacity) return seen;
    if (replacement === 'reservoir') return randint(draw(), 1, 0, seen + 1)[0];
    const [keep, place] = uniform(draw(), 2);
    return keep < keepProbability(capacity, replacement.halfLife) ? Math.floor(place * capacity) : capacity;
  }

  /** The parts of offered rows that the buffer keeps. */
  private checked(offered: ConditionRows) {
    const count = offered.classes.length;
    const parts = [
      { part: 'rows', name: '', values: offered.conditions, each: this.width },
      { part: 'latents', name: ', latents', values: offered.latents, each: this.channels },
      { part: 'visibleTokens', name: ', visible tokens', values: offered.visibleTokens, each: this.tokens },
    ] as const;
    return parts.flatMap(({ part, name, values, each }) => {
      if (each === 0) return [];
      if (values?.length !== count * each) {
        throw new InvalidInputError(`Buffer of ideal conditions${name}`, {
          given: `${values?.length ?? 0} numbers for ${count} rows`,
          expected: `${count} rows of width ${each}`,
          remedy: 'Use the conditions of the model for which the buffer was made.',
        });
      }
      let bad = -1;
      for (let i = 0; i < values.length && bad < 0; i++) if (!Number.isFinite(values[i])) bad = i;
      if (bad >= 0) {
        throw new NumericalError(`Buffer of ideal conditions${name}`, {
          given: `${values[bad]} in row ${Math.floor(bad / each)}`,
          expected: 'finite numbers',
          remedy: 'The model or its weights diverged: look at them before anything is refined with them.',
        });
      }
      return [{ part, values, each }];
    });
  }
}

function nothingDerived() {
  return {
    laws: new Map<string, IdealLaw>(),
    moments: new Map<string, ConditionMoments>(),
    inverses: new Map<InverseKind, InverseProcess>(),
  };
}

/** With which probability an offered row replaces a random one: survival of a kept row is (1 - p / capacity) per offer. */
function keepProbability(capacity: number, halfLife: number): number {
  return halfLife > 0 ? capacity * (1 - 2 ** (-1 / halfLife)) : Number.NaN;
}

/** `[count, groups x each]` */
function sideBySide(groups: readonly IdealGroup[], part: 'rows' | 'latents', count: number, each: number) {
  if (groups.length === 1) return groups[0][part].subarray(0, count * each);
  const out = new Float32Array(count * each * groups.length);
  groups.forEach((group, side) => {
    for (let row = 0; row < count; row++) {
      out.set(group[part].subarray(row * each, (row + 1) * each), (row * groups.length + side) * each);
    }
  });
  return out;
}

function notShared(): InvalidInputError {
  return new InvalidInputError("Refinement, unit 'image'", {
    given: 'a buffer with different numbers of rows per position',
    expected: 'one order of tokens for all images, and a buffer grouped by position',
    remedy: "Give all images the same order (MAR: orders 'shared'), or set unit to 'token'.",
  });
}
