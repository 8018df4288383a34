import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { root } from './pages';

/** Folders of the project that commands write to; a workplace has its own. */
const WRITTEN = ['runs', 'results', 'dist', '.git'];

/** A folder in which the commands of a page can run as in the project's own, without leaving anything there. */
export async function workplace(): Promise<{ folder: string; remove(): void }> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cer-docs-')));
  for (const name of readdirSync(root)) {
    if (!WRITTEN.includes(name)) symlinkSync(join(root, name), join(folder, name));
  }
  await photos(join(folder, 'photos'));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** What the pages suppose a reader to have: `photos/` with a sub-folder of small pictures per class. */
async function photos(folder: string): Promise<void> {
  for (const [label, name] of ['cats', 'dogs'].entries()) {
    mkdirSync(join(folder, name), { recursive: true });
    for (let i = 0; i < 12; i++) {
      const [hue, size] = [180 * label + 10 * i, 10 + i];
      const shape =
        label === 0
          ? `<circle cx="${size}" cy="20" r="${size / 2}" fill="hsl(${hue},80%,50%)"/>`
          : `<rect x="${size}" y="12" width="${size / 2}" height="16" fill="hsl(${hue},80%,50%)"/>`;
      const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><rect width="40" height="40" fill="#eed"/>${shape}</svg>`;
      await sharp(Buffer.from(drawing))
        .flatten()
        .toFile(join(folder, name, `${i}.${['jpg', 'png', 'webp'][i % 3]}`));
    }
  }
}
