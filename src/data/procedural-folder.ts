import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawProcedural, imageKey, PROCEDURAL_CLASSES, type ProceduralOptions, proceduralDefaults } from './procedural';

/** Change with the drawing code, so that old caches are not taken for new ones. */
const DRAWING = 1;

/** File that is written last: a folder without it is incomplete (an older version's) and is drawn again. */
const COMPLETE = '.complete.json';

/**
 * The procedural images as real PNG files, one folder per class, drawn once into a cache. They are drawn beside their place
 * and moved there when complete, so that several processes may ask for them at a time.
 * @returns the folder, ready for `loadImageFolder`
 */
export async function proceduralFolder(
  options: ProceduralOptions & { cache?: string; onProgress?: (done: number, total: number) => void } = {},
): Promise<string> {
  const inEffect = proceduralDefaults(options);
  const { split, perClass, size, seed } = inEffect;
  const name = `procedural-${size}px-seed${seed}-v${DRAWING}`;
  const root = join(options.cache ?? '.cache', name, `${split}-${perClass}`);
  if (existsSync(join(root, COMPLETE))) return root;
  const draft = `${root}.${process.pid}.partial`;
  const total = PROCEDURAL_CLASSES.length * perClass;
  let done = 0;
  for (const [label, className] of PROCEDURAL_CLASSES.entries()) {
    const folder = join(draft, className);
    mkdirSync(folder, { recursive: true });
    for (let from = 0; from < perClass; from += 64) {
      const block = Array.from({ length: Math.min(64, perClass - from) }, (_, i) => from + i);
      await Promise.all(
        block.map(async (index) => {
          const pixels = drawProcedural(label, imageKey(seed, split, label, index), size);
          const png = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
            .png()
            .toBuffer();
          writeFileSync(join(folder, `${String(index).padStart(5, '0')}.png`), png);
        }),
      );
      done += block.length;
      options.onProgress?.(done, total);
    }
  }
  writeFileSync(join(draft, COMPLETE), `${JSON.stringify(inEffect)}\n`);
  if (!existsSync(join(root, COMPLETE))) {
    rmSync(root, { recursive: true, force: true });
    try {
      renameSync(draft, root);
    } catch (error) {
      if (!existsSync(join(root, COMPLETE))) throw error; // else another process was quicker
    }
  }
  rmSync(draft, { recursive: true, force: true });
  return root;
}
