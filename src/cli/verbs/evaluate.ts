import type { Command } from 'commander';
import type { EvaluationOptions } from '../../evaluation/evaluate-folder';
import { choiceOption, wholeNumber } from '../arguments';
import { ProgressLine } from '../progress-line';

interface EvaluateArguments extends EvaluationOptions {
  features: 'classifier' | 'inception';
  classifier?: string;
  neighbours: number;
  rows: number;
  dryRun?: boolean;
  json?: boolean;
}

/** Adds `cer evaluate`. */
export function register(program: Command): void {
  program
    .command('evaluate')
    .description('compare a folder of generated images with real ones: FID, KID, Inception score, precision, recall')
    .argument('<images>', 'folder of images (with or without class sub-folders), or procedural:SPLIT')
    .option(
      '--reference <dir>',
      'real images: a folder, or procedural:reference|control|train (default: procedural:reference, none with --statistics)',
    )
    .option(
      '--statistics <file>',
      'mu and sigma of real features, .npz as FID tools write them: FID is computed against these',
    )
    .addOption(
      choiceOption('--features <name>', 'features to compare: of the small classifier, or of InceptionV3', [
        'classifier',
        'inception',
      ]).default('classifier'),
    )
    .option(
      '--weights <file>',
      'weights of InceptionV3 for FID, .pth or .safetensors (needed with --features inception)',
    )
    .option('--classifier <file>', 'classifier whose features are compared (default: the shipped one)')
    .option('--neighbours <k>', 'neighbours in precision, recall, density and coverage', wholeNumber, 3)
    .option('--rows <n>', 'images of each set whose features are compared pairwise, evenly spaced', wholeNumber, 5000)
    .option('--strict', 'stop at the first unusable image file instead of skipping it')
    .option('--convert', 'convert grey and CMYK images instead of skipping them')
    .option('--dry-run', 'count the images, show what would be measured and an estimate, and stop')
    .option('--json', 'print only an array of rows on standard output')
    .addHelpText(
      'after',
      `
Example:
  cer evaluate samples/ --reference photos/ --json
  cer evaluate procedural:control        distance between two sets of real images: the floor of every metric
  cer evaluate samples/ --features inception --weights pt_inception-2015-12-05.pth --statistics imagenet-256.npz

The small classifier was trained here, so its numbers are analogues: compare them with each other, never with published
ones, and only at equal numbers of images. InceptionV3 with its FID weights gives numbers comparable to published ones if
there are as many images as the paper used (50 000). With --statistics only FID and Inception score are computed; the other
metrics need features of real images and are omitted with a note. Memory does not grow with the number of images.`,
    )
    .action(run);
}

async function run(images: string, { classifier, ...given }: EvaluateArguments): Promise<void> {
  const { InvalidInputError } = await import('../../runtime/errors');
  const other = given.features === 'inception' ? classifier : given.weights;
  if (other) {
    throw new InvalidInputError('Weights of the features', {
      given: `${given.features === 'inception' ? '--classifier' : '--weights'} with --features ${given.features}`,
      expected: '--weights with --features inception, --classifier with --features classifier',
      remedy: 'Name the features that the weights are of.',
    });
  }
  const options = { ...given, weights: given.weights ?? classifier };
  const { useBackend } = await import('../../runtime/backend');
  const { evaluateImages } = await import('../../evaluation/evaluate-folder');
  const { skippedLines } = await import('../../data/image-folder');
  await useBackend();
  if (options.dryRun) return printDryRun(images, options);
  const line = new ProgressLine();
  const onProgress = (what: string, done: number, total: number) =>
    line.show(`${what}: ${done} of ${total} images`, done === total);
  const { rows, skipped } = await evaluateImages(images, { ...options, onProgress });
  for (const text of skippedLines(skipped)) console.error(text);
  if (options.json) return console.log(JSON.stringify(rows, null, 2));
  const { markdownTable } = await import('../../notebook/markdown-table');
  console.log(markdownTable(rows, 5));
}

async function printDryRun(images: string, options: Omit<EvaluateArguments, 'classifier'>): Promise<void> {
  const { estimateEvaluation } = await import('../../study/dry-run');
  const { imageStream } = await import('../../data/image-stream');
  const { skippedLines } = await import('../../data/image-folder');
  const { openExtractor, referenceOf } = await import('../../evaluation/evaluate-folder');
  const { dryRunText } = await import('../dry-run');
  const { features, weights, statistics, neighbours, rows, strict = false, convert = false } = options;
  const reference = referenceOf(options);
  const streams = [images, reference].map((what) => (what === undefined ? undefined : imageStream(what, options)));
  const counts = { images: streams[0]!.count, reference: streams[1]?.count ?? 0 };
  for (const text of skippedLines(streams.flatMap((stream) => stream?.skipped ?? []))) console.error(text);
  const extractor = openExtractor(options);
  const estimate = estimateEvaluation(counts.images + counts.reference, features, extractor, rows);
  extractor.dispose();
  const configuration = {
    ...{ images, reference: reference ?? 'none', statistics: statistics ?? 'none', counts, features },
    weights: weights ?? 'the shipped ones',
    ...{ neighbours, rows, strict, convert },
  };
  if (options.json) console.log(JSON.stringify({ dryRun: true, ...configuration, estimate }, null, 2));
  else console.log(dryRunText(configuration, estimate));
}
