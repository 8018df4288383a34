import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { wholeNumber } from '../arguments';

interface Options {
  profile: 'smoke' | 'small' | 'full';
  only?: string[];
  results?: string;
  fromScratch?: boolean;
  parallel: number;
  json?: boolean;
}

export function register(program: Command): void {
  program
    .command('reproduce')
    .description('execute every notebook headless, write results/ and the report, print the summary')
    .addOption(
      new Option('--profile <name>', 'smoke: a minute; small: ten minutes; full: 5 seeds')
        .choices(['smoke', 'small', 'full'])
        .default('small'),
    )
    .option('--from-scratch', 'train the checkpoints first')
    .option('--only <names...>', 'these notebooks alone (names or numbers)')
    .option('--results <folder>', 'where results go (default: results/ in the project)')
    .option('--parallel <n>', 'notebooks at a time', wholeNumber, Math.min(2, availableParallelism()))
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  cer reproduce --profile smoke\n  cer reproduce --only 01 09-refinement\n\nFinished notebooks are kept: interrupted, the next call goes on there.\nExit status: 0 all executed, 1 a notebook failed, 3 Jupyter is missing.',
    )
    .action(async ({ json, ...options }: Options) => {
      const { reproduce } = await import('../../experiments/reproduce');
      const { summaryText } = await import('../../experiments/findings');
      const { abortOnInterrupt } = await import('../../runtime/interrupt');
      const { signal, release } = abortOnInterrupt();
      const done = await reproduce({ ...options, signal });
      release();
      const failed = done.notebooks.filter(({ status }) => status === 'failed');
      if (failed.length > 0) process.exitCode = 1;
      if (json) return console.log(JSON.stringify(done, null, 2));
      if (signal.aborted)
        return console.error('Interrupted. What is finished is kept; the same command goes on there.');
      console.log(`\n${summaryText(done.findings)}\n`);
      for (const { notebook, failedCell, error } of failed) {
        console.log(`FAILED ${notebook}, cell ${failedCell}: ${error}`);
      }
      console.log(`Profile ${done.profile}. Report: ${done.report}`);
    });
}
