import { createHash } from 'node:crypto';
import { damaged } from './byte-source';

/**
 * SHA-256 in hexadecimal over parts in their order. Each part is preceded by its length in bytes, so that no two lists of
 * parts are hashed as the same bytes.
 */
export function checksum(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.byteLength}:`).update(bytes);
  }
  return hash.digest('hex');
}

/** JSON text with the keys of every object sorted: equal values give equal text, whatever the order of their fields. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

/** An object that is to be stored as JSON, with a last field `checksum` over all others. */
export function withChecksum<T extends object>(value: T): T & { checksum: string } {
  const { checksum: _, ...content } = value as T & { checksum?: unknown };
  return { ...(content as T), checksum: checksum([canonicalJson(content)]) };
}

/**
 * The object given to `withChecksum`, from the parsed JSON.
 * @param name name in messages, e.g. a path and a line number
 * @throws FileFormatError when the checksum is absent or differs
 */
export function requireChecksum<T = unknown>(name: string, stored: unknown, remedy?: string): T {
  const { checksum: given, ...content } = (stored ?? {}) as Record<string, unknown>;
  const computed = checksum([canonicalJson(content)]);
  if (given === computed) return content as T;
  throw damaged(
    name,
    typeof given === 'string' ? `content with checksum ${computed}` : 'content without a checksum',
    typeof given === 'string' ? `the checksum ${given}, which it had when it was written` : 'a field `checksum`',
    remedy,
  );
}
