import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson, checksum } from '../io/checksum';
import { readSafetensors, writeSafetensors } from '../io/safetensors';
import { toFloat32 } from '../io/tensor-record';
import { CerError } from '../runtime/errors';

/** Named float32 arrays with their shapes. */
export type ArraySet = Map<string, { shape: number[]; data: Float32Array }>;

/**
 * Arrays that are costly to make, kept in a file named by what they depend on; if its checksum is wrong they are
 * recomputed.
 * @param inputs everything the arrays depend on (hashes of images and weights, options), as plain JSON
 */
export async function cachedArrays(
  folder: string,
  name: string,
  inputs: unknown,
  make: () => Promise<ArraySet>,
): Promise<ArraySet> {
  const identity = checksum([canonicalJson(inputs)]);
  const path = join(folder, `${name}-${identity.slice(0, 16)}.safetensors`);
  const found = readIfWhole(path, identity);
  if (found) return found;
  const made = await make();
  const records = [...made].map(([key, { shape, data }]) => [key, { dtype: 'F32', shape, data }] as const);
  writeSafetensors(path, records, { identity });
  return made;
}

function readIfWhole(path: string, identity: string): ArraySet | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const { metadata, tensors, checksum: sealed } = readSafetensors(path);
    const arrays: ArraySet = new Map();
    for (const [key, tensor] of tensors) {
      arrays.set(key, { shape: [...tensor.shape], data: toFloat32({ dtype: tensor.dtype, data: tensor.read() }) });
    }
    return sealed !== undefined && metadata.identity === identity ? arrays : undefined;
  } catch (error) {
    if (error instanceof CerError) return undefined; // damaged: recompute
    throw error;
  }
}
