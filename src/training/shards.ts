import type { PlainArray } from '../compile/compile';

/** A batch without tfjs. */
export type PlainBatch = Record<string, PlainArray>;

/**
 * Cuts a batch into equal parts such that the loss of the whole is the mean of the losses of the parts, so that each thread
 * can take one; undefined where that is impossible.
 */
export type Shards = (batch: PlainBatch, parts: number) => PlainBatch[] | undefined;

/** For losses that are means over samples, where every array has one entry per sample in its first dimension. */
export const sampleShards: Shards = (batch, parts) => {
  const arrays = Object.values(batch);
  const samples = arrays[0]?.shape[0] ?? 0;
  if (samples === 0 || samples % parts !== 0 || arrays.some(({ shape }) => shape[0] !== samples)) return undefined;
  return each(parts, (part) => mapped(batch, (_, array) => rows(array, part, parts)));
};

/**
 * For the token models: images, labels, histories, offsets and dropout factors one per sample, diffusion rows in the order (repeat,
 * sample, token), and a placement's row numbers counted from the part's own first sample.
 * @param repeats how often each token is noised.
 */
export function tokenShards(repeats = 1): Shards {
  return (batch, parts) => {
    const samples = batch.labels?.shape[0] ?? 0;
    const known = Object.keys(batch).every((name) => PER_SAMPLE.test(name) || name in PLACED || PER_REPEAT.test(name));
    if (!known || samples === 0 || samples % parts !== 0) return undefined;
    return each(parts, (part) =>
      mapped(batch, (name, array) => {
        if (PER_REPEAT.test(name)) return repeatedRows(array, repeats, part, parts);
        if (!(name in PLACED)) return rows(array, part, parts);
        const own = rows(array, part, parts);
        // Rows of a longer list are numbered through it; rows of a shorter one too, and its length stands for "none".
        const first = (part * batch[PLACED[name]].shape[0]) / parts;
        const length = batch[PLACED[name]].shape[0];
        const none = name.endsWith('ource') ? length : -1;
        return { ...own, data: (own.data as Int32Array).map((row) => (row === none ? length / parts : row - first)) };
      }),
    );
  };
}

const PER_SAMPLE = /^(latents|labels|labelKept|history|offset|passThrough|dropout\..*)$/;
const PER_REPEAT = /^(steps|noise)$/;
/** Row numbers, and the list whose rows they number: it has as many entries as the named array. */
const PLACED: Record<string, string> = {
  kept: 'source',
  filled: 'source',
  source: 'kept',
  wanted: 'wantedSource',
  wantedSource: 'wanted',
};

const each = (parts: number, make: (part: number) => PlainBatch) =>
  Array.from({ length: parts }, (_, part) => make(part));

function mapped(batch: PlainBatch, change: (name: string, array: PlainArray) => PlainArray): PlainBatch {
  return Object.fromEntries(Object.entries(batch).map(([name, array]) => [name, change(name, array)]));
}

/** One of `parts` equal stretches of the first dimension; a copy, since a view would take its whole memory to other threads. */
function rows({ data, shape }: PlainArray, part: number, parts: number): PlainArray {
  const length = data.length / parts;
  return { data: data.slice(part * length, (part + 1) * length), shape: [shape[0] / parts, ...shape.slice(1)] };
}

/** The same within each of `repeats` equal stretches. */
function repeatedRows({ data, shape }: PlainArray, repeats: number, part: number, parts: number): PlainArray {
  const stretch = data.length / repeats;
  const length = stretch / parts;
  const taken = data.slice(0, data.length / parts);
  for (let i = 0; i < repeats; i++) {
    const from = i * stretch + part * length;
    taken.set(data.subarray(from, from + length), i * length);
  }
  return { data: taken, shape: [shape[0] / parts, ...shape.slice(1)] };
}
