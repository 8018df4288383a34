import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import sharp from 'sharp';
import { checksum, requireChecksum, withChecksum } from '../io/checksum';
import { drawProcedural, imageKey, PROCEDURAL_CLASSES, type ProceduralOptions, proceduralDefaults } from './procedural';

/** Change with the drawing code, so that old caches are not taken for new ones. */
const DRAWING = 1;

/** File that is written last: how many images there are, and the checksum of all. */
const COMPLETE = '.complete.json';

/**
 * The procedural images as real PNG files, one folder per class, drawn once into a cache. They are drawn beside their place
 * and moved there when complete, so that several processes may ask for them at a time. A folder in which a file is missing, added
 * or changed is drawn again. When it fails or `onProgress` throws, nothing is left behind.
 * @returns the folder, ready for `loadImageFolder`
 */
export async function proceduralFolder(
  options: ProceduralOptions & { cache?: string; onProgress?: (done: number, total: number) => void } = {},
): Promise<string> {
  const inEffect = proceduralDefaults(options);
  const { split, perClass, size, seed } = inEffect;
  const name = `procedural-${size}px-seed${seed}-v${DRAWING}`;
  const root = join(options.cache ?? '.cache', name, `${split}-${perClass}`);
  if (isWhole(root)) return root;
  const draft = `${root}.${hostname()}.${process.pid}.partial`;
  removeAbandoned(root);
  try {
    await draw(draft, inEffect, options.onProgress);
    writeFileSync(join(draft, COMPLETE), `${JSON.stringify(withChecksum({ ...inEffect, ...contentOf(draft) }))}\n`);
    if (!isWhole(root)) {
      rmSync(root, { recursive: true, force: true });
      try {
        renameSync(draft, root);
      } catch (error) {
        if (!isWhole(root)) throw error; // else another process was quicker
      }
    }
  } finally {
    rmSync(draft, { recursive: true, force: true }); // nothing is there unless it was stopped, or another was quicker
  }
  return root;
}

async function draw(
  draft: string,
  { split, perClass, size, seed }: Required<ProceduralOptions>,
  onProgress?: (done: number, total: number) => void,
): Promise<void> {
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
      onProgress?.(done, total);
    }
  }
}

/** Removes drafts of processes of this machine that were killed. */
function removeAbandoned(root: string): void {
  const own = `${basename(root)}.${hostname()}.`;
  for (const name of existsSync(dirname(root)) ? readdirSync(dirname(root)) : []) {
    const pid = name.startsWith(own) && /^(\d+)\.partial$/.exec(name.slice(own.length))?.[1];
    if (pid && !isRunning(Number(pid))) rmSync(join(dirname(root), name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** The number of images in the class folders, and the checksum of their names and bytes. */
function contentOf(root: string): { images: number; content: string } {
  const names = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(join(root, name)).map((file) => `${name}/${file}`))
    .sort();
  const parts = function* () {
    for (const name of names) {
      yield name;
      yield readFileSync(join(root, name));
    }
  };
  return { images: names.length, content: checksum(parts()) };
}

/** Whether the folder holds exactly what was drawn. Reads all of it: 0.5 s for 12,000 images. */
export function isWhole(root: string): boolean {
  try {
    const path = join(root, COMPLETE);
    const stated = requireChecksum<ReturnType<typeof contentOf>>(path, JSON.parse(readFileSync(path, 'utf8')));
    const found = contentOf(root);
    return found.images === stated.images && found.content === stated.content;
  } catch {
    return false; // no such folder, or not whole
  }
}
