import { createHash } from 'node:crypto';
import type { Parameters } from '../../runtime/parameters';

/** A short hash of names, shapes and values of a model's weights, to tell whether something was made by this very model. */
export function fingerprint(parameters: Parameters): string {
  const hash = createHash('sha256');
  for (const name of [...parameters.keys()].sort()) {
    const tensor = parameters.get(name)!;
    hash.update(`${name} [${tensor.shape}]`).update(tensor.dataSync() as Uint8Array);
  }
  return hash.digest('hex').slice(0, 16);
}
