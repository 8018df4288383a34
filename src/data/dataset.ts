import { createHash } from 'node:crypto';
import { InvalidInputError } from '../runtime/errors';
import { foldIn, type Key, permutation, uniform } from '../runtime/random';

/** Labelled square RGB images in memory. */
export interface Dataset {
  /** Name in logs. */
  name: string;
  /** Side in pixels. */
  size: number;
  count: number;
  /** `[count, size, size, 3]`, 0 .. 255. */
  images: Uint8Array;
  /** Class of each image, 0 .. classNames.length - 1. */
  labels: Int32Array;
  classNames: string[];
  /** SHA-256 of pixels, labels and class names. */
  hash: string;
}

/** A data set with its hash. @throws InvalidInputError when sizes or labels are inconsistent. */
export function makeDataset(parts: Omit<Dataset, 'hash' | 'count'>): Dataset {
  const { images, labels, size, classNames } = parts;
  const count = labels.length;
  if (count === 0 || images.length !== count * size * size * 3 || labels.some((c) => c < 0 || c >= classNames.length)) {
    throw new InvalidInputError('Data set', {
      given:
        count === 0
          ? 'no images'
          : `${images.length} bytes, ${count} labels, ${classNames.length} classes, size ${size}`,
      expected: 'at least one image, size * size * 3 bytes for each, labels within the classes',
      remedy: 'Check how the images were gathered.',
    });
  }
  const hash = createHash('sha256').update(JSON.stringify({ size, classNames })).update(labels).update(images);
  return { ...parts, count, hash: hash.digest('hex') };
}

/** The images at `indices` (in that order) as a data set of their own. */
export function subset(dataset: Dataset, indices: ArrayLike<number>, name = dataset.name): Dataset {
  const pixels = dataset.size * dataset.size * 3;
  const images = new Uint8Array(indices.length * pixels);
  const labels = new Int32Array(indices.length);
  for (let i = 0; i < indices.length; i++) {
    images.set(dataset.images.subarray(indices[i] * pixels, (indices[i] + 1) * pixels), i * pixels);
    labels[i] = dataset.labels[indices[i]];
  }
  return makeDataset({ name, size: dataset.size, images, labels, classNames: dataset.classNames });
}

/**
 * Disjoint random parts with the given shares of each class, for data that comes without splits.
 * @throws InvalidInputError when there are too few images to give each part one.
 */
export function splitDataset<Name extends string>(
  dataset: Dataset,
  source: Key,
  shares: Record<Name, number>,
): Record<Name, Dataset> {
  const names = Object.keys(shares) as Name[];
  const total = names.reduce((sum, name) => sum + shares[name], 0);
  const parts = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  dataset.classNames.forEach((_, label) => {
    const members = Array.from(dataset.labels.keys()).filter((i) => dataset.labels[i] === label);
    const order = permutation(foldIn(source, label), members.length);
    let begin = 0;
    let cumulative = 0;
    for (const name of names) {
      cumulative += shares[name];
      const end = Math.round((cumulative / total) * members.length);
      for (let at = begin; at < end; at++) parts[name].push(members[order[at]]);
      begin = end;
    }
  });
  if (names.some((name) => parts[name].length === 0)) {
    const got = names.map((name) => `${parts[name].length} for ${name}`).join(', ');
    const perClass = dataset.classNames.map((_, label) => dataset.labels.filter((c) => c === label).length);
    const enough = Math.ceil(total / Math.min(...names.map((name) => shares[name])));
    throw new InvalidInputError(`Images of ${dataset.name}`, {
      given: `too few to split: ${got} (${perClass.join(' + ')} in ${perClass.length === 1 ? 'one class' : `${perClass.length} classes`})`,
      expected: `at least one for each of ${names.join(', ')}`,
      remedy: `Add images: from ${enough} in a class on, each part gets one.`,
    });
  }
  return Object.fromEntries(
    names.map((name) => [name, subset(dataset, parts[name], `${dataset.name}/${name}`)]),
  ) as Record<Name, Dataset>;
}

/** Which images make up a batch, and which of them are mirrored. */
export interface BatchPlan {
  indices: Int32Array;
  flips: Uint8Array;
}

/**
 * The plan of any training step as a function of the key and the step alone, so that a resumed run sees the same batches.
 * Each epoch is a fresh permutation; batches run on across epochs. `plan(step)` may be called in any order.
 * @param flip mirror each image with probability 1/2
 */
export function batchPlanner(
  source: Key,
  count: number,
  batch: number,
  { flip = true }: { flip?: boolean } = {},
): (step: number) => BatchPlan {
  const orders = new Map<number, Int32Array>();
  const orderOf = (epoch: number) => {
    let order = orders.get(epoch);
    if (!order) {
      if (orders.size > 2) orders.clear();
      order = permutation(foldIn(foldIn(source, 'order'), epoch), count);
      orders.set(epoch, order);
    }
    return order;
  };
  return (step) => {
    const indices = Int32Array.from({ length: batch }, (_, i) => {
      const position = step * batch + i;
      return orderOf(Math.floor(position / count))[position % count];
    });
    const u = uniform(foldIn(foldIn(source, 'flip'), step), batch);
    return { indices, flips: Uint8Array.from(u, (x) => (flip && x < 0.5 ? 1 : 0)) };
  };
}

/** Pixels of a batch as numbers in [-1, 1], `[batch, size, size, 3]`, mirrored where the plan says so. */
export function batchPixels({ images, size }: Dataset, { indices, flips }: BatchPlan): Float32Array {
  const pixels = size * size * 3;
  const out = new Float32Array(indices.length * pixels);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i] * pixels;
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const source = from + (y * size + (flips[i] ? size - 1 - x : x)) * 3;
        const target = i * pixels + (y * size + x) * 3;
        for (let c = 0; c < 3; c++) out[target + c] = images[source + c] / 127.5 - 1;
      }
    }
  }
  return out;
}

/** Numbers in [-1, 1] as bytes 0 .. 255, rounded and clipped; NaN is refused. */
export function toBytes(pixels: ArrayLike<number>): Uint8Array {
  return Uint8Array.from(pixels, (x, i) => {
    if (Number.isNaN(x)) {
      throw new InvalidInputError('Pixels', {
        given: `NaN at number ${i}`,
        expected: 'numbers in [-1, 1]',
        remedy: 'The sampler has diverged; look at the latents of this image.',
      });
    }
    return Math.max(0, Math.min(255, Math.round((x + 1) * 127.5)));
  });
}
