import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { choiceOption, wholeNumber } from '../arguments';
import { EXIT } from '../main';

interface Options {
  profile: 'smoke' | 'small' | 'full';
  only?: string[];
  results?: string;
  fromScratch?: boolean;
  parallel: number;
  dryRun?: boolean;
  json?: boolean;
}

export function register(program: Command): void {
  program
    .command('reproduce')
    .description('execute every notebook headless, write results/ and the report, print the summary')
    .addOption(choiceOption('--profile <name>', 'how much to compute', ['smoke', 'small', 'full']).default('small'))
    .option('--from-scratch', 'train the checkpoints first')
    .option('--only <names...>', 'only these notebooks (names or numbers)')
    .option('--results <folder>', 'folder of the results (default: results/ in the project)')
    .addOption(
      new Option('--parallel <n>', 'notebooks at a time')
        .argParser(wholeNumber)
        .default(Math.min(2, availableParallelism()), '2, or 1 on a single core'),
    )
    .option('--dry-run', 'show the configuration in effect and an estimate of time and memory, and stop')
    .option('--json', 'print only one object on standard output')
    .addHelpText(
      'after',
      '\nExample:\n  cer reproduce --profile smoke\n  cer reproduce --only 01 09-refinement\n\nFinished notebooks are kept: after an interruption the next call resumes.\nThe profile full first runs `cer study`: trainings of several seeds and sizes, tables, ablations.\nExit code 1 when a notebook failed, 3 when Jupyter is missing.\nCER_PARAMETERS (a JSON object) changes parameters of the notebooks, CER_BACKEND the backend.',
    )
    .action(async ({ json, dryRun, ...options }: Options) => {
      if (dryRun) return printDryRun(options, json);
      const { reproduce } = await import('../../reproduce/reproduce');
      const { summaryText } = await import('../../reproduce/findings');
      const { abortOnInterrupt } = await import('../../runtime/interrupt');
      const { signal, release } = abortOnInterrupt();
      const { runStudy } = await import('../../study/run-study');
      const command = `cer ${process.argv.slice(2).join(' ')}`;
      const study = (how: { signal?: AbortSignal; onText: (text: string) => void }) =>
        runStudy({ size: 'full', command, ...how });
      const done = await reproduce({ ...options, signal, ...(options.profile === 'full' ? { study } : {}) });
      release();
      const failed = done.notebooks.filter(({ status }) => status === 'failed');
      if (failed.length > 0) process.exitCode = EXIT.failed;
      if (signal.aborted) console.error(`Interrupted. Finished notebooks are kept; resume with \`${command}\`.`);
      if (json) return console.log(JSON.stringify(done, null, 2));
      if (signal.aborted) return;
      console.log(`\n${summaryText(done.findings)}\n`);
      for (const { notebook, failedCell, error } of failed) {
        console.log(`FAILED ${notebook}, cell ${failedCell}: ${error}`);
      }
      console.log(`Profile ${done.profile}. Report: ${done.report}`);
    });
}

async function printDryRun(options: Omit<Options, 'json' | 'dryRun'>, json?: boolean): Promise<void> {
  const { findNotebooks } = await import('../../reproduce/batch');
  const { notebookName } = await import('../../reproduce/document');
  const { estimateNotebooks, estimateTraining } = await import('../../study/dry-run');
  const { dryRunText } = await import('../dry-run');
  const { profile, parallel, results, fromScratch } = options;
  const notebooks = findNotebooks(options.only).map(notebookName);
  let estimate = estimateNotebooks(notebooks, profile, parallel);
  if (fromScratch) {
    const { TRAINED_MODELS, trainingProfile } = await import('../../recipes/profiles');
    const settings = trainingProfile(profile);
    const trainings = TRAINED_MODELS.map((model) =>
      estimateTraining(model, settings, { images: 0, steps: settings.budgets[model].steps }),
    );
    const seconds = trainings.reduce((sum, training) => sum + training.seconds, estimate.seconds);
    estimate = { ...estimate, seconds, basis: `${estimate.basis}; training: times of the shipped trainings` };
  }
  const configuration = {
    profile,
    notebooks,
    parallel,
    results: results ?? 'results',
    fromScratch: fromScratch ?? false,
    parameters: process.env.CER_PARAMETERS ?? '{}',
    backend: process.env.CER_BACKEND ?? 'auto',
  };
  if (json) console.log(JSON.stringify({ dryRun: true, ...configuration, estimate }, null, 2));
  else console.log(dryRunText(configuration, estimate));
}
