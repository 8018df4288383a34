import type { ZodType } from 'zod';
import { InvalidInputError } from './errors';

/**
 * Validates `given` against a zod schema once, at the edge, and returns the options in effect (defaults filled in).
 * @throws InvalidInputError naming each wrong field, its value and what was expected.
 */
export function parseOptions<T>(what: string, schema: ZodType<T>, given: unknown): T {
  const parsed = schema.safeParse(given ?? {});
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map((issue) => {
    const path = issue.path.join('.');
    const value = issue.path.reduce<unknown>(
      (at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
      given,
    );
    return { path: path || '(all)', value, message: issue.message };
  });
  throw new InvalidInputError(`Options of ${what}`, {
    given: issues.map((issue) => `${issue.path} = ${JSON.stringify(issue.value)}`).join(', '),
    expected: issues.map((issue) => `${issue.path}: ${issue.message}`).join('; '),
    remedy: 'Correct the named fields; leave a field out to use its default.',
  });
}
