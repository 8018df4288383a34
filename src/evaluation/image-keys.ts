import { createHash } from 'node:crypto';

/** A number in [0, 1) for each of `count` images of equal size, drawn by their bytes alone: the same wherever an image lies. */
export function imageKeys(bytes: Uint8Array, count: number): Float64Array {
  const each = bytes.length / count;
  return Float64Array.from({ length: count }, (_, i) => {
    const image = bytes.subarray(i * each, (i + 1) * each);
    return createHash('sha256').update(image).digest().readUInt32BE() / 2 ** 32;
  });
}
