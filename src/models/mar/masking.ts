import { InvalidInputError } from '../../runtime/errors';
import { foldIn, type Key, permutation, uniform } from '../../runtime/random';
import { truncatedQuantile } from '../blocks/truncated-normal';

/** A random order of the tokens for each sample, `[batch, tokens]` flat. The first entries stay masked longest. */
export function drawOrders(key: Key, batch: number, tokens: number): Int32Array {
  const orders = new Int32Array(batch * tokens);
  for (let sample = 0; sample < batch; sample++) orders.set(permutation(foldIn(key, sample), tokens), sample * tokens);
  return orders;
}

/** The share of masked tokens in training: normal(1, std) restricted to [min, 1], one draw for a whole batch. */
export function drawMaskRatio(
  key: Key,
  { maskRatioMin: low, maskRatioStd: std }: { maskRatioMin: number; maskRatioStd: number },
): number {
  return truncatedQuantile({ mean: 1, std, low, high: 1 }, uniform(key, 1)[0]);
}

/** Number of tokens masked in training at a ratio: rounded up. */
export function maskedCount(tokens: number, ratio: number): number {
  return Math.ceil(tokens * ratio);
}

/** The mask (1 = masked) of the first `count` entries of each order, `[batch, tokens]` flat. */
export function maskByOrder(orders: Int32Array, tokens: number, count: number): Uint8Array {
  const mask = new Uint8Array(orders.length);
  for (let start = 0; start < orders.length; start += tokens) {
    for (let i = 0; i < count; i++) mask[start + orders[start + i]] = 1;
  }
  return mask;
}

/**
 * How many tokens are still masked after each of `steps` generation steps, by MAR's cosine law: floor(tokens cos(pi/2
 * (step + 1) / steps)), at least 1 and at least one fewer than before. The last entry is 1 by that law although the last
 * step predicts all that is left.
 * @throws InvalidInputError when there are more steps than tokens: a step would have nothing to predict.
 */
export function cosineMaskCounts(tokens: number, steps: number): number[] {
  if (!(Number.isInteger(steps) && steps >= 1 && steps <= tokens)) {
    throw new InvalidInputError('Generation steps', {
      given: `${steps} steps for ${tokens} tokens`,
      expected: `a whole number from 1 to ${tokens}`,
      remedy: 'Every step must have a token to predict: lower the number of steps.',
    });
  }
  let masked = tokens;
  return Array.from({ length: steps }, (_, step) => {
    const wanted = Math.floor(tokens * Math.cos(((Math.PI / 2) * (step + 1)) / steps));
    masked = Math.max(1, Math.min(masked - 1, wanted));
    return masked;
  });
}

/**
 * Guidance at a generation step: constant, or growing linearly with the share of tokens generated after it. Every operation rounds to
 * float32, since the reference counts masked tokens in a float32 tensor (so on a CPU; CUDA multiplies by 1 / tokens, rounded).
 */
export function guidanceAt(
  schedule: 'constant' | 'linear',
  scale: number,
  tokens: number,
  maskedAfter: number,
): number {
  if (schedule === 'constant') return scale;
  const round = Math.fround;
  return round(1 + round(round(round(scale - 1) * (tokens - maskedAfter)) / tokens));
}

/**
 * Row numbers that take tokens apart and put them together again for one mask. "Places" are the rows of
 * `[batch, buffer + tokens]` flat; only unmasked places are encoded.
 */
export interface TokenPlacement {
  /** Places that are encoded (the buffer first), `[batch * kept]`. */
  kept: Int32Array;
  /** Places that hold the mask token, `[batch * masked]`. */
  filled: Int32Array;
  /** For each place its encoded row, or `batch * kept` where the mask token goes, `[batch * (buffer + tokens)]`. */
  source: Int32Array;
  /** Rows of `[batch, tokens]` that are asked for, `[rows]`, in (sample, position) order. */
  wanted: Int32Array;
  /** For each row of `[batch, tokens]` its place among the wanted ones, or `rows`, `[batch * tokens]`. */
  wantedSource: Int32Array;
}

/**
 * Places the tokens of a batch for a mask (1 = masked), `[batch, tokens]` flat.
 * @param wanted which tokens' conditions are asked for; default the masked ones.
 * @throws InvalidInputError unless every sample has the same number of masked tokens.
 */
export function placeTokens(mask: Uint8Array, tokens: number, buffer: number, wanted = mask): TokenPlacement {
  const batch = mask.length / tokens;
  const kept: number[] = [];
  const filled: number[] = [];
  const counts = new Set<number>();
  for (let sample = 0; sample < batch; sample++) {
    const before = filled.length;
    for (let place = 0; place < buffer + tokens; place++) {
      const masked = place >= buffer && mask[sample * tokens + place - buffer] === 1;
      (masked ? filled : kept).push(sample * (buffer + tokens) + place);
    }
    counts.add(filled.length - before);
  }
  if (counts.size > 1) {
    throw new InvalidInputError('Mask', {
      given: `${[...counts].join(', ')} masked tokens in the samples of one batch`,
      expected: 'the same number in every sample',
      remedy: 'Batch samples with equally many known tokens together.',
    });
  }
  const source = new Int32Array(batch * (buffer + tokens)).fill(kept.length);
  kept.forEach((place, row) => {
    source[place] = row;
  });
  const rows = Int32Array.from([...wanted.keys()].filter((i) => wanted[i] === 1));
  const wantedSource = new Int32Array(mask.length).fill(rows.length);
  rows.forEach((token, row) => {
    wantedSource[token] = row;
  });
  return { kept: Int32Array.from(kept), filled: Int32Array.from(filled), source, wanted: rows, wantedSource };
}

/** Tokens that a generation starts from: scaled, `[batch, tokens, channels]` flat, and which of them are known (1). */
export interface KnownTokens {
  tokens: Float32Array;
  mask: Uint8Array;
}

/**
 * How many tokens of each sample are to be generated, and orders with these at the front.
 * @throws InvalidInputError unless every sample has the same number of known tokens, and at least one unknown.
 */
export function tokensToGenerate(
  orders: Int32Array,
  known: KnownTokens | undefined,
  [batch, tokens, channels]: [number, number, number],
): { orders: Int32Array; unknown: number } {
  if (!known) return { orders, unknown: tokens };
  const unknown = Array.from({ length: batch }, (_, sample) =>
    known.mask.subarray(sample * tokens, (sample + 1) * tokens).reduce((count, k) => count - k, tokens),
  );
  const equal = unknown.every((count) => count === unknown[0] && count > 0);
  if (!equal || known.mask.length !== batch * tokens || known.tokens.length !== batch * tokens * channels) {
    throw new InvalidInputError('Known tokens', {
      given: `${known.tokens.length} values, a mask of ${known.mask.length}, unknown per sample ${unknown.join(', ')}`,
      expected: `${batch * tokens * channels} values, a mask of ${batch * tokens}, equally many unknown, at least one`,
      remedy: 'Batch samples with equally many known tokens together.',
    });
  }
  const moved = new Int32Array(orders.length);
  for (let start = 0; start < orders.length; start += tokens) {
    const order = [...orders.subarray(start, start + tokens)];
    const isKnown = (token: number) => known.mask[start + token] === 1;
    moved.set([...order.filter((token) => !isKnown(token)), ...order.filter(isKnown)], start);
  }
  return { orders: moved, unknown: unknown[0] };
}
