import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const root = join(__dirname, '..', '..');

/** What `npm pack` made, and a project that has it installed. */
export interface Packed {
  tarball: Buffer;
  manifest: { scripts: Record<string, string>; exports: Record<string, unknown>; dependencies: Record<string, string> };
  /** A folder with the package in its `node_modules`, beside what the package declares and nothing else. */
  consumer: string;
  /** The unpacked package. */
  folder: string;
}

let made: Packed | undefined;

/** Packs once for all tests of this folder, exactly as a person would, and installs the file without asking a registry. */
export function packed(): Packed {
  if (made) return made;
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'cer-pack-')));
  process.on('exit', () => rmSync(place, { recursive: true, force: true }));
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const printed = execFileSync(npm, ['pack', '--silent', '--pack-destination', place], { cwd: root, encoding: 'utf8' });
  const file = join(place, printed.trim().split('\n').at(-1)!);
  const consumer = join(place, 'consumer');
  const folder = join(consumer, 'node_modules', 'condition-refinement');
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['-xzf', file, '--strip-components=1', '-C', folder]);
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(manifest.dependencies), '@types/node']) {
    const link = join(consumer, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  made = { tarball: readFileSync(file), manifest, consumer, folder };
  return made;
}
