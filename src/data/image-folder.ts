import { readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import sharp from 'sharp';
import { InvalidInputError } from '../runtime/errors';
import { type Dataset, makeDataset } from './dataset';
import { centreCrop, type RgbImage } from './resample';

/** A skipped file, and why. */
export interface SkippedFile {
  /** Path relative to the data folder. */
  file: string;
  reason: string;
}

/** How a folder of images is read. */
export interface ImageFolderOptions {
  /** Side of the square images in pixels. Default 32. */
  size?: number;
  /** Stop at the first file that would be skipped. Default false. */
  strict?: boolean;
  /** Convert grey and CMYK images to RGB instead of skipping them. Default false. */
  convert?: boolean;
  /** Take a folder without sub-folders as one class. Default false: it is an error. */
  flat?: boolean;
  /** Images with more pixels are not decoded (decompression bombs). Default 100 million. */
  largestPixels?: number;
  /** Called after each file. */
  onProgress?: (done: number, total: number) => void;
}

/** A data set from a folder, and the files that were skipped. */
export interface LoadedFolder {
  dataset: Dataset;
  skipped: SkippedFile[];
}

const FORMATS = ['jpeg', 'png', 'webp'];

/** Files decoded at a time; sharp uses its own threads. */
const IN_FLIGHT = 4;

/**
 * Reads a folder with one sub-folder of JPEG, PNG or WebP files per class, in alphabetical order, each image cut to its centre
 * square and resized as the ADM and MAR references do. A file that is broken, no image, too small (its shorter side below
 * `size`), too large, grey or CMYK is skipped and reported by name.
 * @throws InvalidInputError when there are no class folders, a class has no usable image, or (strict) a file is unusable.
 */
export async function loadImageFolder(root: string, options: ImageFolderOptions = {}): Promise<LoadedFolder> {
  const { size = 32, strict = false, onProgress } = options;
  const { classNames, files } = listImages(root, options);
  const decoded: (Uint8Array | string)[] = new Array(files.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < files.length) {
      const at = next++;
      decoded[at] = await decodeImage(files[at].path, { ...options, size });
      if (strict && typeof decoded[at] === 'string') {
        next = files.length;
        throw new InvalidInputError(relative(root, files[at].path), {
          given: decoded[at] as string,
          expected: `an RGB image (${FORMATS.join(', ')}) of at least ${size} x ${size} pixels`,
          remedy: 'Repair or remove it, or run without --strict to skip it.',
        });
      }
      onProgress?.(++done, files.length);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  const skipped = files.flatMap(({ path }, i) =>
    typeof decoded[i] === 'string' ? [{ file: relative(root, path), reason: decoded[i] as string }] : [],
  );
  const kept = files.flatMap(({ label }, i) => (typeof decoded[i] === 'string' ? [] : [{ i, label }]));
  classNames.forEach((name, label) => {
    if (kept.some((file) => file.label === label)) return;
    const reasons = skipped.filter(({ file }) => file.startsWith(join(name, '/'))).map((s) => `${s.file}: ${s.reason}`);
    throw emptyClass(root, name, `only unusable files (${reasons.slice(0, 5).join('; ')})`);
  });
  const images = new Uint8Array(kept.length * size * size * 3);
  kept.forEach(({ i }, at) => {
    images.set(decoded[i] as Uint8Array, at * size * size * 3);
  });
  const labels = Int32Array.from(kept, ({ label }) => label);
  return { dataset: makeDataset({ name: root, size, images, labels, classNames }), skipped };
}

/** The files of a folder by class folder, both in alphabetical order. @throws InvalidInputError for an empty one, or none. */
export function listImages(root: string, { flat = false }: Pick<ImageFolderOptions, 'flat'> = {}) {
  const classNames = classFolders(root, flat);
  const files = classNames.flatMap((name, label) => {
    const inside = visible(join(root, name)).filter((file) => statSync(join(root, name, file)).isFile());
    if (inside.length === 0) throw emptyClass(root, name, 'an empty folder');
    return inside.map((file) => ({ path: join(root, name, file), label }));
  });
  return { classNames, files };
}

/** One file as RGB bytes `[size, size, 3]`, cut and resized, or the reason why it cannot be used. */
export async function decodeImage(path: string, options: ImageFolderOptions): Promise<Uint8Array | string> {
  const { size = 32 } = options;
  const image = await decodeRgb(path, { ...options, size });
  return typeof image === 'string' ? image : centreCrop(image, size).data;
}

/** One file as it is, or the reason why it cannot be used; `size` is the least side, default 1. */
export async function decodeRgb(
  path: string,
  { size = 1, convert = false, largestPixels = 1e8 }: ImageFolderOptions,
): Promise<RgbImage | string> {
  try {
    if (statSync(path).size === 0) return 'an empty file';
    const { format, width, height, space, channels } = await sharp(path, { limitInputPixels: false }).metadata();
    if (!FORMATS.includes(format)) return `a file of format ${format}, not ${FORMATS.join(', ')}`;
    if (width * height > largestPixels) return `${width} x ${height} pixels, more than the limit of ${largestPixels}`;
    if (Math.min(width, height) < size) return `${width} x ${height} pixels, smaller than ${size}`;
    if (!convert && space === 'cmyk') return 'a CMYK image';
    if (!convert && (channels < 3 || space.startsWith('b-w') || space.startsWith('grey'))) return 'a grey image';
    const { data, info } = await sharp(path, { limitInputPixels: largestPixels, failOn: 'warning' })
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) return `${info.channels} channels`;
    return { width: info.width, height: info.height, data };
  } catch (error) {
    return `unreadable (${(error as Error).message.split('\n')[0]})`;
  }
}

function classFolders(root: string, flat: boolean): string[] {
  let names: string[] = [];
  let given = 'no such folder';
  try {
    names = visible(root).filter((name) => statSync(join(root, name)).isDirectory());
    if (flat && names.length === 0) return ['.'];
    given = 'a folder without sub-folders';
  } catch {
    // not a folder: reported below
  }
  if (names.length > 0) return names;
  throw new InvalidInputError(`Data folder ${root}`, {
    given,
    expected: 'one sub-folder of images per class',
    remedy: 'Arrange the images as DIR/class-name/image.jpg, or use --data procedural.',
  });
}

function emptyClass(root: string, name: string, given: string): InvalidInputError {
  return new InvalidInputError(`Class folder ${join(root, name)}`, {
    given,
    expected: `at least one usable ${FORMATS.join(', ')} image`,
    remedy: 'Add images or remove the folder.',
  });
}

/** Names in a folder, sorted, without hidden ones (.DS_Store and the like). */
function visible(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !name.startsWith('.'))
    .sort();
}
