import type { Command } from 'commander';
import { wholeNumber } from '../arguments';

interface EvaluateArguments {
  reference: string;
  classifier?: string;
  neighbours: number;
  strict?: boolean;
  convert?: boolean;
  dryRun?: boolean;
  json?: boolean;
}

/** Adds `cer evaluate`. */
export function register(program: Command): void {
  program
    .command('evaluate')
    .description('compare a folder of generated images with real ones: FID, KID, Inception score, precision, recall')
    .argument('<images>', 'folder of images (with or without class sub-folders), or procedural:SPLIT')
    .option('--reference <dir>', 'real images: a folder, or procedural:reference|control|train', 'procedural:reference')
    .option('--classifier <file>', 'classifier whose features are compared (default: the shipped one)')
    .option('--neighbours <k>', 'neighbours in precision, recall, density and coverage', wholeNumber, 3)
    .option('--strict', 'stop at the first unusable image file instead of skipping it')
    .option('--convert', 'convert grey and CMYK images instead of skipping them')
    .option('--dry-run', 'count the images, show what would be measured with an estimate, and stop')
    .option('--json', 'an array of rows on standard output and nothing else')
    .addHelpText(
      'after',
      `
Example:
  cer evaluate samples/ --reference photos/ --json
  cer evaluate procedural:control        how far apart two sets of real images are: the floor of every number

The features are those of a small classifier trained here, so these numbers are analogues: compare them with each other,
never with published ones, and only at equal numbers of images.`,
    )
    .action(run);
}

async function run(images: string, options: EvaluateArguments): Promise<void> {
  const { useBackend } = await import('../../runtime/backend');
  const { evaluateImages } = await import('../../experiments/evaluate-folder');
  await useBackend();
  if (options.dryRun) return rehearse(images, options);
  const { rows, skipped } = await evaluateImages(images, options);
  for (const { file, reason } of skipped) console.error(`skipped ${file}: ${reason}`);
  if (options.json) console.log(JSON.stringify(rows, null, 2));
  else {
    for (const { metric, value, better, note } of rows) {
      console.log(`${metric.padEnd(16)} ${value.toPrecision(5).padStart(10)}   ${better} is better   ${note}`);
    }
  }
}

async function rehearse(images: string, options: EvaluateArguments): Promise<void> {
  const { countImages, estimateEvaluation } = await import('../../experiments/estimate');
  const { dryRunText } = await import('../dry-run');
  const { reference, classifier = 'the shipped one', neighbours, strict = false, convert = false } = options;
  const counts = { images: countImages(images), reference: countImages(reference) };
  const estimate = estimateEvaluation(counts.images + counts.reference, options.classifier);
  const configuration = { images, reference, counts, classifier, neighbours, strict, convert };
  if (options.json) console.log(JSON.stringify({ dryRun: true, ...configuration, estimate }, null, 2));
  else console.log(dryRunText(configuration, estimate));
}
