import sharp from 'sharp';
import { writeFileAtomic } from '../io/atomic-file';
import { InvalidInputError } from '../runtime/errors';

/** Layout of a grid of images. */
export interface GridOptions {
  /** Side of one image in pixels. */
  size: number;
  /** Images per row. Default: a square grid. */
  columns?: number;
  /** White pixels between images. Default 2. */
  gap?: number;
  /** Each pixel is drawn this many times as large, an integer. Default 1. */
  zoom?: number;
}

/** A PNG of images side by side. @param images `[count, size, size, 3]` bytes @throws InvalidInputError for another length */
export async function gridPng(images: Uint8Array, options: GridOptions): Promise<Buffer> {
  const { size, gap = 2, zoom = 1 } = options;
  const pixels = size * size * 3;
  const count = images.length / pixels;
  if (!(Number.isInteger(count) && count > 0)) {
    throw new InvalidInputError('Image grid', {
      given: `${images.length} bytes`,
      expected: `a multiple of size * size * 3 = ${pixels}`,
      remedy: 'Give whole RGB images of the stated size.',
    });
  }
  const columns = options.columns ?? Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const width = columns * (size + gap) - gap;
  const height = rows * (size + gap) - gap;
  const canvas = new Uint8Array(width * height * 3).fill(255);
  for (let i = 0; i < count; i++) {
    const left = (i % columns) * (size + gap);
    const top = Math.floor(i / columns) * (size + gap);
    for (let y = 0; y < size; y++) {
      const row = images.subarray(i * pixels + y * size * 3, i * pixels + (y + 1) * size * 3);
      canvas.set(row, ((top + y) * width + left) * 3);
    }
  }
  return sharp(canvas, { raw: { width, height, channels: 3 } })
    .resize(width * zoom, height * zoom, { kernel: 'nearest' })
    .png()
    .toBuffer();
}

/** Writes a grid of images as a PNG file. */
export async function writeImageGrid(path: string, images: Uint8Array, options: GridOptions): Promise<void> {
  const png = await gridPng(images, options);
  writeFileAtomic(path, (write) => write(png));
}
