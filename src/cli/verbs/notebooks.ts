import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { choiceOption, wholeNumber } from '../arguments';
import { EXIT } from '../main';

interface Options {
  check?: boolean;
  execute?: boolean;
  strip?: boolean;
  profile: string;
  parallel: number;
  dryRun?: boolean;
  json?: boolean;
}

/** Result for one notebook: how its execution ended, if requested, and why it cannot be committed yet. */
interface Row {
  notebook: string;
  status?: string;
  seconds?: number;
  error?: string;
  problems?: string[];
}

export function register(program: Command): void {
  program
    .command('notebooks')
    .description('check, execute or strip the notebooks in place')
    .argument('[notebooks...]', 'files, names or numbers (default: all of notebooks/)')
    .option('--check', 'list what must be fixed before committing; exit code 1 if there is anything (the default)')
    .option('--execute', 'execute them headless and save the outputs in the files')
    .option('--strip', 'remove the outputs from the files')
    .addOption(choiceOption('--profile <name>', 'how much to compute', ['smoke', 'small', 'full']).default('small'))
    .addOption(
      new Option('--parallel <n>', 'number of notebooks executed at a time')
        .argParser(wholeNumber)
        .default(Math.min(2, availableParallelism()), '2, or 1 on a single core'),
    )
    .option('--dry-run', 'with --execute: show what would be executed and an estimate, and stop')
    .option('--json', 'print only an array with a row per notebook on standard output')
    .addHelpText('after', '\nExample:\n  cer notebooks --execute 01-score-matching\n  cer notebooks --check')
    .action(async (names: string[], options: Options) => {
      const { findNotebooks } = await import('../../reproduce/batch');
      const files = findNotebooks(names);
      if (options.dryRun && options.execute) return printDryRun(files, options);
      const rows = new Map<string, Row>();
      if (options.strip) await stripAll(files);
      const executed = options.execute ? await executeAll(files, options, rows) : true;
      const good = options.check || !(options.execute || options.strip) ? await checkAll(files, options, rows) : true;
      if (options.json) console.log(JSON.stringify([...rows.values()], null, 2));
      if (!(executed && good)) process.exitCode ??= EXIT.failed;
    });
}

async function stripAll(files: string[]): Promise<void> {
  const { readNotebook, strip, writeNotebook } = await import('../../reproduce/document');
  for (const file of files) writeNotebook(file, strip(readNotebook(file)));
}

async function printDryRun(files: string[], { profile, parallel, json }: Options): Promise<void> {
  const { notebookName } = await import('../../reproduce/document');
  const { estimateNotebooks } = await import('../../study/dry-run');
  const { dryRunText } = await import('../dry-run');
  const notebooks = files.map(notebookName);
  const estimate = estimateNotebooks(notebooks, profile, parallel);
  const configuration = { notebooks, profile, parallel, parameters: process.env.CER_PARAMETERS ?? '{}' };
  if (json) console.log(JSON.stringify({ dryRun: true, ...configuration, estimate }, null, 2));
  else console.log(dryRunText(configuration, estimate));
}

async function executeAll(files: string[], { profile, parallel }: Options, rows: Map<string, Row>): Promise<boolean> {
  const { BatchDisplay, executeBatch } = await import('../../reproduce/batch');
  const { notebookName } = await import('../../reproduce/document');
  const { requireJupyter } = await import('../../reproduce/jupyter');
  const { abortOnInterrupt } = await import('../../runtime/interrupt');
  const { signal, release } = abortOnInterrupt();
  let good = true;
  const jobs = files.map((file) => ({ source: file, target: file }));
  const run = { jupyter: requireJupyter(), profile, parallel, signal };
  await executeBatch(
    jobs,
    run,
    ({ source }, { status, seconds, error }) => {
      good &&= status === 'done';
      rows.set(source, { notebook: notebookName(source), status, seconds, error });
    },
    new BatchDisplay(),
  );
  release();
  if (signal.aborted)
    console.error('Interrupted. Notebooks that were executed are written, the others are as they were.');
  return good && !signal.aborted;
}

async function checkAll(files: string[], { json }: Options, rows: Map<string, Row>): Promise<boolean> {
  const { checkNotebook } = await import('../../reproduce/check');
  const { notebookName, readNotebook } = await import('../../reproduce/document');
  let good = true;
  for (const file of files) {
    const problems = checkNotebook(readNotebook(file));
    good &&= problems.length === 0;
    rows.set(file, { ...(rows.get(file) ?? { notebook: notebookName(file) }), problems });
    if (json) continue;
    console.log(`${problems.length ? 'NOT IN ORDER' : 'in order    '}  ${notebookName(file)}`);
    for (const problem of problems) console.log(`              ${problem}`);
  }
  return good;
}
