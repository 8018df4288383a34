import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A benchmark: `bench/NAME.ts` exports `run`, which measures and returns rows; `print` shows them to a reader. */
export interface Benchmark {
  /** @param only part of the names of the cases to run, where a benchmark has cases. */
  run(log: (line: string) => void, only?: string): Promise<object[]>;
  print(rows: object[]): void;
}

/** `npm run bench -- NAME [--json] [--only TEXT]`: prints a table, or with `--json` an array of rows and nothing else on stdout. */
async function main(): Promise<void> {
  const [name, ...flags] = process.argv.slice(2);
  const file = join(__dirname, `${name}.ts`);
  const known = readdirSync(__dirname).filter(
    (entry) => entry.endsWith('.ts') && entry !== 'main.ts' && !entry.startsWith('shared'),
  );
  if (!name || !/^[a-z-]+$/.test(name) || name === 'main' || !existsSync(file)) {
    console.error(
      `bench: got ${name ?? 'no name'}; expected one of ${known.map((entry) => entry.slice(0, -3)).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  const benchmark = (await import(file)) as Benchmark;
  const only = flags.includes('--only') ? flags[flags.indexOf('--only') + 1] : undefined;
  const rows = await benchmark.run((line) => console.error(line), only);
  if (flags.includes('--json')) console.log(JSON.stringify(rows, null, 2));
  else benchmark.print(rows);
}

void main();
