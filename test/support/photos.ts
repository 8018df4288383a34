import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawProcedural } from '../../src/data/procedural';
import { foldIn, key } from '../../src/runtime/random';

/** Writes JPEG files of 48 x 60 pixels, `perClass` in each of a few class folders. */
export async function writePhotos(folder: string, labels: readonly number[], perClass: number): Promise<void> {
  for (const label of labels) {
    mkdirSync(join(folder, `class-${label}`), { recursive: true });
    for (let i = 0; i < perClass; i++) {
      const pixels = drawProcedural(label, foldIn(key(label), i), 48);
      const image = sharp(pixels, { raw: { width: 48, height: 48, channels: 3 } }).resize(48, 60, { fit: 'fill' });
      await image.jpeg({ quality: 95 }).toFile(join(folder, `class-${label}`, `${i}.jpg`));
    }
  }
}
