import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** What decides a notebook's results beside itself; a change of any means that it must run again. */
const SOURCES = ['src', 'data', 'package-lock.json', '.jupyter'];
/** Commands, and how a run is reported, change no result. */
const WITHOUT_EFFECT = [/^src[\\/]cli[\\/]/, /^src[\\/]experiments[\\/](reproduce|report|findings|fingerprint)\.ts$/];
const SETTINGS = ['CER_PARAMETERS', 'CER_BACKEND'];

/** A hash of the project's code and data, the profile and the settings in the environment. */
export function projectFingerprint(root: string, profile: string): string {
  const hash = createHash('sha256').update(profile);
  for (const name of SETTINGS) hash.update(`\0${process.env[name] ?? ''}`);
  for (const source of SOURCES) {
    for (const file of filesIn(join(root, source))) {
      const name = relative(root, file);
      if (WITHOUT_EFFECT.some((pattern) => pattern.test(name))) continue;
      hash.update(`\0${name}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex');
}

function filesIn(path: string): string[] {
  if (!existsSync(path)) return [];
  const entries = (() => {
    try {
      return readdirSync(path, { withFileTypes: true });
    } catch {
      return undefined; // a file
    }
  })();
  if (!entries) return [path];
  return entries
    .filter(({ name }) => !name.startsWith('.') && name !== 'node_modules')
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? filesIn(join(path, entry.name)) : [join(path, entry.name)]));
}
