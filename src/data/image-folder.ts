import { readdirSync, statSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import sharp from 'sharp';
import { InvalidInputError } from '../runtime/errors';
import { printable } from '../runtime/printable';
import { type Dataset, makeDataset } from './dataset';
import { centreCrop, type RgbImage } from './resample';

/** A skipped file or folder, and why. */
export interface SkippedFile {
  /** Path relative to the data folder; a folder ends with `/`. */
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
 * Reads a folder with one sub-folder of JPEG, PNG or WebP files per class, in alphabetical order, each image turned as its EXIF
 * orientation says, cut to its centre square and resized as the ADM and MAR references do. A file that is broken, no image, too small
 * (its shorter side below `size`), too large, grey or CMYK is skipped and reported by name, and so is all that `listImages` leaves out.
 * @throws InvalidInputError when there are no class folders, a class has no usable image, or (strict) anything is left out.
 */
export async function loadImageFolder(root: string, options: ImageFolderOptions = {}): Promise<LoadedFolder> {
  const { size = 32, strict = false, onProgress } = options;
  const { classNames, files, skipped } = listImages(root, options);
  const decoded: (Uint8Array | string)[] = new Array(files.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < files.length) {
      const at = next++;
      decoded[at] = await decodeImage(files[at].path, { ...options, size });
      if (strict && typeof decoded[at] === 'string') {
        next = files.length;
        throw unusable({ file: relative(root, files[at].path), reason: decoded[at] as string });
      }
      onProgress?.(++done, files.length);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
  files.forEach(({ path }, i) => {
    if (typeof decoded[i] === 'string') skipped.push({ file: relative(root, path), reason: decoded[i] as string });
  });
  const kept = files.flatMap(({ label }, i) => (typeof decoded[i] === 'string' ? [] : [{ i, label }]));
  classNames.forEach((name, label) => {
    if (kept.some((file) => file.label === label)) return;
    const inside = skipped.filter(({ file }) => name === '.' || file.startsWith(`${name}/`));
    const reasons = inside.map(({ file, reason }) => `${file}: ${reason}`);
    throw new InvalidInputError(`Class folder ${join(root, name)}`, {
      given: `only unusable files (${reasons.slice(0, 5).join('; ')}${reasons.length > 5 ? `; ${reasons.length} in all` : ''})`,
      expected: `at least one usable ${FORMATS.join(', ')} image`,
      remedy: 'Add images or remove the folder; --convert takes grey and CMYK images too.',
    });
  });
  const images = new Uint8Array(kept.length * size * size * 3);
  kept.forEach(({ i }, at) => {
    images.set(decoded[i] as Uint8Array, at * size * size * 3);
  });
  const labels = Int32Array.from(kept, ({ label }) => label);
  return { dataset: makeDataset({ name: root, size, images, labels, classNames }), skipped };
}

/** The files of a folder that may be images, and what is no such file. */
export interface ListedImages {
  classNames: string[];
  files: { path: string; label: number }[];
  skipped: SkippedFile[];
}

/**
 * The files of a folder by class folder, both in alphabetical order. Class folders are the sub-folders with a file whose name ends like an
 * image's; without any and with `flat` the folder itself is the one class, `.`. Left out are other sub-folders, files beside class folders, folders
 * inside them, links to nothing and names that are not UTF-8; hidden names (.DS_Store and the like) are passed over.
 * @throws InvalidInputError when there is no class folder, or (strict) anything is left out.
 */
export function listImages(
  root: string,
  { flat = false, strict = false }: Pick<ImageFolderOptions, 'flat' | 'strict'> = {},
): ListedImages {
  const top = contentsOf(root, '');
  const { skipped } = top;
  const classNames: string[] = [];
  const files: ListedImages['files'] = [];
  const add = (name: string, inside: readonly string[]) => {
    files.push(...inside.map((file) => ({ path: join(root, name, file), label: classNames.length })));
    classNames.push(name);
  };
  for (const name of top.folders) {
    const inside = contentsOf(root, name);
    skipped.push(...inside.skipped);
    if (inside.files.some(isNamedLikeImage)) {
      add(name, inside.files);
      for (const folder of inside.folders) {
        const nested = inWords(contentsOf(root, join(name, folder)));
        skipped.push({ file: `${join(name, folder)}/`, reason: `a folder inside a class folder (${nested})` });
      }
    } else skipped.push({ file: `${name}/`, reason: `a folder without images (${inWords(inside)})` });
  }
  if (classNames.length > 0) {
    skipped.push(...top.files.map((file) => ({ file, reason: 'a file beside class folders, so of no class' })));
  } else if (flat && top.files.length > 0) add('.', top.files);
  else throw noImages(root, top, flat);
  if (strict && skipped.length > 0) throw unusable(skipped[0]);
  return { classNames, files, skipped };
}

/** Lines for people: each thing that was left out with the reason, those of one reason together with their number. */
export function skippedLines(skipped: readonly SkippedFile[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { file, reason } of skipped) byReason.set(reason, [...(byReason.get(reason) ?? []), file]);
  return [...byReason].map(([reason, files]) => {
    const more = files.length > 3 ? ` and ${files.length - 3} more` : '';
    const which = files.length === 1 ? files[0] : `${files.length} files (${files.slice(0, 3).join(', ')}${more})`;
    return printable(`skipped ${which}: ${reason}`);
  });
}

/** The error for what `strict` does not skip. */
export function unusable({ file, reason }: SkippedFile): InvalidInputError {
  return new InvalidInputError(file, {
    given: reason,
    expected: `a usable RGB image (${FORMATS.join(', ')}) in a class folder`,
    remedy: 'Repair or remove it, or run without --strict to skip it.',
  });
}

/** One file as RGB bytes `[size, size, 3]`, cut and resized, or the reason why it cannot be used. */
export async function decodeImage(path: string, options: ImageFolderOptions): Promise<Uint8Array | string> {
  const { size = 32 } = options;
  const image = await decodeRgb(path, { ...options, size });
  return typeof image === 'string' ? image : centreCrop(image, size).data;
}

/** One file as it is shown (turned as its EXIF orientation says), or the reason why it cannot be used; `size` is the least side, default 1. */
export async function decodeRgb(
  path: string,
  { size = 1, convert = false, largestPixels = 1e8 }: ImageFolderOptions,
): Promise<RgbImage | string> {
  try {
    if (statSync(path).size === 0) return 'an empty file';
    const { format, space, channels, autoOrient } = await sharp(path, { limitInputPixels: false }).metadata();
    const { width, height } = autoOrient; // as it is shown
    if (!FORMATS.includes(format)) return `a file of format ${format}, not ${FORMATS.join(', ')}`;
    if (width * height > largestPixels) return `${width} x ${height} pixels, more than the limit of ${largestPixels}`;
    if (Math.min(width, height) < size) return `${width} x ${height} pixels, smaller than ${size}`;
    if (!convert && space === 'cmyk') return 'a CMYK image';
    if (!convert && (channels < 3 || space.startsWith('b-w') || space.startsWith('grey'))) return 'a grey image';
    const { data, info } = await sharp(path, { limitInputPixels: largestPixels, failOn: 'warning' })
      .autoOrient()
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

interface Contents {
  files: string[];
  folders: string[];
  skipped: SkippedFile[];
  /** Why the folder cannot be read. */
  failure?: string;
}

/** What is in `root/inside` by name, sorted, links followed. */
function contentsOf(root: string, inside: string): Contents {
  const contents: Contents = { files: [], folders: [], skipped: [] };
  const skip = (name: string, reason: string) => contents.skipped.push({ file: join(inside, name), reason });
  let names: Buffer[];
  try {
    names = readdirSync(join(root, inside), { encoding: 'buffer' });
  } catch (error) {
    return { ...contents, failure: reasonOf(error) };
  }
  const readable = names.map((name) => ({ name: name.toString(), isText: name.equals(Buffer.from(name.toString())) }));
  for (const { name, isText } of readable.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name.startsWith('.')) continue;
    if (!isText) {
      skip(name, 'a name that is not UTF-8; rename it');
      continue;
    }
    try {
      const found = statSync(join(root, inside, name));
      if (found.isFile()) contents.files.push(name);
      else if (found.isDirectory()) contents.folders.push(name);
      else skip(name, 'neither a file nor a folder');
    } catch (error) {
      skip(name, reasonOf(error));
    }
  }
  return contents;
}

/** Why a path cannot be looked at. A name that is in its folder and not there is a link. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOENT: 'a link to nothing',
    ELOOP: 'a link that leads to itself',
    ENOTDIR: 'a file',
    EACCES: 'no permission to read it',
  };
  return known[code ?? ''] ?? message;
}

const ENDINGS = [...FORMATS, 'jpg', 'jpe', 'jfif', 'gif', 'bmp', 'tif', 'tiff', 'svg', 'avif', 'heic', 'heif', 'jxl'];

/** Whether a name ends like that of an image, usable or not, or has no ending; what a file of a class is, its content says. */
function isNamedLikeImage(name: string): boolean {
  return ['', ...ENDINGS].includes(extname(name).slice(1).toLowerCase());
}

/** `3 files, 1 folder`. */
function inWords({ files, folders, failure }: Contents): string {
  if (failure) return failure;
  const counted = (count: number, what: string) => (count > 0 ? [`${count} ${what}${count === 1 ? '' : 's'}`] : []);
  return [...counted(files.length, 'file'), ...counted(folders.length, 'folder')].join(', ') || 'empty';
}

function noImages(root: string, top: Contents, flat: boolean): InvalidInputError {
  const { failure, folders, skipped } = top;
  const inside = skipped.map(({ file, reason }) => `${file}: ${reason}`);
  const counted = inside.length > 0 ? `${inWords(top)}; ${inside.slice(0, 5).join('; ')}` : inWords(top);
  const without = folders.length > 0 ? 'a folder without a sub-folder of images' : 'a folder without sub-folders';
  const missing = failure === 'a link to nothing' ? 'no such folder' : failure;
  return new InvalidInputError(`${flat ? 'Folder of images' : 'Data folder'} ${root}`, {
    given: missing ?? `${flat && folders.length === 0 ? 'a folder without files' : without} (${counted})`,
    expected: flat ? 'images, or sub-folders of images' : 'one sub-folder of images per class',
    remedy: flat
      ? 'Check the path: images are read from the folder itself or from its sub-folders, not from deeper ones.'
      : 'Arrange the images as DIR/class-name/image.jpg and name DIR, or use --data procedural.',
  });
}
