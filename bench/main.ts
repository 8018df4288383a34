import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeFileAtomic } from '../src/io/atomic-file';
import { describeTorch } from './shared-python';

/** A benchmark: `bench/NAME.ts` exports `run`, which measures and returns rows; `print` shows them to a reader. */
export interface Benchmark {
  run(options: BenchmarkOptions): Promise<object[]>;
  print(rows: object[]): void;
}

export interface BenchmarkOptions {
  /** Parts of the names of the cases to run, where a benchmark has cases; default all. */
  only: readonly string[];
  /** Three rounds only, and no memory. */
  quick: boolean;
  /** Where the PyTorch peer computes, where a benchmark can choose. */
  device: 'cpu' | 'cuda';
  log(line: string): void;
  /** Called with the rows so far, where there are several. */
  onRows?(rows: object[]): void;
}

const USAGE = 'npm run bench -- NAME [--json] [--only TEXT]... [--quick] [--device cpu|cuda] [--save FILE]';

function parseArguments() {
  return parseArgs({
    allowPositionals: true,
    options: {
      help: { type: 'boolean' },
      json: { type: 'boolean' },
      only: { type: 'string', multiple: true, default: [] },
      quick: { type: 'boolean', default: false },
      save: { type: 'string' },
      device: { type: 'string', default: 'cpu' },
    },
  });
}

/**
 * `npm run bench -- NAME [--json] [--only TEXT]... [--quick] [--device cuda] [--save FILE]`: prints a table, or with `--json` an array of
 * rows and nothing else on stdout; saved with what the machine is.
 */
async function main(): Promise<void> {
  let given: ReturnType<typeof parseArguments>;
  try {
    given = parseArguments();
  } catch (error) {
    console.error(`bench: ${(error as Error).message}\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  const { values, positionals } = given;
  const [name] = positionals;
  const file = join(__dirname, `${name}.ts`);
  const known = readdirSync(__dirname).filter(
    (entry) => entry.endsWith('.ts') && entry !== 'main.ts' && !entry.startsWith('shared'),
  );
  if (values.help) return console.log(`${USAGE}\nNAME: ${known.map((entry) => entry.slice(0, -3)).join(', ')}`);
  if (!name || !/^[a-z-]+$/.test(name) || name === 'main' || !existsSync(file)) {
    console.error(
      `bench: got ${name ?? 'no name'}; expected one of ${known.map((entry) => entry.slice(0, -3)).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  const { device } = values;
  if (device !== 'cpu' && device !== 'cuda') {
    console.error(`bench: got --device ${device}; expected cpu or cuda`);
    process.exitCode = 2;
    return;
  }
  const benchmark = (await import(file)) as Benchmark;
  const { only, quick, save } = values;
  const processor = cpus()[0]?.model.trim() ?? 'unknown';
  const machine = { processor, cores: availableParallelism(), ...(save ? describeTorch(device) : {}) };
  const onRows = (rows: object[]) => {
    const text = `${JSON.stringify({ benchmark: name, device, machine, rows }, null, 2)}\n`;
    if (save) writeFileAtomic(save, (write) => write(Buffer.from(text)));
  };
  const rows = await benchmark.run({ only, quick, device, onRows, log: (line) => console.error(line) });
  onRows(rows);
  if (values.json) console.log(JSON.stringify(rows, null, 2));
  else benchmark.print(rows);
}

void main();
