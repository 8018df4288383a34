import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { wholeNumber } from '../arguments';

interface Options {
  check?: boolean;
  execute?: boolean;
  strip?: boolean;
  profile: string;
  parallel: number;
}

export function register(program: Command): void {
  program
    .command('notebooks')
    .description('check, execute or strip the notebooks in place')
    .argument('[notebooks...]', 'files, names or numbers (default: all of notebooks/)')
    .option('--check', 'say what keeps them from being committed; exit status 1 if anything does (the default)')
    .option('--execute', 'execute them headless and keep the outputs in the files')
    .option('--strip', 'take the outputs out of the files')
    .addOption(
      new Option('--profile <name>', 'how much to compute').choices(['smoke', 'small', 'full']).default('small'),
    )
    .option('--parallel <n>', 'how many at a time', wholeNumber, Math.min(2, availableParallelism()))
    .addHelpText('after', '\nExample:\n  cer notebooks --execute 01-score-matching\n  cer notebooks --check')
    .action(async (names: string[], options: Options) => {
      const { findNotebooks } = await import('../../notebook/batch');
      const files = findNotebooks(names);
      if (options.strip) await stripAll(files);
      const executed = options.execute ? await executeAll(files, options) : true;
      const good = options.check || !(options.execute || options.strip) ? await checkAll(files) : true;
      if (!(executed && good)) process.exitCode ??= 1;
    });
}

async function stripAll(files: string[]): Promise<void> {
  const { readNotebook, strip, writeNotebook } = await import('../../notebook/document');
  for (const file of files) writeNotebook(file, strip(readNotebook(file)));
}

async function executeAll(files: string[], { profile, parallel }: Options): Promise<boolean> {
  const { BatchDisplay, executeBatch } = await import('../../notebook/batch');
  const { requireJupyter } = await import('../../notebook/jupyter');
  const { abortOnInterrupt } = await import('../../runtime/interrupt');
  const { signal, release } = abortOnInterrupt();
  let good = true;
  const jobs = files.map((file) => ({ source: file, target: file }));
  const run = { jupyter: requireJupyter(), profile, parallel, signal };
  await executeBatch(jobs, run, (_, { status }) => (good &&= status === 'done'), new BatchDisplay());
  release();
  return good;
}

async function checkAll(files: string[]): Promise<boolean> {
  const { checkNotebook } = await import('../../notebook/check');
  const { notebookName, readNotebook } = await import('../../notebook/document');
  let good = true;
  for (const file of files) {
    const problems = checkNotebook(readNotebook(file));
    good &&= problems.length === 0;
    console.log(`${problems.length ? 'NOT IN ORDER' : 'in order    '}  ${notebookName(file)}`);
    for (const problem of problems) console.log(`              ${problem}`);
  }
  return good;
}
