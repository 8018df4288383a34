import type { Command } from 'commander';

interface EvaluateArguments {
  reference: string;
  classifier?: string;
  neighbours: string;
  strict?: boolean;
  convert?: boolean;
  json?: boolean;
}

/** Adds `cer evaluate`. */
export function register(program: Command): void {
  program
    .command('evaluate')
    .description('Compare a folder of generated images with real ones: FID, KID, Inception score, precision, recall.')
    .argument('<images>', 'folder of images (with or without class sub-folders), or procedural:SPLIT')
    .option('--reference <dir>', 'real images: a folder, or procedural:reference|control|train', 'procedural:reference')
    .option('--classifier <file>', 'classifier whose features are compared (default: the shipped one)')
    .option('--neighbours <k>', 'neighbours in precision, recall, density and coverage', '3')
    .option('--strict', 'stop at the first unusable image file instead of skipping it')
    .option('--convert', 'convert grey and CMYK images instead of skipping them')
    .option('--json', 'print the rows as JSON')
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
  const { rows, skipped } = await evaluateImages(images, { ...options, neighbours: Number(options.neighbours) });
  for (const { file, reason } of skipped) console.error(`skipped ${file}: ${reason}`);
  if (options.json) console.log(JSON.stringify(rows));
  else {
    for (const { metric, value, better, note } of rows) {
      console.log(`${metric.padEnd(16)} ${value.toPrecision(5).padStart(10)}   ${better} is better   ${note}`);
    }
  }
}
