import { join } from 'node:path';
import type { Command } from 'commander';
import type { TrainedModelName, TrainingProfile } from '../../recipes/profiles';
import type { FineTune, Variant } from '../../recipes/variants';
import { InvalidInputError } from '../../runtime/errors';
import type { Progress } from '../../training/loop';
import { choiceOption, namesIn, seedNumber, wholeNumber } from '../arguments';
import { EXIT } from '../main';
import { ProgressLine } from '../progress-line';

interface TrainArguments {
  data: string;
  model: string;
  profile: string;
  out: string;
  seed: number;
  size: Variant['size'];
  resolution: string;
  vae?: string;
  fineTune?: Exclude<FineTune, 'none'>;
  from?: string;
  steps?: number;
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
    .description('train the models on a folder of images or on the procedural set')
    .option(
      '--data <dir>',
      'folder with one sub-folder of JPEG, PNG or WebP files per class, or "procedural"',
      'procedural',
    )
    .option('--model <names>', 'vae, classifier, mar, ar, cdm (comma-separated), or "all"', 'all')
    .addOption(choiceOption('--profile <name>', 'how long to train', ['smoke', 'small', 'full']).default('small'))
    .option('--out <dir>', 'folder for the weights; the training state is in its sub-folder "training"', 'runs/default')
    .option('--seed <number>', 'seed of weights, batches and noise', seedNumber, 0)
    .addOption(choiceOption('--size <name>', 'width of the token models', ['narrow', 'small', 'wide']).default('small'))
    .addOption(choiceOption('--resolution <pixels>', 'side of the images', ['32', '64']).default('32'))
    .option('--vae <dir>', 'folder of the autoencoder that token models build on (default: --out)')
    .addOption(
      choiceOption(
        '--fine-tune <kind>',
        'fine-tune the model in --from: as before, on its own histories, with refinement, or both',
        ['continued', 'own-history', 'coupled', 'coupled-own-history'],
      ),
    )
    .option('--from <dir>', 'folder of the model to fine-tune')
    .option('--steps <number>', 'stop after this many steps of each model (schedules keep their length)', wholeNumber)
    .option('--strict', 'stop at the first unusable image file instead of skipping it')
    .option('--convert', 'convert grey and CMYK images instead of skipping them')
    .option('--resume', 'resume from the last checkpoint in --out')
    .option('--dry-run', 'read the images, show what would be trained and an estimate of time and memory, and stop')
    .option('--json', 'print only an array with a row per model on standard output')
    .addHelpText(
      'after',
      `
Example:
  cer train --data photos --profile small --out runs/photos
  cer train --model mar --resume --out runs/photos

Interrupt it (Ctrl-C) at any time: it saves its state, and --resume continues with the same result as without a stop.`,
    )
    .action(run);
}

async function run(options: TrainArguments): Promise<void> {
  const { TRAINED_MODELS, trainingProfile } = await import('../../recipes/profiles');
  const { variantProfile } = await import('../../recipes/variants');
  const { seed, steps: stopAt } = options;
  const variant = variantOf(options);
  const models =
    options.model === 'all' ? [...TRAINED_MODELS] : namesIn('Models to train', options.model, TRAINED_MODELS);
  const profile = variantProfile(trainingProfile(options.profile), variant);
  const say = (text: string) => console.error(text);
  if (options.dryRun) return printDryRun(options, models, profile);
  const { useBackend } = await import('../../runtime/backend');
  const { trainAll } = await import('../../recipes/train-all');
  const backend = await useBackend();
  say(`backend ${backend.name}: ${backend.reason}`);
  const { abortOnInterrupt } = await import('../../runtime/interrupt');
  const { signal, release } = abortOnInterrupt(() => say('\nstopping after the step under way (again: at once)'));
  const results = await trainAll(options.profile, {
    ...options,
    models,
    seed,
    variant,
    fineTune: fineTuneOf(options),
    stopAt,
    command: `cer ${process.argv.slice(2).join(' ')}`,
    signal,
    onProgress: showProgress(),
    onText: say,
  });
  release();
  const rows = results.map(({ model, path, finished, provenance }) => ({
    model,
    finished,
    path: path ?? null,
    steps: provenance.steps,
    seconds: provenance.seconds,
    loss: provenance.losses.at(-1)?.loss ?? null,
    ...provenance.measured,
  }));
  if (options.json) console.log(JSON.stringify(rows, null, 2));
  else
    for (const row of rows)
      say(
        Object.entries(row)
          .map(([name, value]) => `${name} ${typeof value === 'number' ? Number(value.toPrecision(4)) : value}`)
          .join('  '),
      );
  if (!options.json && rows.every((row) => row.finished))
    say(whatNext(options, models, results[0].provenance.data.classes.length));
  if (signal.aborted)
    say('Interrupted. What was finished and the training state are kept; the same command with --resume continues.');
  else if (rows.length < models.length || rows.some((row) => !row.finished)) process.exitCode = EXIT.failed;
}

/** The next command: samples from the trained model. */
export function whatNext(
  { out, vae = out }: Pick<TrainArguments, 'out' | 'vae'>,
  models: readonly TrainedModelName[],
  classes: number,
): string {
  const generator = models.find((model) => ['mar', 'ar', 'cdm'].includes(model));
  if (!generator)
    return `Next, train a generator: npx cer train --model mar,ar,cdm --out ${out}, and the same --data and --profile.`;
  const files = `--weights ${join(out, `${generator}.safetensors`)} --vae ${join(vae, 'vae.safetensors')}`;
  return `Next, generate samples: npx cer sample ${files} --class ${classes > 1 ? '0,1' : '0'} --count 16 --out ${join(out, 'samples.png')}`;
}

const variantOf = ({ size, resolution }: TrainArguments) => ({ size, resolution: Number(resolution) as 32 | 64 });

function fineTuneOf({ fineTune: kind, from }: TrainArguments) {
  if (kind && from) return { kind, from };
  if (!kind && !from) return undefined;
  throw new InvalidInputError('Fine-tune', {
    given: kind ? `--fine-tune ${kind} without --from` : `--from ${from} without --fine-tune`,
    expected: 'both: the model to fine-tune, and how',
    remedy: 'Add the other one.',
  });
}

/** Reads the images and prints what would be trained, with an estimate. */
async function printDryRun(
  options: TrainArguments,
  models: TrainedModelName[],
  profile: TrainingProfile,
): Promise<void> {
  const { loadTrainingData } = await import('../../recipes/data');
  const { skippedLines } = await import('../../data/image-folder');
  const { estimateTraining } = await import('../../study/dry-run');
  const { dryRunText, estimateText } = await import('../dry-run');
  const say = (text: string) => console.error(text);
  const { splits, skipped } = await loadTrainingData(profile, { ...options, onProgress: say });
  for (const text of skippedLines(skipped)) say(text);
  const { count: images, classNames } = splits.train;
  const variant = { ...variantOf(options), fineTune: options.fineTune };
  const rows = [];
  for (const model of models) {
    const budget = profile.budgets[model];
    const steps = Math.min(budget.steps, options.steps ?? budget.steps);
    const estimate = estimateTraining(model, profile, { images, steps, variant });
    if (!options.json) console.log(`${model}: ${steps} steps of ${budget.batch} images; ${estimateText(estimate)}`);
    const out = `${options.out}/${model}.safetensors`;
    rows.push({ model, ...budget, steps, images, classes: classNames.length, out, estimate });
  }
  if (options.json) return console.log(JSON.stringify(rows, null, 2));
  const { data, profile: name, seed, out, resume = false, vae = out } = options;
  const seconds = rows.reduce((sum, { estimate }) => sum + estimate.seconds, 0);
  const megabytes = Math.max(...rows.map(({ estimate }) => estimate.megabytes));
  const configuration = {
    ...{ data, images, classes: classNames, models, profile: name, seed, ...variantOf(options), out, vae, resume },
    backend: process.env.CER_BACKEND ?? 'auto',
    budgets: Object.fromEntries(models.map((model) => [model, profile.budgets[model]])),
  };
  console.log(dryRunText(configuration, { seconds, megabytes, basis: 'times of the shipped trainings' }));
}

function showProgress(): (model: string, progress: Progress) => void {
  const line = new ProgressLine();
  return (model, { step, steps, loss, imagesPerSecond, etaSeconds, memory }) => {
    const left = step === steps ? 'done' : `${Math.ceil(etaSeconds)} s left`;
    const speed = `${imagesPerSecond.toFixed(0)} images/s  ${left}  ${Math.round(memory / 2 ** 20)} MiB`;
    line.show(`${model} ${step}/${steps}  loss ${loss.toPrecision(4)}  ${speed}`, step === steps);
  };
}
