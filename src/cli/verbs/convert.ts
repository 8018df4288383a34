import type { Command } from 'commander';
import { InvalidInputError } from '../../runtime/errors';

interface ConvertOptions {
  key?: string;
  all?: boolean;
  json?: boolean;
}

/** `cer convert`: weights from PyTorch's .pth or NumPy to safetensors or npz, bit for bit. */
export function register(program: Command): void {
  program
    .command('convert')
    .description('convert weights from .pth, .safetensors or NumPy to .safetensors or .npz, bit for bit')
    .argument('<in>', 'a .pth, .safetensors, .npz or .npy file')
    .argument('<out>', 'a path that ends in .safetensors or .npz')
    .option('--key <name>', 'which weights of a checkpoint, e.g. model_ema (default: model, if the file has it)')
    .option('--all', 'all tensors of a checkpoint under dotted names, e.g. model_ema.mask_token')
    .option('--json', 'print only one object on standard output')
    .addHelpText(
      'after',
      `
Nothing in a .pth file is executed. PyTorch loads the result with safetensors.torch.load_file.
Tensors are converted one at a time, so a file may be larger than memory.

Example:
  cer convert checkpoint-last.pth mar-b.safetensors --key model_ema
  cer convert mar-b.safetensors mar-b.npz`,
    )
    .action(async (from: string, to: string, options: ConvertOptions) => {
      const { chooseGroup, openWeightFile } = await import('../../io/weight-file');
      const file = openWeightFile(from);
      const whole = options.all || (file.groups.size === 0 && options.key === undefined);
      const { key, tensors } = whole ? { key: '', tensors: file.tensors } : chooseGroup(from, file, options.key);
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

async function write(path: string, tensors: WeightFile['tensors'], metadata: Record<string, string>): Promise<void> {
  if (path.endsWith('.safetensors')) {
    const { writeSafetensors } = await import('../../io/safetensors');
    writeSafetensors(path, tensors, metadata);
  } else if (path.endsWith('.npz')) {
    const { writeNpz } = await import('../../io/npz');
    writeNpz(path, tensors);
  } else {
    throw new InvalidInputError('Output file', {
      given: path,
      expected: 'a name that ends in .safetensors or .npz',
      remedy:
        'The ending chooses the format. For PyTorch write safetensors, and load it there with `safetensors.torch.load_file`.',
    });
  }
}
