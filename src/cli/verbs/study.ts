import type { Command } from 'commander';
import { choiceOption, namesIn, wholeNumber } from '../arguments';

interface StudyArguments {
  size: 'full' | 'smoke';
  tables?: string;
  checkpoints: string;
  store: string;
  results: string;
  processes?: number;
  dryRun?: boolean;
  json?: boolean;
}

/** Adds `cer study`. */
export function register(program: Command): void {
  program
    .command('study')
    .description(
      "make the paper's tables and the ablations over several trainings: train what is missing, compute each row once",
    )
    .addOption(choiceOption('--size <name>', 'how much', ['full', 'smoke']).default('full'))
    .option('--tables <names>', 'only these, separated by commas (default: all)')
    .option('--checkpoints <dir>', 'folder of the trainings', 'data/checkpoints')
    .option('--store <dir>', 'folder of the rows; existing rows are reused', 'runs/study')
    .option('--results <dir>', 'folder of the finished tables', 'data/results')
    .option('--processes <n>', 'local processes (default: one per core)', wholeNumber)
    .option('--dry-run', 'print what would be trained and computed, with an estimate of the time, and stop')
    .option('--json', 'print only an array with the paths of the finished tables')
    .addHelpText(
      'after',
      `
Examples:
  cer study --size smoke --results results/smoke
  cer study --tables table-1

Interrupt it at any time: the same command resumes. The notebooks 11 and 12 show the tables in data/results.`,
    )
    .action(run);
}

async function run({ tables: names, json, dryRun, ...options }: StudyArguments): Promise<void> {
  const { TABLES } = await import('../../study/study');
  const known = TABLES.map(({ name }) => name);
  const tables = names === undefined ? undefined : namesIn('Tables of the study', names, known);
  if (dryRun) {
    const { dryRunStudy } = await import('../../study/dry-run');
    const { dryRunText } = await import('../dry-run');
    const { configuration, estimate } = dryRunStudy({ ...options, tables });
    if (json) console.log(JSON.stringify({ dryRun: true, ...configuration, estimate }, null, 2));
    else console.log(dryRunText(configuration, estimate));
    return;
  }
  const { runStudy } = await import('../../study/run-study');
  const { abortOnInterrupt } = await import('../../runtime/interrupt');
  const { signal, release } = abortOnInterrupt();
  const command = `cer ${process.argv.slice(2).join(' ')}`;
  const written = await runStudy({ ...options, tables, command, signal, onText: (text) => console.error(text) });
  release();
  if (json) console.log(JSON.stringify(written, null, 2));
  else for (const path of written) console.log(path);
  if (signal.aborted) console.error('Interrupted. Finished work is kept; the same command resumes.');
}
