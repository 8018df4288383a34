import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { FileFormatError, MissingDependencyError } from '../runtime/errors';

/** Random access to the bytes of a file or of a buffer, so that parsers can be tested and fuzzed without a disk. */
export interface ByteSource {
  /** Name in messages, usually the path. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** A fresh, aligned copy of `length` bytes from `position`; throws FileFormatError outside 0 .. size. */
  read(position: number, length: number): Uint8Array;
}

/** A file as a byte source; nothing but its size is read yet. @throws MissingDependencyError when there is no such file. */
export function fileSource(path: string): ByteSource {
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new MissingDependencyError('File', {
      given: `${path}, which is not a file here`,
      expected: 'the path of an existing file',
      remedy: 'Check the spelling and the current folder.',
    });
  }
  const { size, mtimeMs } = statSync(path);
  return {
    name: path,
    size,
    read(position, length) {
      requireRange(this, position, length);
      const descriptor = openSync(path, 'r');
      try {
        const now = statSync(path);
        const bytes = new Uint8Array(length);
        let done = 0;
        while (done < length) {
          const count = readSync(descriptor, bytes, done, Math.min(length - done, 2 ** 30), position + done);
          if (count === 0) break;
          done += count;
        }
        if (done < length || now.size !== size || now.mtimeMs !== mtimeMs) {
          throw damaged(path, 'a file that changed while it was read', 'a file at rest', 'Read it again.');
        }
        return bytes;
      } finally {
        closeSync(descriptor);
      }
    },
  };
}

/** A buffer as a byte source. */
export function memorySource(bytes: Uint8Array, name = 'buffer'): ByteSource {
  return {
    name,
    size: bytes.length,
    read(position, length) {
      requireRange(this, position, length);
      return new Uint8Array(bytes.subarray(position, position + length)); // a copy, also of a Buffer
    },
  };
}

/** A path or a byte source as a byte source. */
export function openSource(from: string | ByteSource): ByteSource {
  return typeof from === 'string' ? fileSource(from) : from;
}

/** The error for a file that is truncated, corrupted or hostile. */
export function damaged(
  name: string,
  given: string,
  expected: string,
  remedy = 'The file is damaged or of another format; fetch it or write it again.',
): FileFormatError {
  return new FileFormatError(name, { given, expected, remedy });
}

function requireRange({ name, size }: ByteSource, position: number, length: number): void {
  if (!(Number.isSafeInteger(position) && Number.isSafeInteger(length)) || position < 0 || length < 0) {
    throw damaged(name, `a range of ${length} bytes at ${position}`, 'whole non-negative numbers');
  }
  if (position + length > size) {
    throw damaged(name, `a range up to byte ${position + length}`, `at most ${size} bytes, the length of the file`);
  }
}
