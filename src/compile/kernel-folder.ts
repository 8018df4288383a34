import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** A file of `kernels/`: beside this one, or under the working directory when this one was compiled elsewhere (notebooks). */
export function kernelFile(name: string): string {
  const folders = [join(__dirname, 'kernels'), join(process.cwd(), 'src', 'compile', 'kernels')];
  return join(folders.find((folder) => existsSync(join(folder, 'evaluator.cjs'))) ?? folders[0], name);
}
