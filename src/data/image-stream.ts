import { relative } from 'node:path';
import { InvalidInputError } from '../runtime/errors';
import {
  decodeImage,
  decodeRgb,
  type ImageFolderOptions,
  listImages,
  type SkippedFile,
  unusable,
} from './image-folder';
import { drawProcedural, imageKey, PROCEDURAL_CLASSES, SPLITS, type Split } from './procedural';
import type { RgbImage } from './resample';

/** Images of one size, bytes `[count, height, width, 3]`. */
export interface PixelBatch {
  count: number;
  width: number;
  height: number;
  data: Uint8Array;
}

/** Images in a fixed order, read batch by batch, so that any number of them fits in memory. */
export interface ImageStream {
  name: string;
  /** How many files there are, unusable ones included. */
  count: number;
  /** Batches of at most `size` images; another one begins where the size of the images changes. Filled in while they are read. */
  batches(size: number): AsyncGenerator<PixelBatch>;
  /** Files skipped so far. */
  skipped: SkippedFile[];
}

export interface StreamOptions extends Pick<ImageFolderOptions, 'strict' | 'convert'> {
  /** Cut and resize to squares of this side; default: images as they are. */
  side?: number;
}

/**
 * The images of a folder (with or without class folders), or of a split of the procedural set, `procedural:reference`.
 * @throws InvalidInputError for an unknown split or a folder without images; with `strict`, here or while reading, for what is left out.
 */
export function imageStream(what: string, options: StreamOptions = {}): ImageStream {
  return what.startsWith('procedural') ? proceduralStream(what, options) : folderStream(what, options);
}

function folderStream(root: string, { side, strict = false, convert }: StreamOptions): ImageStream {
  const { files, skipped } = listImages(root, { flat: true, strict });
  const decode = async (path: string): Promise<RgbImage | string> => {
    if (side === undefined) return decodeRgb(path, { convert });
    const data = await decodeImage(path, { size: side, convert });
    return typeof data === 'string' ? data : { width: side, height: side, data };
  };
  async function* images(size: number): AsyncGenerator<RgbImage> {
    for (let from = 0; from < files.length; from += size) {
      const group = files.slice(from, from + size);
      const decoded = await Promise.all(group.map(({ path }) => decode(path)));
      for (const [i, image] of decoded.entries()) {
        if (typeof image !== 'string') yield image;
        else {
          const left = { file: relative(root, group[i].path), reason: image };
          if (strict) throw unusable(left);
          skipped.push(left);
        }
      }
    }
  }
  return { name: root, count: files.length, skipped, batches: (size) => inBatches(images(size), size) };
}

/** Held-out images per class. */
const PER_CLASS = 300;

function proceduralStream(what: string, { side = 32 }: StreamOptions): ImageStream {
  const split = (what.split(':')[1] ?? 'reference') as Split;
  if (!SPLITS.includes(split)) {
    throw new InvalidInputError('Procedural images', {
      given: JSON.stringify(what),
      expected: SPLITS.map((name) => `procedural:${name}`).join(', '),
      remedy: 'Name one of these splits.',
    });
  }
  async function* images(): AsyncGenerator<RgbImage> {
    for (let label = 0; label < PROCEDURAL_CLASSES.length; label++) {
      for (let i = 0; i < PER_CLASS; i++) {
        const data = drawProcedural(label, imageKey(0, split, label, i), side);
        yield { width: side, height: side, data: Uint8Array.from(data) };
      }
    }
  }
  const count = PER_CLASS * PROCEDURAL_CLASSES.length;
  return { name: `procedural:${split}`, count, skipped: [], batches: (size) => inBatches(images(), size) };
}

async function* inBatches(images: AsyncGenerator<RgbImage>, size: number): AsyncGenerator<PixelBatch> {
  let group: RgbImage[] = [];
  for await (const image of images) {
    const [first] = group;
    if (first && (group.length === size || first.width !== image.width || first.height !== image.height)) {
      yield joined(group);
      group = [];
    }
    group.push(image);
  }
  if (group.length > 0) yield joined(group);
}

function joined(images: readonly RgbImage[]): PixelBatch {
  const [{ width, height }] = images;
  const data = new Uint8Array(images.length * width * height * 3);
  images.forEach((image, i) => {
    data.set(image.data, i * width * height * 3);
  });
  return { count: images.length, width, height, data };
}
