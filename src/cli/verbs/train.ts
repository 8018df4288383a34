import type { Command } from 'commander';
import type { TrainedModelName } from '../../experiments/training-profiles';
import type { Progress } from '../../training/loop';
import { EXIT } from '../main';

interface TrainArguments {
  data: string;
  model: string;
  profile: string;
  out: string;
  seed: string;
  steps?: string;
  strict?: boolean;
  convert?: boolean;
  resume?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** Adds `cer train`. */
export function register(program: Command): void {
  program
    .command('train')
    .description('Train the models on a folder of images or on the procedural set.')
    .option(
      '--data <dir>',
      'folder with one sub-folder of JPEG, PNG or WebP files per class, or "procedural"',
      'procedural',
    )
    .option('--model <names>', 'vae, classifier, mar, ar, cdm (comma-separated), or "all"', 'all')
    .option('--profile <name>', 'smoke, small or full', 'small')
    .option('--out <dir>', 'folder for the weights; training state in its sub-folder "training"', 'runs/default')
    .option('--seed <number>', 'seed of weights, batches and noise', '0')
    .option('--steps <number>', 'stop after this many steps of each model (schedules keep their length)')
    .option('--strict', 'stop at the first unusable image file instead of skipping it')
    .option('--convert', 'convert grey and CMYK images instead of skipping them')
    .option('--resume', 'go on from the last checkpoint in --out')
    .option('--dry-run', 'read the images and show what would be trained')
    .option('--json', 'print one JSON row per model')
    .addHelpText(
      'after',
      `
Example:
  cer train --data photos --profile small --out runs/photos
  cer train --model mar --resume --out runs/photos

Interrupt it (Ctrl-C) at any time: it saves its state, and --resume continues as if nothing had happened.`,
    )
    .action(run);
}

async function run(options: TrainArguments): Promise<void> {
  const { TRAINED_MODELS, trainingProfile } = await import('../../experiments/training-profiles');
  const { InvalidInputError } = await import('../../runtime/errors');
  const number = (name: string, text: string) => {
    if (/^\d+$/.test(text)) return Number(text);
    throw new InvalidInputError(`--${name}`, {
      given: JSON.stringify(text),
      expected: 'a non-negative integer',
      remedy: 'Give a number such as 1000.',
    });
  };
  const seed = number('seed', options.seed);
  const stopAt = options.steps === undefined ? undefined : number('steps', options.steps);
  const models = options.model === 'all' ? [...TRAINED_MODELS] : (options.model.split(',') as TrainedModelName[]);
  const profile = trainingProfile(options.profile);
  const say = (text: string) => console.error(text);
  if (options.dryRun) {
    const { loadTrainingData } = await import('../../experiments/training-data');
    const { splits, skipped } = await loadTrainingData(profile, { ...options, onProgress: say });
    for (const { file, reason } of skipped) say(`skipped ${file}: ${reason}`);
    const rows = models.map((model) => ({
      model,
      ...profile.budgets[model],
      images: splits.train.count,
      classes: splits.train.classNames.length,
      out: options.out,
    }));
    if (options.json) console.log(JSON.stringify(rows));
    else console.table(rows);
    return;
  }
  const { useBackend } = await import('../../runtime/backend');
  const { trainAll } = await import('../../experiments/train-all');
  const backend = await useBackend();
  say(`backend ${backend.name}: ${backend.reason}`);
  const stop = new AbortController();
  const interrupt = () => {
    say('\nstopping after this step (again to stop at once)');
    process.once('SIGINT', () => process.exit(130));
    stop.abort();
  };
  process.once('SIGINT', interrupt);
  const results = await trainAll(options.profile, {
    ...options,
    models,
    seed,
    stopAt,
    command: `cer ${process.argv.slice(2).join(' ')}`,
    signal: stop.signal,
    onProgress: showProgress(),
    onText: say,
  });
  process.removeListener('SIGINT', interrupt);
  const rows = results.map(({ model, path, finished, provenance }) => ({
    model,
    finished,
    path: path ?? null,
    steps: provenance.steps,
    seconds: provenance.seconds,
    loss: provenance.losses.at(-1)?.loss ?? null,
    ...provenance.measured,
  }));
  if (options.json) console.log(JSON.stringify(rows));
  else
    for (const row of rows)
      say(
        Object.entries(row)
          .map(([name, value]) => `${name} ${value}`)
          .join('  '),
      );
  if (rows.length < models.length || rows.some((row) => !row.finished)) process.exitCode = EXIT.failed;
}

/** A line that is rewritten on a terminal; a line every twenty seconds where there is none. */
function showProgress(): (model: string, progress: Progress) => void {
  let last = 0;
  return (model, { step, steps, loss, imagesPerSecond, etaSeconds, memory }) => {
    const ended = step === steps;
    const line = `${model} ${step}/${steps}  loss ${loss.toPrecision(4)}  ${imagesPerSecond.toFixed(0)} images/s  ${
      ended ? 'done' : `${Math.ceil(etaSeconds)} s left`
    }  ${Math.round(memory / 2 ** 20)} MiB`;
    if (process.stderr.isTTY) process.stderr.write(`\r${line.padEnd(78)}${ended ? '\n' : ''}`);
    else if (ended || Date.now() - last > 20_000) {
      last = Date.now();
      console.error(line);
    }
  };
}
