import type { Command } from 'commander';
import { choiceOption, namesIn, wholeNumber } from '../arguments';
import { type ExecutionOptions, execute, executionOptions } from './sweep';

interface AblateArguments extends ExecutionOptions {
  model: 'AR' | 'MAR';
  knobs?: string;
  seeds: number;
  images: number;
}

/** Adds `cer ablate`. */
export function register(program: Command): void {
  executionOptions(
    program
      .command('ablate')
      .description('measure the effect of each knob of the refinement, one at a time')
      .addOption(choiceOption('--model <name>', 'whose conditions are refined', ['AR', 'MAR']).default('AR'))
      .option('--knobs <names>', 'only these knobs, separated by commas (default: all; listed below)')
      .option('--seeds <n>', 'sampling seeds 0 .. n - 1', wholeNumber, 5)
      .option('--images <n>', 'images per row, a multiple of 10', wholeNumber, 500),
    'runs/ablation',
  )
    .addHelpText('after', afterHelp)
    .action(run);
}

function afterHelp(): string {
  const { REFINEMENT_KNOBS } = require('../../study/knobs') as typeof import('../../study/knobs');
  const width = Math.max(...REFINEMENT_KNOBS.map(({ name }) => name.length));
  const knobs = REFINEMENT_KNOBS.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`);
  return `
Knobs:
${knobs.join('\n')}

Examples:
  cer ablate --dry-run
  cer ablate --model MAR --knobs epsilon,iterations --seeds 3
  cer ablate --queue redis://127.0.0.1:6379

The sweep is written to the folder as ablation-MODEL.json: edit it and run it with \`cer sweep\`; existing rows are
reused. Every point is compared with the refinement at its defaults and with the same run without refinement, over shared seeds.`;
}

async function run({ model, knobs, seeds, images, ...options }: AblateArguments): Promise<void> {
  const { ablationSweep, REFINEMENT_KNOBS } = await import('../../study/knobs');
  const { planSweep } = await import('../../sweep/plan');
  const { EXPERIMENTS } = await import('../../study/experiments');
  const { join } = await import('node:path');
  const names = REFINEMENT_KNOBS.map(({ name }) => name);
  const chosen = knobs === undefined ? undefined : namesIn('Knobs to ablate', knobs, names);
  const file = ablationSweep({ model, knobs: chosen, seeds, images });
  const plan = planSweep(file, EXPERIMENTS);
  const name = `ablation-${model}`;
  if (!options.dryRun) await keep(join(options.out, `${name}.json`), `${JSON.stringify(file, null, 2)}\n`);
  await execute(plan, name, options);
}

/** Writes the sweep; a different file of that name, which may have been edited, is renamed. */
async function keep(path: string, text: string): Promise<void> {
  const { existsSync, readFileSync, renameSync } = await import('node:fs');
  const { writeFileAtomic } = await import('../../io/atomic-file');
  if (existsSync(path)) {
    if (readFileSync(path, 'utf8') === text) return;
    const aside = path.replace(/\.json$/, '.previous.json');
    renameSync(path, aside);
    console.error(`another sweep was in ${path}; it is now ${aside}`);
  }
  writeFileAtomic(path, (write) => write(Buffer.from(text)));
}
