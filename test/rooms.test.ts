import { strict as assert } from 'node:assert';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';

/** The rooms of `src/`, from top to bottom: a file imports from its own room and from rooms further down. */
const FLOORS = [
  ['cli', 'library'],
  ['parity', 'explore'],
  ['measurements', 'study', 'reproduce'],
  ['recipes', 'sweep'],
  ['refinement', 'evaluation', 'notebook'],
  ['paper', 'training'],
  ['theory', 'models', 'data'],
  ['plots'],
  ['transport', 'diffusion', 'metrics', 'io', 'compile'],
  ['runtime'],
];

type Sources = Map<string, string>;

function sourcesIn(folder: string): Sources {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => name.replaceAll('\\', '/'));
  // AssemblyScript, which no file of TypeScript imports.
  const kept = names.filter((name) => name.endsWith('.ts') && !name.includes('kernels/'));
  return new Map(kept.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

/** File -> files that it imports, type-only imports included. */
function importsOf(sources: Sources): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, text] of sources) {
    const paths = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|\brequire\()\s*'(\.[^']*)'/g)].flatMap(
      ([, path]) => {
        const to = posix.join(posix.dirname(name), path);
        return [to, `${to}.ts`, `${to}/index.ts`].filter((candidate) => sources.has(candidate)).slice(0, 1);
      },
    );
    found.set(name, paths);
  }
  return found;
}

function upwardImports(sources: Sources): string[] {
  const floor = new Map(FLOORS.flatMap((rooms, at) => rooms.map((room) => [room, at] as const)));
  const room = (name: string) => name.split('/')[0];
  return [...importsOf(sources)].flatMap(([name, imported]) =>
    imported
      .filter((other) => room(other) !== room(name) && !(floor.get(room(other))! > floor.get(room(name))!))
      .map((other) => `${name} -> ${other}`),
  );
}

/** Files that reach themselves through their imports. */
function circles(sources: Sources): string[] {
  const imports = importsOf(sources);
  return [...imports.keys()].filter((start) => {
    const seen = new Set<string>();
    const open = [...imports.get(start)!];
    while (open.length > 0) {
      const next = open.pop()!;
      if (next === start) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      open.push(...imports.get(next)!);
    }
    return false;
  });
}

/** Names of ideas that have one type or function each. */
const ONCE = [
  'Verdict',
  'Estimate',
  'bootstrap',
  'quantile',
  'RunOptions',
  'Row',
  'TableRow',
  'Unit',
  'groupRows',
  'groupDrift',
];

function secondExports(sources: Sources): string[] {
  return ONCE.flatMap((idea) => {
    const declared = new RegExp(`^export (?:async )?(?:type|interface|function|class|const) ${idea}\\b`, 'm');
    const files = [...sources].filter(([, text]) => declared.test(text)).map(([name]) => name);
    return files.length > 1 ? [`${idea}: ${files.join(', ')}`] : [];
  });
}

/** Casts that a type check cannot follow; the numbers may only fall. */
const CASTS = { 'as never': 4, 'as unknown as': 13 };

/** The picture of a figure is kept by the one browser that drew it. */
const MAY_CACHE = /^(runtime|compile)\/|^plots\/render\.ts$/;

describe('rooms of src', () => {
  const sources = sourcesIn(join(__dirname, '..', 'src'));

  it('every room has its floor', () => {
    const rooms = new Set([...sources.keys()].map((name) => name.split('/')[0]));
    assert.deepEqual([...rooms].sort(), FLOORS.flat().sort());
  });

  it('imports run down', () => assert.deepEqual(upwardImports(sources), []));

  it('no file imports itself, through whichever others', () => assert.deepEqual(circles(sources), []));

  it('at most 25 files stand directly in a folder', () => {
    const count = new Map<string, number>();
    for (const name of sources.keys()) count.set(dirname(name), (count.get(dirname(name)) ?? 0) + 1);
    assert.deepEqual(
      [...count].filter(([, files]) => files > 25),
      [],
    );
  });

  it('one idea has one export', () => assert.deepEqual(secondExports(sources), []));

  it('sweep and transport name nothing of models or refinement', () => {
    const named = [...importsOf(sources)].filter(
      ([name, imported]) =>
        /^(sweep|transport)\//.test(name) && imported.some((other) => /^(models|refinement)\//.test(other)),
    );
    assert.deepEqual(named, []);
  });

  it('casts past the type check do not become more', () => {
    const text = [...sources.values()].join('\n');
    for (const [cast, most] of Object.entries(CASTS)) {
      const found = [...text.matchAll(new RegExp(`\\b${cast}\\b`, 'g'))].length;
      assert.ok(found <= most, `${found} times "${cast}", at most ${most}`);
    }
  });

  it('nothing derived from a value is kept in a module', () => {
    const cached = [...sources].filter(
      ([name, text]) => !MAY_CACHE.test(name) && /^(?:const|let) \w+.*= new Weak(?:Map|Set)\b/m.test(text),
    );
    assert.deepEqual(
      cached.map(([name]) => name),
      [],
    );
  });

  it('notices an import that runs up, a circle and a second export', () => {
    const made = (files: Record<string, string>) => new Map(Object.entries(files));
    const up = made({ 'runtime/a.ts': "import { b } from '../cli/b';", 'cli/b.ts': '' });
    assert.deepEqual(upwardImports(up), ['runtime/a.ts -> cli/b.ts']);
    const level = made({ 'study/a.ts': "import type { B } from '../reproduce/b';", 'reproduce/b.ts': '' });
    assert.deepEqual(upwardImports(level), ['study/a.ts -> reproduce/b.ts']);
    const round = made({
      'io/a.ts': "import type { B } from './b';",
      'io/b.ts': "export * from './a';",
      'io/c.ts': '',
    });
    assert.deepEqual(circles(round), ['io/a.ts', 'io/b.ts']);
    const twice = made({ 'io/a.ts': 'export type Verdict = 1;', 'study/b.ts': 'export interface Verdict {}' });
    assert.deepEqual(secondExports(twice), ['Verdict: io/a.ts, study/b.ts']);
    assert.ok(existsSync(join(__dirname, '..', 'src', 'runtime')));
  });
});
