import type { Command } from 'commander';
import { InvalidInputError } from '../../runtime/errors';

interface ConvertOptions {
  key?: string;
  all?: boolean;
  json?: boolean;
}

/** `cer convert`: weights between PyTorch's .pth, safetensors and npz, every bit kept. */
export function register(program: Command): void {
  program
    .command('convert')
    .description('convert weights between .pth, .safetensors and .npz; every bit is kept')
    .argument('<in>', 'a .pth, .safetensors, .npz or .npy file')
    .argument('<out>', 'a path that ends in .safetensors, .pth or .npz')
    .option('--key <name>', 'which weights of a checkpoint, e.g. model_ema (default: model, where there is one)')
    .option('--all', 'all tensors of a checkpoint under dotted names, e.g. model_ema.mask_token')
    .option('--json', 'one object on standard output and nothing else')
    .addHelpText(
      'after',
      `
Nothing in a .pth file is executed. The file that is written loads with torch.load(..., weights_only=True).
Tensors pass through one at a time, so a file may be larger than memory.

Example:
  cer convert checkpoint-last.pth mar-b.safetensors --key model_ema
  cer convert mar-b.safetensors mar-b.pth`,
    )
    .action(async (from: string, to: string, options: ConvertOptions) => {
      const { openWeightFile } = await import('../../io/weight-file');
      const file = openWeightFile(from);
      const { key, tensors } = choose(from, file, options);
      await write(to, tensors, file.format === 'safetensors' ? (file.values as Record<string, string>) : {});
      const others = [...file.groups.keys()].filter((name) => name !== key && !options.all);
      const report = { from, to, key, tensors: tensors.size, others };
      if (options.json) console.log(JSON.stringify(report, null, 2));
      else {
        const what = options.all ? 'all' : key || 'weights';
        console.log(`${to}: ${tensors.size} tensors (${what} of ${from})`);
        if (others.length > 0) console.log(`The file also holds ${others.join(', ')}: choose with --key.`);
      }
    });
}

type WeightFile = import('../../io/weight-file').WeightFile;

function choose(from: string, { groups, tensors }: WeightFile, { key, all }: ConvertOptions) {
  const names = [...groups.keys()];
  if (all || (names.length === 0 && key === undefined)) return { key: '', tensors };
  const chosen = key ?? ['model', ''].find((name) => groups.has(name)) ?? (names.length === 1 ? names[0] : undefined);
  const found = chosen === undefined ? undefined : groups.get(chosen);
  if (chosen !== undefined && found) return { key: chosen, tensors: found };
  throw new InvalidInputError(`Weights in ${from}`, {
    given: key === undefined ? `${names.length} dictionaries of tensors` : `the key ${JSON.stringify(key)}`,
    expected:
      names.length > 0 ? `one of ${names.map((name) => JSON.stringify(name)).join(', ')}` : 'a file that has one',
    remedy: 'Choose with --key, or take everything with --all.',
  });
}

async function write(path: string, tensors: WeightFile['tensors'], metadata: Record<string, string>): Promise<void> {
  if (path.endsWith('.safetensors')) {
    const { writeSafetensors } = await import('../../io/safetensors');
    writeSafetensors(path, tensors, metadata);
  } else if (/\.pth?$/.test(path)) {
    const { writeTorchCheckpoint } = await import('../../io/torch-writer');
    writeTorchCheckpoint(path, tensors);
  } else if (path.endsWith('.npz')) {
    const { writeNpz } = await import('../../io/npz');
    writeNpz(path, tensors);
  } else {
    throw new InvalidInputError('Output file', {
      given: path,
      expected: 'a name that ends in .safetensors, .pth or .npz',
      remedy: 'The ending chooses the format.',
    });
  }
}
