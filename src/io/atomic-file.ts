import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Writes a file all or nothing: to a temporary neighbour, flushed to the disk, then renamed over `path`. Missing folders
 * are made. When `fill` throws, the old file is untouched and nothing is left behind.
 * @param fill writes the content in order through the function that it is given.
 */
export function writeFileAtomic(path: string, fill: (write: (bytes: Uint8Array) => void) => void): void {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.partial`;
  const descriptor = openSync(temporary, 'w');
  try {
    try {
      fill((bytes) => {
        for (let done = 0; done < bytes.length; ) {
          done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, 2 ** 30));
        }
      });
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
