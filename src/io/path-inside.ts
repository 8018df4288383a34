import { lstatSync, realpathSync } from 'node:fs';
import { dirname, join, relative, resolve, sep, win32 } from 'node:path';
import { FileFormatError } from '../runtime/errors';

/**
 * The path of `name` below `folder`, for a name from an untrusted file: it must not lead outside.
 * Neither needs to exist.
 * @param what whose name it is, for the error.
 * @throws FileFormatError for a name that is no text, empty, absolute, climbs with `..`, or passes a symbolic link that leaves the folder.
 */
export function pathInside(folder: string, name: unknown, what: string): string {
  const plain =
    typeof name === 'string' && !name.includes('\0') && !win32.isAbsolute(name) && !name.split(/[\\/]/).includes('..');
  const path = plain ? join(folder, name) : folder;
  const inside = relative(realPath(folder), realPath(path));
  if (plain && inside !== '' && inside !== '..' && !inside.startsWith(`..${sep}`)) return path;
  throw new FileFormatError(what, {
    given: `the file name ${JSON.stringify(name)}`,
    expected: `a name inside ${folder}`,
    remedy: 'The file was not written by this program, or was changed since: remove it and what it names.',
  });
}

/** `path` without symbolic links, as far as it exists; a dangling link counts as outside. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(resolve(path));
    if (parent === resolve(path) || isLink(path)) return sep; // outside of every folder that may be written to
    return join(realPath(parent), relative(parent, resolve(path)));
  }
}

function isLink(path: string): boolean {
  try {
    return Boolean(lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink());
  } catch {
    return true; // a name too long, a folder that may not be read: not trusted
  }
}
